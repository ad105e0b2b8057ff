"""Batch norm and its activation in two passes over memory, which a CPU trains faster."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mien.train import team
from mien.train.bits import as_numpy, compiled, narrow, widen

WIDTH = 256
"""Values that a loop takes at a time: rows of few channels are joined until they fill it."""
SMALL = 1 << 17
"""Values of a map below which the stock layer is quicker than four loops handed to threads."""
BOUNDS = {nn.ReLU: (0.0, inf), nn.ReLU6: (0.0, 6.0)}
"""What an activation holds its values between. A norm without one gains nothing."""
ROWS = 128
"""Rows that are summed in single precision before they join the sum in double."""


@compiled
def _moments(x, origin, total, squares, first, last):  # type: ignore[no-untyped-def]
    """Sums of x - origin and of its squares over rows; less an origin, none is lost to rounding."""
    width = x.shape[1]
    one, two = np.zeros(width, np.float32), np.zeros(width, np.float32)
    for start in range(first, last, ROWS):
        one[:] = 0
        two[:] = 0
        for row in range(start, min(start + ROWS, last)):
            for c in range(width):
                d = widen(x[row, c]) - origin[c]
                one[c] += d
                two[c] += d * d
        for c in range(width):
            total[c] += one[c]
            squares[c] += two[c]


@compiled
def _apply(x, y, mean, scale, bias, low, high, first, last):  # type: ignore[no-untyped-def]
    """Y is (x - mean) * scale + bias, held between low and high; what is no number stays none."""
    for row in range(first, last):
        for c in range(x.shape[1]):
            value = (widen(x[row, c]) - mean[c]) * scale[c] + bias[c]
            value = low if value < low else value
            value = high if value > high else value
            y[row, c] = narrow(value, y[row, c])


@compiled
def _gradient_sums(x, g, mean, scale, bias, low, high, total, along, first, last):  # type: ignore[no-untyped-def]
    """Sums over rows of the gradient before the activation, and of it times x - mean."""
    width = x.shape[1]
    one, two = np.zeros(width, np.float32), np.zeros(width, np.float32)
    for start in range(first, last, ROWS):
        one[:] = 0
        two[:] = 0
        for row in range(start, min(start + ROWS, last)):
            for c in range(width):
                value = widen(x[row, c]) - mean[c]
                out = value * scale[c] + bias[c]
                d = widen(g[row, c]) if low < out < high else np.float32(0)
                one[c] += d
                two[c] += d * value
        for c in range(width):
            total[c] += one[c]
            along[c] += two[c]


@compiled
def _gradient(x, g, out, mean, scale, bias, low, high, slope, level, first, last):  # type: ignore[no-untyped-def]
    """Out is scale * gradient before the activation + slope * (x - mean) + level."""
    for row in range(first, last):
        for c in range(x.shape[1]):
            value = widen(x[row, c]) - mean[c]
            y = value * scale[c] + bias[c]
            d = widen(g[row, c]) if low < y < high else np.float32(0)
            out[row, c] = narrow(scale[c] * d + slope[c] * value + level[c], out[row, c])


class _Normalise(torch.autograd.Function):
    """x (N, C, h, w) to the clipped norm of it, with the batch's mean and variance (C,)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, origin: Tensor, eps: float,
        bounds: tuple[float, float],
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        rows, joined = _rows(x)
        limits = [np.array([bound], np.float32) for bound in bounds]
        count = x.numel() // x.shape[1]
        apart, squares = _sums(_moments, rows, _line(origin, joined), joined=joined) / count
        mean = origin + apart
        var = (squares - apart.square()).clamp(min=0)
        scale = weight * (var + eps).rsqrt()
        y = torch.empty_like(x)
        line = [_line(vector, joined) for vector in (mean, scale, bias)]
        team.share(_apply, rows, _rows(y)[0], *line, *limits)
        ctx.save_for_backward(x, mean, var, scale, bias)
        ctx.settings = eps, limits
        ctx.mark_non_differentiable(mean, var)
        return y, mean, var

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, var, scale, bias = ctx.saved_tensors
        eps, limits = ctx.settings
        rows, joined = _rows(x)
        given, _ = _rows(gradients[0].to(x.dtype).contiguous(memory_format=torch.channels_last))
        count = x.numel() // x.shape[1]
        line = [_line(vector, joined) for vector in (mean, scale, bias)]
        total, along = _sums(_gradient_sums, rows, given, *line, *limits, joined=joined)
        steep = (var + eps).reciprocal()
        slope = -scale * steep * along / count
        level = -scale * total / count
        d_x = torch.empty_like(x)
        terms = [_line(vector, joined) for vector in (slope, level)]
        team.share(_gradient, rows, given, _rows(d_x)[0], *line, *limits, *terms)
        return d_x, along * steep.sqrt(), total, None, None, None


def _rows(x: Tensor) -> tuple[NDArray[Any], int]:
    """A channels-last (N, C, h, w) as rows of values, and how many places a row holds."""
    flat = x.detach().permute(0, 2, 3, 1).reshape(-1, x.shape[1])
    joined = 1
    while joined * x.shape[1] < WIDTH and len(flat) % (2 * joined) == 0:
        joined *= 2
    return as_numpy(flat.view(len(flat) // joined, -1)), joined


def _line(vector: Tensor, joined: int) -> NDArray[np.float32]:
    """A value a channel, for every place of a row."""
    values: NDArray[np.float32] = np.tile(vector.detach().float().numpy(), joined)
    return values


def _sums(loop: Any, rows: NDArray[Any], *arguments: NDArray[Any], joined: int) -> Tensor:
    """(2, C) float32: what a loop sums up over all rows, part by part and so alike each time."""
    parts = np.zeros((2, torch.get_num_threads(), 1, rows.shape[1]))
    team.share(loop, rows, *arguments, *parts)
    return torch.from_numpy(parts.sum((1, 2)).reshape(2, joined, -1).sum(1)).float()


class NormAct(BatchNormAct2d):  # type: ignore[misc]  # timm says nothing of its types
    """timm's batch norm with an activation after it, both in one loop.

    PyTorch reads and writes a map thirteen times for the two and their gradients, the loops eight
    times: 64 maps of 48x48 with 64 channels take 28 ms in bf16 with AMX, these 11.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) to the same, as ``BatchNormAct2d``."""
        if _pays(self, x):
            return _normalised(self, x, bounds=BOUNDS[type(self.act)])
        stock: Tensor = super().forward(x)
        return stock


def speed_up(trunk: nn.Module) -> None:
    """Turn norms with an activation into ours, in place, where torch's threads can be had."""
    if team.library() is None:
        return
    for module in trunk.modules():
        if (
            type(module) is BatchNormAct2d
            and type(module.act) in BOUNDS
            and type(module.drop) is nn.Identity
        ):
            module.__class__ = NormAct


def _pays(norm: nn.BatchNorm2d, x: Tensor) -> bool:
    return (
        norm.training
        and x.device.type == "cpu"
        and x.numel() >= SMALL
        and x.dtype in (torch.bfloat16, torch.float32)
        and x.is_contiguous(memory_format=torch.channels_last)
        and norm.affine
        and norm.track_running_stats
        and norm.momentum is not None
        and not torch.compiler.is_compiling()
    )


def _normalised(norm: nn.BatchNorm2d, x: Tensor, *, bounds: tuple[float, float]) -> Tensor:
    """The norm of a batch, whose mean and variance join the running ones."""
    count = x.numel() // x.shape[1]
    origin, spread, momentum = norm.running_mean, norm.running_var, norm.momentum
    seen = norm.num_batches_tracked
    assert origin is not None and spread is not None and seen is not None and momentum is not None
    y: Tensor
    y, mean, var = _Normalise.apply(x, norm.weight, norm.bias, origin, norm.eps, bounds)
    with torch.no_grad():
        origin.lerp_(mean, momentum)
        spread.lerp_(var * (count / (count - 1)), momentum)
        seen.add_(1)
    return y
