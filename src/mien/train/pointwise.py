"""1x1 convolutions as matrix products, which a CPU trains faster on small maps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Pointwise(nn.Conv2d):
    """A stock 1x1 convolution that is computed as a linear layer over the channels where it pays.

    oneDNN's gradients of 1x1 convolutions are slow on few places with many channels: a batch of 64
    maps of 2x2 places with 1024 channels takes 13 ms in bf16 with AMX (18 in float32), its linear
    layer 3 (10); of 7x7 with 512 channels 6.0 and 4.1 ms in bf16, and no less in float32. The
    function, the weights and the exported graph are those of the stock layer.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, h, w) to (N, C', h, w), as ``nn.Conv2d``."""
        if not (self.training and input.device.type == "cpu" and as_linear(input)):
            return super().forward(input)
        weight = self.weight.flatten(1)
        return F.linear(input.permute(0, 2, 3, 1), weight, self.bias).permute(0, 3, 1, 2)


def as_linear(input: Tensor) -> bool:
    """Whether a map is small enough for the linear layer to be the faster one."""
    places = input.shape[-2] * input.shape[-1]
    return places <= (256 if torch.is_autocast_enabled("cpu") else 16)


def speed_up(trunk: nn.Module) -> None:
    """Turn the trunk's stock 1x1 convolutions into ``Pointwise``, in place."""
    for module in trunk.modules():
        if (
            type(module) is nn.Conv2d
            and module.kernel_size == module.stride == (1, 1)
            and module.groups == 1
            and module.padding in ((0, 0), "same", "valid")
        ):
            module.__class__ = Pointwise
