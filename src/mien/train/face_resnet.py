"""dlib's face ResNet as a timm trunk: a narrow residual network of 29 convolutions for faces."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from timm.layers import create_conv2d, create_pool2d
from timm.models import register_model
from torch import Tensor, nn

# Widths and depths of the stages; the first block of each but the first one halves the map.
STAGES = ((32, 3), (64, 4), (128, 3), (256, 4))


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

    num_features = STAGES[-1][0]
    pretrained_cfg = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}  # noqa: RUF012  as timm's

    def __init__(self) -> None:
        super().__init__()
        before = STAGES[0][0]
        self.conv1 = create_conv2d(3, before, 7, stride=2, padding="same")
        self.bn1 = nn.BatchNorm2d(before)
        self.maxpool = create_pool2d("max", 3, 2, padding="same")
        blocks: list[Block] = []
        for stage, (width, depth) in enumerate(STAGES):
            for place in range(depth):
                blocks.append(Block(before, width, 2 if stage and not place else 1))
                before = width
        self.blocks = nn.Sequential(*blocks)

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """Layers as timm groups them, for rates that fall with the depth."""
        return {"stem": r"^(?:conv1|bn1)\.", "blocks": r"^blocks\.(\d+)"}

    def forward_features(self, x: Tensor) -> Tensor:
        """The feature map before pooling."""
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        features: Tensor = self.blocks(x)
        return features


@register_model  # type: ignore[untyped-decorator]
def face_resnet29(pretrained: bool = False, num_classes: int = 0, **_: Any) -> FaceResNet:
    """The trunk under the name ``face_resnet29``; it has no weights on a hub.

    Raises:
        RuntimeError: weights from the hub are asked for.
    """
    if pretrained:
        raise RuntimeError("face_resnet29 has no weights on the hub; use start = 'dlib:PACKAGE'")
    return FaceResNet()


__all__ = ["face_resnet29"]
