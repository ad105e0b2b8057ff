"""Dense 3x3 convolutions by Winograd's minimal filtering: fewer multiplications in training."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mien.train.precision import slow_in_bf16
from mien.train.tiles import Grid, from_tiles, to_tiles

Matrix = NDArray[np.float32]

# Where a tile's polynomials are evaluated, besides infinity: with tiles of up to 6 the result
# differs from the direct one by 2e-5 of its largest value in float32.
POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)
LARGEST_TILE = 6
# What reading, transforming and writing one element costs, in multiply-adds of a matrix product.
# Measured with AVX2 on two cores; where it is off, a slower tile is chosen, not a wrong one.
ELEMENT = 130
WORTH = 0.8
ONE = Grid(3, 1, 1)  # a kernel is one tile of 3x3


@lru_cache
def transforms(tile: int) -> tuple[Matrix, Matrix, Matrix]:
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
    return inverse.astype(np.float32), kernel.astype(np.float32), data.astype(np.float32)


def best_tile(batch: int, rows: int, columns: int, width_in: int, width_out: int) -> int:
    """The tile (outputs a side) that is expected to be fastest for such a layer; 0 for none."""
    products = width_in * width_out
    costs = {0: WORTH * 27 * batch * rows * columns * products}
    for tile in range(2, LARGEST_TILE + 1):
        tiles = batch * -(-rows // tile) * -(-columns // tile)
        moved = tiles * (width_in + width_out) + products
        costs[tile] = (tile + 2) ** 2 * (3 * tiles * products + ELEMENT * moved)
    return min(costs, key=lambda tile: costs[tile])


class _Convolve(torch.autograd.Function):
    """3x3, stride 1, padding 1: x (N, C, H, W) and weight (K, C, 3, 3) to (N, K, H, W)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, tile: int) -> Tensor:
        inverse, kernel, data = transforms(tile)
        (batch, _, rows, columns), out = x.shape, weight.shape[0]
        grid = Grid(tile, -(-rows // tile), -(-columns // tile))
        values = to_tiles(x.permute(0, 2, 3, 1), data, grid, origin=-1)
        kernels = to_tiles(weight.permute(0, 2, 3, 1), kernel, ONE)
        product = torch.bmm(values, kernels.transpose(1, 2))
        y = from_tiles(product, inverse, grid, shape=(batch, rows, columns, out))
        ctx.save_for_backward(values, kernels)
        ctx.tile, ctx.grid, ctx.shape = tile, grid, x.shape
        return y.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        values, kernels = ctx.saved_tensors
        batch, width, rows, columns = ctx.shape
        inverse, kernel, data = transforms(ctx.tile)
        product = to_tiles(gradient.permute(0, 2, 3, 1), inverse.T, ctx.grid)
        d_weight = d_x = None
        if ctx.needs_input_grad[1]:
            d_kernels = torch.bmm(product.transpose(1, 2), values)
            shape = (kernels.shape[1], 3, 3, width)
            d_weight = from_tiles(d_kernels, kernel.T, ONE, shape=shape).permute(0, 3, 1, 2)
        if ctx.needs_input_grad[0]:
            shape = (batch, rows, columns, width)
            windows = torch.bmm(product, kernels)  # neighbours share two rows or columns
            d_x = from_tiles(windows, data.T, ctx.grid, origin=-1, shape=shape).permute(0, 3, 1, 2)
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


def pays() -> bool:
    """Whether tiles beat this processor's direct convolutions.

    With AVX2 they train VGG19 2.3 times as fast, on Intel's cores with AVX-512 but without AMX 1.3
    times. On AMD's with AVX-512 direct convolutions are so quick that tiles were slower (0.83).
    """
    capability = torch.backends.cpu.get_cpu_capability()
    return capability == "AVX2" or (capability.startswith("AVX512") and slow_in_bf16())
