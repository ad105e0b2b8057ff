"""Layers that train faster on a CPU than PyTorch's own: the same functions and weights.

``accelerate`` is the one door. It swaps classes of layers in place, so names of weights, the
exported graph and evaluation stay those of the stock layers.
"""

from __future__ import annotations

import importlib.util
from contextlib import nullcontext
from functools import lru_cache
from types import ModuleType

import torch
import torch.nn.functional as F
from timm.layers import Conv2dSame
from timm.layers.padding import pad_same_arg
from torch import Tensor, nn

ADVICE = (
    "training uses stock depthwise layers; pip install 'mien[fast]' compiles them, which trained "
    "EfficientNet-Lite0 and B0 1.3 times as fast in bf16"
)
_advised: list[str] = []
Around = tuple[int, int, int, int]
"""Zeros left, right, above and below a map."""


def accelerate(network: nn.Module) -> str:
    """Replace layers by those that train faster on a CPU, in place.

    Returns:
        What a person could install to gain more for this network, once a process; "" else.
    """
    depthwise = 0
    for module in network.modules():
        if is_pointwise(module):
            module.__class__ = Pointwise
        elif is_depthwise(module):
            module.__class__ = DepthwiseSame if type(module) is Conv2dSame else Depthwise
            depthwise += 1
    if not depthwise or compiled() is not None or _advised:
        return ""
    _advised.append(ADVICE)
    return ADVICE


@lru_cache
def compiled() -> ModuleType | None:
    """The loops that numba compiles, or None where it is not installed."""
    if importlib.util.find_spec("numba") is None:
        return None
    from mien.train.kernels import loops

    return loops


def is_pointwise(module: nn.Module) -> bool:
    """Whether it is a stock 1x1 convolution."""
    return (
        type(module) is nn.Conv2d
        and module.kernel_size == module.stride == (1, 1)
        and module.groups == 1
        and module.padding in ((0, 0), "same", "valid")
    )


def is_depthwise(module: nn.Module) -> bool:
    """Whether it is PyTorch's or timm's depthwise convolution, padded with zeros."""
    return bool(
        type(module) in (nn.Conv2d, Conv2dSame)
        and 1 < module.groups == module.in_channels  # type: ignore[operator]
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    )


class Pointwise(nn.Conv2d):
    """A 1x1 convolution, computed as a linear layer over the channels where that is faster.

    oneDNN's gradients of 1x1 convolutions are slow on few places with many channels: a batch of 64
    maps of 2x2 places with 1024 channels takes 13 ms in bf16 with AMX (18 in float32), its linear
    layer 3 (10).
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, h, w) to (N, C', h, w), as ``nn.Conv2d``."""
        small = 256 if torch.is_autocast_enabled("cpu") else 16
        places = input.shape[-2] * input.shape[-1]
        if not (self.training and input.device.type == "cpu" and places <= small):
            return super().forward(input)
        weight = self.weight.flatten(1)
        return F.linear(input.permute(0, 2, 3, 1), weight, self.bias).permute(0, 3, 1, 2)


class Depthwise(nn.Conv2d):
    """A depthwise convolution that avoids PyTorch's slow cases in training (see ``convolve``)."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, h, w) to (N, C, h', w'), as ``nn.Conv2d``."""
        if not in_training(self, input):
            return super().forward(input)
        down, right = (int(pad) for pad in self.padding)
        return convolve(self, input, (right, right, down, down))


class DepthwiseSame(Conv2dSame):  # type: ignore[misc]  # timm says nothing of its types
    """The same of timm's depthwise convolution with TensorFlow's padding."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) to (N, C, h', w'), as ``Conv2dSame``."""
        if not in_training(self, x):
            stock: Tensor = super().forward(x)
            return stock
        left, right, top, bottom = pad_same_arg(
            list(x.shape[-2:]), list(self.kernel_size), list(self.stride), list(self.dilation)
        )
        return convolve(self, x, (left, right, top, bottom))


def in_training(conv: nn.Conv2d, x: Tensor) -> bool:
    """Whether this is a step of training on a CPU, not compiled."""
    return conv.training and x.device.type == "cpu" and not torch.compiler.is_compiling()


def convolve(conv: nn.Conv2d, x: Tensor, around: Around) -> Tensor:
    """A depthwise ``conv`` of ``x`` (N, C, h, w) with zeros ``around`` it.

    Most are computed by compiled loops. What follows is for the rest, and for where numba is not
    installed. Under bf16 autocast it is computed in float32 unless it is 3x3 with stride 1 on a
    larger map: for any other, oneDNN has no fast bf16 weight gradient (3x3, stride 2, 64 channels
    of 56x56, batch of 64 with AMX: 70 ms, 18 with both casts). And a map that is smaller than the
    kernel is padded before, not inside, the convolution, for the same want in any arithmetic (5x5
    on 3x3: 72 ms with AVX2, 16 with the padding outside).
    """
    loops = compiled()
    if loops is not None and loops.pays(conv, x):
        fast: Tensor = loops.convolve(conv, x, around)
        return fast
    slow = slow_in_bf16(conv, x)
    left, right, top, bottom = around
    inside: tuple[int, int] | int = (top, left)
    small = any(n < k for n, k in zip(x.shape[-2:], conv.kernel_size, strict=True))
    if small or left != right or top != bottom:
        x, inside = F.pad(x, around), 0
    with torch.autocast("cpu", enabled=False) if slow else nullcontext():
        out = F.conv2d(
            x.float() if slow else x, conv.weight, conv.bias, conv.stride, inside, conv.dilation,
            conv.groups,
        )  # fmt: skip
    return out.bfloat16() if slow else out


def slow_in_bf16(conv: nn.Conv2d, x: Tensor) -> bool:
    """Whether autocast would give ``conv`` a kernel that has no fast gradient on a CPU."""
    quick = max(conv.kernel_size) <= 3 <= min(x.shape[-2:]) and max(conv.stride) == 1
    return not quick and torch.is_autocast_enabled("cpu")
