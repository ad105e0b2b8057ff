"""Dense 3x3 convolutions by Winograd's minimal filtering: fewer multiplications in training."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

# Where a tile's polynomials are evaluated, besides infinity: with tiles of up to 6 the result
# differs from the direct one by 2e-5 of its largest value in float32.
POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)
LARGEST_TILE = 6
# What reading, transforming and writing one element costs, in multiply-adds of a matrix product.
# Measured with AVX2 on two cores; where it is off, a slower tile is chosen, not a wrong one.
ELEMENT = 130
WORTH = 0.8


@lru_cache
def transforms(tile: int) -> tuple[Tensor, Tensor, Tensor]:
    """Winograd's matrices for a tile of so many outputs and three taps, float32.

    Returns:
        ``inverse`` (tile, n), ``kernel`` (n, 3) and ``data`` (n, n) with n = tile + 2, such that
        ``inverse @ ((kernel @ g) * (data @ d))`` is the correlation of d (n,) with g (3,).

    Source: S. Winograd, Arithmetic Complexity of Computations (1980); A. Lavin and S. Gray, Fast
    Algorithms for Convolutional Neural Networks (CVPR 2016).
    """
    points = np.array(POINTS[: tile + 1])
    size = tile + 2
    inverse, kernel, data = np.zeros((tile, size)), np.zeros((size, 3)), np.zeros((size, size))
    for row, point in enumerate(points):
        others = np.delete(points, row)
        inverse[:, row] = point ** np.arange(tile)
        kernel[row] = point ** np.arange(3) / np.prod(point - others)
        data[row, :-1] = np.poly(others)[::-1]
    inverse[-1, -1] = kernel[-1, -1] = 1  # the point at infinity
    data[-1] = np.poly(points)[::-1]
    inverse32, kernel32, data32 = (
        torch.from_numpy(matrix).float() for matrix in (inverse, kernel, data)
    )
    return inverse32, kernel32, data32


def best_tile(batch: int, rows: int, columns: int, width_in: int, width_out: int) -> int:
    """The tile (outputs a side) that is expected to be fastest for such a layer; 0 for none."""
    products = width_in * width_out
    costs = {0: WORTH * 27 * batch * rows * columns * products}
    for tile in range(2, LARGEST_TILE + 1):
        tiles = batch * -(-rows // tile) * -(-columns // tile)
        moved = tiles * (width_in + width_out) + products
        costs[tile] = (tile + 2) ** 2 * (3 * tiles * products + ELEMENT * moved)
    return min(costs, key=lambda tile: costs[tile])


def _both(matrix: Tensor, blocks: Tensor) -> Tensor:
    """``matrix`` (p, q) applied to each of the two leading axes: (q, q, …) to (p, p, L)."""
    p, q = matrix.shape
    once = (matrix @ blocks.reshape(q, -1)).view(p, q, -1)
    return torch.bmm(matrix.expand(p, p, q), once)


class _Convolve(torch.autograd.Function):
    """3x3, stride 1, padding 1: x (N, C, H, W) and weight (K, C, 3, 3) to (N, K, H, W)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, tile: int) -> Tensor:
        inverse, kernel, data = transforms(tile)
        n, (batch, width, rows, columns), out = tile + 2, x.shape, weight.shape[0]
        down, across = -(-rows // tile), -(-columns // tile)
        padded = F.pad(
            x.permute(0, 2, 3, 1), (0, 0, 1, across * tile + 1 - columns, 1, down * tile + 1 - rows)
        ).contiguous()
        image, row, column, _ = padded.stride()
        windows = padded.as_strided(  # neighbours share two rows or columns
            (n, n, batch, down, across, width), (row, column, image, row * tile, column * tile, 1)
        )
        values = _both(data, windows).view(n * n, -1, width)
        kernels = _both(kernel, weight.permute(2, 3, 0, 1)).view(n * n, out, width)
        product = torch.bmm(values, kernels.transpose(1, 2))
        y = _both(inverse, product.view(n, n, -1)).view(tile, tile, batch, down, across, out)
        y = y.permute(2, 3, 0, 4, 1, 5).reshape(batch, down * tile, across * tile, out)
        ctx.save_for_backward(values, kernels)
        ctx.tile, ctx.shape = tile, x.shape
        return y[:, :rows, :columns].contiguous().permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        values, kernels = ctx.saved_tensors
        tile, (batch, width, rows, columns) = ctx.tile, ctx.shape
        inverse, kernel, data = transforms(tile)
        n, out = tile + 2, kernels.shape[1]
        down, across = -(-rows // tile), -(-columns // tile)
        y = gradient.permute(0, 2, 3, 1)
        y = F.pad(y, (0, 0, 0, across * tile - columns, 0, down * tile - rows))
        y = y.reshape(batch, down, tile, across, tile, out).permute(2, 4, 0, 1, 3, 5)
        product = _both(inverse.t(), y).view(n * n, -1, out)
        d_weight = d_x = None
        if ctx.needs_input_grad[1]:
            d_kernels = torch.bmm(product.transpose(1, 2), values)
            d_weight = _both(kernel.t(), d_kernels.view(n, n, -1)).view(3, 3, out, width)
            d_weight = d_weight.permute(2, 3, 0, 1)
        if ctx.needs_input_grad[0]:
            d_windows = _both(data.t(), torch.bmm(product, kernels).view(n, n, -1))
            d_windows = d_windows.view(n, n, batch, down, across, width).permute(2, 3, 0, 4, 1, 5)
            # Each window's last two rows and columns are the first two of the next.
            whole = y.new_zeros(batch, down + 1, tile, across + 1, tile, width)
            whole[:, :down, :, :across] += d_windows[:, :, :tile, :, :tile]
            whole[:, 1:, :2, :across] += d_windows[:, :, tile:, :, :tile]
            whole[:, :down, :, 1:, :2] += d_windows[:, :, :tile, :, tile:]
            whole[:, 1:, :2, 1:, :2] += d_windows[:, :, tile:, :, tile:]
            whole = whole.view(batch, (down + 1) * tile, (across + 1) * tile, width)
            d_x = whole[:, 1 : rows + 1, 1 : columns + 1].permute(0, 3, 1, 2)
        return d_x, d_weight, None


class Winograd(nn.Conv2d):
    """A dense 3x3 convolution that, in float32 on a CPU in training, works by Winograd's tiles.

    oneDNN has no such path for training, and without AMX its direct convolution is as fast as the
    core's multipliers; tiles need up to five times fewer multiplications. Weights, exported graph
    and, within rounding (2e-5 of the largest value), results are those of the stock layer. Under
    autocast, torch.compile, on a GPU, and wherever it would not pay, it is the stock layer.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, K, H, W), as ``nn.Conv2d``."""
        tile = 0
        if (
            self.training
            and input.device.type == "cpu"
            and input.dtype == self.weight.dtype == torch.float32
            and not torch.is_autocast_enabled("cpu")
            and not torch.compiler.is_compiling()
        ):
            batch, width, rows, columns = input.shape
            tile = best_tile(batch, rows, columns, width, self.out_channels)
        if not tile:
            return super().forward(input)
        y: Tensor = _Convolve.apply(input, self.weight, tile)
        return y if self.bias is None else y + self.bias.view(-1, 1, 1)


def by_tiles(trunk: nn.Module) -> None:
    """Turn the trunk's stock dense 3x3 convolutions of stride 1 into ``Winograd``, in place."""
    for module in trunk.modules():
        if (
            type(module) is nn.Conv2d
            and module.kernel_size == (3, 3)
            and module.stride == module.dilation == module.padding == (1, 1)
            and module.groups == 1
            and module.padding_mode == "zeros"
        ):
            module.__class__ = Winograd
