"""Dense 3x3 convolutions as matrix products, which a CPU with AMX trains faster on small maps."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.grad import conv2d_input

from mien.train.precision import cpu_features

PRODUCT = 16
"""Places of a map up to which results and their gradients are quicker as products too."""

WEIGHTS = 64
"""Places of a map up to which weight gradients are."""


class Unfolded(nn.Conv2d):
    """A stock dense 3x3 convolution that, in bf16 on a CPU in training, unfolds small maps.

    Each place's 3x3 neighbourhood becomes a row, and the layer one matrix product. oneDNN's bf16
    convolutions are slow where a map has few places and many channels, their weight gradients most
    of all: a batch of 64 maps of 4x4 places with 512 channels takes 35 ms (21 of them the
    weights'), the products 20. The weights and the exported graph are those of the stock layer,
    and so is the function within bf16's rounding.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, h, w) to (N, K, h, w), as ``nn.Conv2d``."""
        if not (
            self.training
            and input.device.type == "cpu"
            and input.shape[-2] * input.shape[-1] <= WEIGHTS
            and torch.is_autocast_enabled("cpu")
            and torch.get_autocast_dtype("cpu") == torch.bfloat16
            and not torch.compiler.is_compiling()
        ):
            return super().forward(input)
        bias = None if self.bias is None else self.bias.bfloat16()
        y: Tensor = _Convolve.apply(input.bfloat16(), self.weight.bfloat16(), bias)
        return y


class _Convolve(torch.autograd.Function):
    """3x3, stride 1, padding 1: x (N, C, h, w) and weight (K, C, 3, 3) to (N, K, h, w)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        if not _as_product(x):
            return F.conv2d(x, weight, bias, padding=1)
        return _maps(F.linear(_rows(x), weight.permute(0, 2, 3, 1).flatten(1), bias), x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        d_x = d_weight = d_bias = None
        places = gradient.permute(0, 2, 3, 1).flatten(0, 2)
        if ctx.needs_input_grad[0]:
            if _as_product(x):  # the convolution by the turned kernels
                turned = weight.permute(2, 3, 0, 1).flip(0, 1).flatten(0, 2)
                d_x = _maps(_rows(gradient) @ turned, x)
            else:
                d_x = conv2d_input(x.shape, weight, gradient, padding=1)  # type: ignore[no-untyped-call]
        if ctx.needs_input_grad[1]:
            d_weight = (places.T @ _rows(x)).view(-1, 3, 3, x.shape[1]).permute(0, 3, 1, 2)
        if ctx.needs_input_grad[2]:
            d_bias = places.sum(0)
        return d_x, d_weight, d_bias


def _as_product(x: Tensor) -> bool:
    return x.shape[-2] * x.shape[-1] <= PRODUCT


def _maps(rows: Tensor, like: Tensor) -> Tensor:
    """(N h w, K) to (N, K, h, w)."""
    batch, _, height, width = like.shape
    return rows.view(batch, height, width, -1).permute(0, 3, 1, 2)


def _rows(x: Tensor) -> Tensor:
    """(N, C, h, w) to (N h w, 9 C): the 3x3 neighbourhood of every place, zeros beyond the edge."""
    batch, channels, rows, columns = x.shape
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    across, down, right, channel = padded.stride()
    windows = padded.as_strided(
        (batch, rows, columns, 3, 3, channels), (across, down, right, down, right, channel)
    )
    return windows.reshape(batch * rows * columns, 9 * channels)


def pays() -> bool:
    """Whether the products were measured to be quicker on such a processor: one with AMX."""
    return "amx_bf16" in cpu_features()
