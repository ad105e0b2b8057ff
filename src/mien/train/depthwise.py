"""Depthwise convolutions whose kernel is larger than the map: a way round a slow CPU path."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class PadFirst(nn.Conv2d):
    """A depthwise convolution that pads small maps before, not inside, the convolution.

    oneDNN has no fast weight gradient for a depthwise kernel that is larger than its map (5x5 on
    3x3: 72 ms a layer and batch of 64 with AVX2, 16 with the padding outside), so on a CPU in
    training such a map is padded first. The function, the weights and the exported graph are those
    of the stock layer.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, h, w) to (N, C, h', w'), as ``nn.Conv2d``."""
        rows, columns = input.shape[-2:]
        small = rows < self.kernel_size[0] and columns < self.kernel_size[1]
        if not (self.training and small and input.device.type == "cpu"):
            return super().forward(input)
        down, right = (int(pad) for pad in self.padding)
        padded = F.pad(input, (right, right, down, down))
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def pad_first(trunk: nn.Module) -> None:
    """Turn the trunk's stock depthwise convolutions of 5x5 and more into ``PadFirst``, in place."""
    for module in trunk.modules():
        if (
            type(module) is nn.Conv2d
            and 1 < module.groups == module.in_channels
            and min(module.kernel_size) > 3
            and module.padding_mode == "zeros"
            and not isinstance(module.padding, str)
        ):
            module.__class__ = PadFirst
