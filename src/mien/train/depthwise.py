"""Depthwise convolutions on a CPU: ways round the cases that PyTorch computes slowly."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import Conv2dSame
from timm.layers.padding import pad_same_arg
from torch import Tensor, nn

from mien.train import depthwise_loops


class Depthwise(nn.Conv2d):
    """A stock depthwise convolution, but for slow cases of training on a CPU.

    Most are computed by ``depthwise_loops``; what follows is for the rest. Under bf16 autocast it
    computes in float32 unless it is 3x3 with stride 1 on a larger map: for any other, oneDNN has
    no fast bf16 weight gradient (3x3, stride 2, 64 channels of 56x56, batch of 64 with AMX: 70 ms,
    18 with both casts). And a map that is smaller than the kernel is padded before, not inside,
    the convolution, for the same want in any arithmetic (5x5 on 3x3: 72 ms with AVX2, 16 with the
    padding outside). The function, the weights and the exported graph are those of the stock
    layer.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, h, w) to (N, C, h', w'), as ``nn.Conv2d``."""
        if depthwise_loops.pays(self, input):
            down, right = (int(pad) for pad in self.padding)
            return depthwise_loops.convolve(self, input, (right, right, down, down))
        if not slow_in_bf16(self, input):
            return self._convolve(input)
        with torch.autocast("cpu", enabled=False):
            return self._convolve(input.float()).bfloat16()

    def _convolve(self, input: Tensor) -> Tensor:
        small = all(n < k for n, k in zip(input.shape[-2:], self.kernel_size, strict=True))
        if not (self.training and small and input.device.type == "cpu"):
            return super().forward(input)
        down, right = (int(pad) for pad in self.padding)
        padded = F.pad(input, (right, right, down, down))
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class DepthwiseSame(Conv2dSame):  # type: ignore[misc]  # timm says nothing of its types
    """timm's depthwise convolution with TensorFlow's padding, faster in training on a CPU.

    Loops, or float32 under bf16 autocast, as in ``Depthwise``; cast and padding are one copy each
    way, where ``F.pad`` fills and copies twice.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) to (N, C, h', w'), as ``Conv2dSame``."""
        if not self.training or x.device.type != "cpu" or torch.compiler.is_compiling():
            stock: Tensor = super().forward(x)
            return stock
        around = pad_same_arg(
            list(x.shape[-2:]), list(self.kernel_size), list(self.stride), list(self.dilation)
        )
        if depthwise_loops.pays(self, x):
            return depthwise_loops.convolve(self, x, tuple(around))
        slow = slow_in_bf16(self, x)
        padded = _Pad.apply(x, around, torch.float32 if slow else x.dtype)
        with torch.autocast("cpu", enabled=False) if slow else nullcontext():
            out = F.conv2d(
                padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups
            )
        return out.bfloat16() if slow else out


class _Pad(torch.autograd.Function):
    """(N, C, h, w) with zeros around (left, right, top, bottom), in another dtype."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, around: list[int], dtype: torch.dtype) -> Tensor:
        left, right, top, bottom = around
        rows, columns = x.shape[-2:]
        out = torch.empty(
            (*x.shape[:2], top + rows + bottom, left + columns + right),
            dtype=dtype, memory_format=torch.channels_last,
        )  # fmt: skip
        out[:, :, :top].zero_()
        out[:, :, top + rows :].zero_()
        out[..., :left].zero_()
        out[..., left + columns :].zero_()
        out[:, :, top : top + rows, left : left + columns] = x
        ctx.window = (slice(top, top + rows), slice(left, left + columns))
        ctx.dtype = x.dtype
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        inside = gradients[0][:, :, *ctx.window]
        return inside.to(ctx.dtype).contiguous(memory_format=torch.channels_last), None, None


def slow_in_bf16(conv: nn.Conv2d, input: Tensor) -> bool:
    """Whether autocast would give ``conv`` a kernel that has no fast gradient on a CPU."""
    quick = max(conv.kernel_size) <= 3 <= min(input.shape[-2:]) and max(conv.stride) == 1
    return not quick and input.device.type == "cpu" and torch.is_autocast_enabled("cpu")


def speed_up(trunk: nn.Module) -> None:
    """Turn the trunk's stock depthwise convolutions into ours, in place."""
    for module in trunk.modules():
        if not isinstance(module, nn.Conv2d) or not 1 < module.groups == module.in_channels:
            continue
        if type(module) is Conv2dSame:
            module.__class__ = DepthwiseSame
        elif (
            type(module) is nn.Conv2d
            and module.padding_mode == "zeros"
            and not isinstance(module.padding, str)
        ):
            module.__class__ = Depthwise
