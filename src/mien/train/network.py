"""A timm trunk, pooled features, two linear heads; and the one road from crops into it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.emotions import BALLOT, BALLOT_INDEX, EMOTIONS
from mien.train import dense, depthwise, norms, pointwise, thin
from mien.train import face_resnet as _face_resnet  # noqa: F401  registers its trunk with timm

Triple = tuple[float, float, float]
HALF = (0.5, 0.5, 0.5)
CAFFE = ((103.939 / 255, 116.779 / 255, 123.68 / 255), (1 / 255, 1 / 255, 1 / 255))
NORMALISATION: dict[str, tuple[Triple, Triple]] = {
    "faceres": CAFFE,
    "vgg16": CAFFE,
    "dlib": ((122.782 / 255, 117.001 / 255, 104.298 / 255), (1.0, 1.0, 1.0)),
    "lite0": (HALF, HALF),
    "lite1": (HALF, HALF),
    "lite2": (HALF, HALF),
}
"""Mean and std, of values in 0..1, that go with a start's weights where timm's own do not."""


def normalisation(
    start: str, mean: Triple | None, std: Triple | None
) -> tuple[Triple | None, Triple | None]:
    """Mean and std for a recipe's start, unless it gives its own; None is the trunk's."""
    own = NORMALISATION.get(start.partition(":")[0], (None, None))
    return mean or own[0], std or own[1]


def upsample(images: Tensor, *, size: int, crop: int = 48) -> Tensor:
    """Centre crop and bilinear upsampling (half-pixel, no antialias).

    Args:
        images: (N, 48, 48) uint8 or float, 0..255.
        size: pixels a side of the result.
        crop: pixels of the centre that are kept.

    Returns:
        (N, 1, size, size) float, 0..255.
    """
    edge = (images.shape[-1] - crop) // 2
    grey = images[:, None, edge : edge + crop, edge : edge + crop].float()
    if size == crop:
        return grey
    return F.interpolate(grey, size=(size, size), mode="bilinear", align_corners=False)


class Network(nn.Module):
    """Trunk with pooled features and two heads.

    ``trunk.forward_features`` maps (N, 3, s, s) to (N, C, h, w). Input values are 0..255.
    ``hold`` keeps the trunk, its first layers, or the statistics of its batch norms still while the
    rest trains.
    """

    still: tuple[str, ...] = ()
    layout = torch.channels_last

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        trunk: nn.Module,
        features: int,
        *,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.dropout = nn.Dropout(dropout)
        self.label = nn.Linear(features, len(EMOTIONS))
        self.ballot = nn.Linear(features, len(BALLOT))
        self.register_buffer("mean", 255 * torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std).view(1, -1, 1, 1), persistent=False)
        self.divides = bool((self.std != 1).any())  # else the graph would carry a division by one

    def features(self, grey: Tensor) -> Tensor:
        """(N, 1, s, s) grey, 0..255, to the feature map (N, C, h, w)."""
        x = grey - self.mean
        if self.divides:
            x = x / self.std
        # The broadcast result is contiguous; say so, or the trunk runs in the slow layout.
        x = x.contiguous(memory_format=self.layout)
        features: Tensor = self.trunk.forward_features(x)  # type: ignore[operator]
        return features

    def forward(self, grey: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 1, s, s) grey, 0..255, to logits ``label`` (N, 7) and ``ballot`` (N, 10)."""
        pooled = self.dropout(self.features(grey).mean(dim=(2, 3)).float())
        return self.label(pooled), self.ballot(pooled)

    def hold(self, *, trunk: bool = False, norms: bool = False, upto: str = "") -> None:
        """Freeze the whole trunk, its layers up to and with one, or only its norms' statistics.

        What an earlier call froze and this one does not is free again.

        Raises:
            ValueError: the trunk has no layer ``upto``.
        """
        first = layers_upto(self.trunk, upto) if upto else []
        for name, parameter in self.trunk.named_parameters():
            parameter.requires_grad_(not trunk and name.rpartition(".")[0] not in first)
        all_norms = [
            name
            for name, module in self.trunk.named_modules()
            if (trunk or norms) and isinstance(module, nn.modules.batchnorm._BatchNorm)
        ]
        self.still = (*first, *all_norms)
        self.train(self.training)

    def train(self, mode: bool = True) -> Network:
        """Switch modes; what is held still stays in evaluation mode."""
        super().train(mode)
        for name in self.still:
            self.trunk.get_submodule(name).eval()
        return self

    def cam(self, features: Tensor) -> Tensor:
        """(N, C, h, w) features to class-activation maps (N, 7, h, w) of the ballot's seven."""
        weight = self.ballot.weight[list(BALLOT_INDEX)]
        return F.conv2d(features, weight[:, :, None, None])


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
        raise ValueError(f"timm has no trunk {trunk!r}; near are {', '.join(near)}")
    model = timm.create_model(trunk, pretrained=pretrained, num_classes=0, **(trunk_args or {}))
    if hasattr(model, "pre_logits"):  # VGG's two wide layers, 120 M parameters for a 1x1 map
        model.pre_logits = nn.Identity()
    if any(isinstance(module, nn.Linear) for module in model.modules()):
        check_map(model, trunk, (trunk_args or {}).get("img_size"))
    if stem != "stock":
        widen_stem(model, stem)
    thin.narrow(model, widths or {})
    depthwise.speed_up(model)
    pointwise.speed_up(model)
    dense.speed_up(model)
    norms.speed_up(model)
    config = model.pretrained_cfg
    network = Network(
        model,
        model.num_features,
        mean=mean or config["mean"],
        std=std or config["std"],
        dropout=dropout,
    )
    return network.to(memory_format=torch.channels_last)


def layers_upto(trunk: nn.Module, last: str) -> list[str]:
    """Names of a trunk's modules up to and with one, in the order in which it registers them.

    Those that hold later ones too are left out.

    Raises:
        ValueError: the trunk has no such module.
    """
    names = [name for name, _ in trunk.named_modules() if name]
    if last not in names:
        top = ", ".join(name for name in names if name.count(".") < 2 and "act" not in name)
        raise ValueError(f"transfer.freeze: the trunk has no layer {last!r}; it has {top}")
    end = max(i for i, name in enumerate(names) if f"{name}.".startswith(f"{last}."))
    return [name for name in names[: end + 1] if not last.startswith(f"{name}.")]


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
            f"{model.num_features}, h, w); choose a convolutional trunk, as resnet18"
        )


def check_sizes(network: Network, sizes: Iterable[int]) -> None:
    """Make sure, before hours of training, that the network takes pictures of all these sizes.

    Raises:
        ValueError: one that it does not take.
    """
    training = network.training
    network.eval()
    for size in sorted(sizes):
        try:
            with torch.no_grad():
                network(torch.zeros(1, 1, size, size))
        except RuntimeError as error:
            raise ValueError(
                f"the network takes no pictures of {size} pixels ({error}); raise network.size "
                "and sizes, or change network.trunk_args"
            ) from None
    network.train(training)


def widen_stem(trunk: nn.Module, stem: str) -> None:
    """Take halvings out of a trunk: the first convolution's stride, the first or the last pooling.

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
    """Let each dense convolution but the first begin by passing its input on.

    Output channels beyond the input's keep their random weights. Deep stacks without shortcuts
    leave the class prior sooner so. Source: K. Jordan, "94% on CIFAR-10 in 3.29 seconds", 2024.
    """
    dense = [m for m in trunk.modules() if isinstance(m, nn.Conv2d) and m.groups == 1]
    with torch.no_grad():
        for conv in dense[1:]:
            nn.init.dirac_(conv.weight[: conv.in_channels])
