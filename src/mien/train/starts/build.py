"""Networks as they are built: any timm trunk with its stem and widths, and one of our own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import timm
import torch
import torch.nn.functional as F
from timm.layers import create_conv2d
from timm.models import register_model
from torch import Tensor, nn

from mien.train.network import Network
from mien.train.starts import pruning


def build(
    trunk: str,
    *,
    trunk_args: Mapping[str, Any] | None = None,
    pretrained: bool = False,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    dropout: float = 0.0,
    stem: str = "stock",
    widths: Mapping[str, int] | None = None,
) -> Network:
    """Make a network around a timm trunk whose features are a map.

    Mean and std (of values in 0..1) are the trunk's own unless given. ``stem`` and
    ``widths`` as in ``sections.Network``: the first changes strides alone, so any start still fits.

    Raises:
        ValueError: timm knows no such trunk (the message lists the nearest names), its features
            are no map, or its stem or widths cannot be changed so.
    """
    if not timm.is_model(trunk):
        near = timm.list_models(f"*{trunk[:6]}*")[:8] or ["resnet18", "vgg19_bn"]
        raise ValueError(f"timm has no trunk {trunk!r}; similar names: {', '.join(near)}")
    model = timm.create_model(trunk, pretrained=pretrained, num_classes=0, **(trunk_args or {}))
    if hasattr(model, "pre_logits"):  # VGG's two wide layers, 120 M parameters for a 1x1 map
        model.pre_logits = nn.Identity()
    if any(isinstance(module, nn.Linear) for module in model.modules()):
        check_map(model, trunk, (trunk_args or {}).get("img_size"))
    if stem != "stock":
        widen_stem(model, stem)
    pruning.narrow(model, widths or {})
    config = model.pretrained_cfg
    network = Network(
        model,
        model.num_features,
        mean=mean or config["mean"],
        std=std or config["std"],
        dropout=dropout,
    )
    return network.to(memory_format=torch.channels_last)


def check_map(model: nn.Module, name: str, side: Any = None) -> None:
    """Make sure that a trunk's features are (N, C, h, w), by one blank picture at its own size.

    Only trunks with linear layers may have others; those of convolutions alone need no check. No
    random number is drawn.

    Raises:
        ValueError: they are not.
    """
    config: Any = model.pretrained_cfg
    high, wide = side if isinstance(side, tuple | list) else (side or config["input_size"][-1],) * 2
    was = model.training
    with torch.no_grad():
        shape = model.eval().forward_features(torch.zeros(1, 3, high, wide)).shape  # type: ignore[operator]
    model.train(was)
    if len(shape) != 4 or shape[1] != model.num_features:
        raise ValueError(
            f"network.trunk={name}: its features are {tuple(shape)}, not a map (N, "
            f"{model.num_features}, h, w); choose a convolutional trunk, such as resnet18"
        )


def widen_stem(trunk: nn.Module, stem: str) -> None:
    """Remove downsampling: the first convolution's stride, the first or the last pooling.

    Raises:
        ValueError: the trunk has no such halving.
    """
    if stem == "no-last-pool":
        drop_last_pool(trunk)
        return
    first = next((m for m in trunk.modules() if isinstance(m, nn.Conv2d)), None)
    pool = getattr(trunk, "maxpool", None)
    if stem in ("stride-1", "small") and first is not None and first.stride != (1, 1):
        first.stride = (1, 1)
    elif stem == "stride-1":
        raise ValueError("network.stem: this trunk's first convolution has stride 1 already")
    if stem in ("no-pool", "small") and pool is not None:
        trunk.maxpool = nn.Identity()
    elif stem == "no-pool":
        raise ValueError("network.stem: this trunk has no first pooling; 'stride-1' may fit")


def drop_last_pool(trunk: nn.Module) -> None:
    """Leave out VGG's last pooling, which makes one place of a small input's three by three.

    Raises:
        ValueError: the trunk does not end with a pooling.
    """
    stack = getattr(trunk, "features", None)
    if not isinstance(stack, nn.Sequential) or not isinstance(stack[-1], nn.MaxPool2d):
        raise ValueError("network.stem: this trunk's features do not end with a pooling")
    stack[-1] = nn.Identity()


def pass_on(trunk: nn.Module) -> None:
    """Initialise each dense convolution but the first as an identity.

    Output channels beyond the input's keep their random weights. Deep stacks without shortcuts
    leave the class prior sooner so. Source: K. Jordan, "94% on CIFAR-10 in 3.29 seconds", 2024.
    """
    dense = [m for m in trunk.modules() if isinstance(m, nn.Conv2d) and m.groups == 1]
    with torch.no_grad():
        for conv in dense[1:]:
            nn.init.dirac_(conv.weight[: conv.in_channels])


# Widths and depths of the stages; the first block of each but the first one halves the map.
FACE_STAGES = ((32, 3), (64, 4), (128, 3), (256, 4))


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut without weights.

    Where the block is wider than its input, the shortcut is filled up with zeros; where it halves
    the map, the shortcut is averaged over 2x2.
    """

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.stride, self.wider = stride, width - before
        self.conv1 = create_conv2d(before, width, 3, stride=stride, padding="same")
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = create_conv2d(width, width, 3, padding="same")
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, before, h, w) to (N, width, h / stride, w / stride), halves rounded up."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.stride == 2:
            x = F.avg_pool2d(x, 2, ceil_mode=True)
        if self.wider:
            x = F.pad(x, (0, 0, 0, 0, 0, self.wider))
        return F.relu(x + y)


class FaceResNet(nn.Module):
    """``forward_features`` maps (N, 3, s, s) to (N, 256, s / 32, s / 32).

    dlib's own network halves the map once more in its last block and starts at the picture's edge
    without padding; here the last block keeps the map, since expressions are read from small
    pictures, and every halving pads as TensorFlow's "same" does, which leaves the inside as it was.

    Source: D. King, dlib's ``dnn_face_recognition_resnet_model_v1`` (2017).
    """

    num_features = FACE_STAGES[-1][0]
    pretrained_cfg = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}  # noqa: RUF012  as timm's

    def __init__(self) -> None:
        super().__init__()
        before = FACE_STAGES[0][0]
        self.conv1 = create_conv2d(3, before, 7, stride=2, padding="same")
        self.bn1 = nn.BatchNorm2d(before)
        blocks: list[Block] = []
        for stage, (width, depth) in enumerate(FACE_STAGES):
            for place in range(depth):
                blocks.append(Block(before, width, 2 if stage and not place else 1))
                before = width
        self.blocks = nn.Sequential(*blocks)

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """Layers as timm groups them, for rates that fall with the depth."""
        return {"stem": r"^(?:conv1|bn1)\.", "blocks": r"^blocks\.(\d+)"}

    def forward_features(self, x: Tensor) -> Tensor:
        """The feature map before pooling."""
        x = F.relu(self.bn1(self.conv1(x)))
        # "same" too, but without a padded copy of the largest map
        x = F.max_pool2d(x, 3, 2, padding=x.shape[-1] % 2, ceil_mode=True)
        features: Tensor = self.blocks(x)
        return features


@register_model  # type: ignore[untyped-decorator]
def face_resnet29(pretrained: bool = False, num_classes: int = 0, **_: Any) -> FaceResNet:
    """The trunk under the name ``face_resnet29``; it has no weights on a hub.

    Raises:
        RuntimeError: weights from the hub are asked for.
    """
    if pretrained:
        raise RuntimeError("face_resnet29 has no weights on the hub; use network.start=dlib")
    return FaceResNet()
