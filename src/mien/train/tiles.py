"""A small matrix on both sides of every tile of an image: compiled loops for Winograd's transforms.

Reads and writes are what a transform costs. PyTorch would write every step of it to memory; here a
tile stays in the core's first cache from its reading to its writing.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mien.train.bits import compiled

LANES = 128  # channels at a time: a tile of 8x8 and its half-transformed copy stay in the cache

# A loop's text, before its two products are written out. A matrix is constant, so each product is
# straight-line code without its zeros, which the compiler turns into vectors over channels; left as
# loops over the matrix it is half as fast.
READ = """
def loop(image, out, step, origin, down, across, first, last):
    _, height, breadth, width = image.shape
    window = zeros(({p}, {p}, {lanes}), f32)
    half = zeros(({p}, {q}, {lanes}), f32)
    for number in range(first, last):
        for place in range(down * across):
            top = place // across * step + origin
            left = place % across * step + origin
            tile = number * down * across + place
            for start in range(0, width, {lanes}):
                count = min({lanes}, width - start)
                for i in range({p}):
                    for j in range({p}):
                        y, x = top + i, left + j
                        if 0 <= y < height and 0 <= x < breadth:
                            for c in range(count):
                                window[i, j, c] = image[number, y, x, start + c]
                        else:
                            window[i, j] = 0
                for i in range({p}):
                    for c in range(count):
                        {rows}
                for j in range({q}):
                    for c in range(count):
                        {columns}
"""
WRITE = """
def loop(tiles, out, step, origin, down, across, first, last):
    _, height, breadth, width = out.shape
    half = zeros(({p}, {q}, {lanes}), f32)
    whole = zeros(({q}, {q}, {lanes}), f32)
    for number in range(first, last):
        for place in range(down * across):
            top = place // across * step + origin
            left = place % across * step + origin
            tile = number * down * across + place
            for start in range(0, width, {lanes}):
                count = min({lanes}, width - start)
                for i in range({p}):
                    for c in range(count):
                        {rows}
                for j in range({q}):
                    for c in range(count):
                        {columns}
                for i in range({q}):
                    for j in range({q}):
                        y, x = top + i, left + j
                        if 0 <= y < height and 0 <= x < breadth:
                            for c in range(count):
                                out[number, y, x, start + c] {put} whole[i, j, c]
"""


@dataclass(frozen=True)
class Grid:
    """Tiles over an image: pixels from one to the next, and how many there are down and across."""

    step: int
    down: int
    across: int


def to_tiles(image: Tensor, matrix: NDArray[np.float32], grid: Grid, *, origin: int = 0) -> Tensor:
    """Cut an image into tiles and transform each: ``matrix @ tile @ matrix.T``.

    Args:
        image: (N, H, W, C) float32; what a tile reads beyond its edge is 0.
        matrix: (q, p) float32, for tiles of p x p.
        grid: may leave tiles overlapping.
        origin: the first tile's first row and column.

    Returns:
        (q * q, N * down * across, C).
    """
    image = image.contiguous()
    tiles = len(image) * grid.down * grid.across
    out = image.new_empty(len(matrix) ** 2, tiles, image.shape[3])
    _run("read", matrix, image, out, grid, origin, images=len(image))
    return out


def from_tiles(
    tiles: Tensor,
    matrix: NDArray[np.float32],
    grid: Grid,
    *,
    shape: tuple[int, int, int, int],
    origin: int = 0,
) -> Tensor:
    """Transform tiles, ``matrix @ tile @ matrix.T``, and add them up in an image.

    Args:
        tiles: (p * p, N * down * across, C) float32.
        matrix: (q, p) float32.
        grid: of the image's tiles of q x q, which may overlap.
        shape: (N, H, W, C) of the image, which the tiles cover; what falls beyond is dropped.
        origin: the first tile's first row and column.

    Returns:
        (N, H, W, C).
    """
    apart = grid.step == len(matrix)  # each pixel is written once
    out = tiles.new_empty(shape) if apart else tiles.new_zeros(shape)
    kind = "write" if apart else "add"
    _run(kind, matrix, tiles.contiguous(), out, grid, origin, images=shape[0])
    return out


def _run(
    kind: str,
    matrix: NDArray[np.float32],
    source: Tensor,
    target: Tensor,
    grid: Grid,
    origin: int,
    *,
    images: int,
) -> None:
    """Give each of torch's threads its run of images; compiled loops leave the interpreter free."""
    loop = _loop(kind, tuple(tuple(row) for row in matrix.tolist()))
    arrays = source.detach().numpy(), target.numpy()

    def work(first: int, last: int) -> None:
        loop(*arrays, grid.step, origin, grid.down, grid.across, first, last)

    threads = min(torch.get_num_threads(), images)
    if threads == 1:
        work(0, images)
        return
    cuts = [images * part // threads for part in range(threads + 1)]
    list(_pool(threads).map(work, cuts[:-1], cuts[1:]))


@lru_cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "mien-tiles")


@lru_cache
def _loop(kind: str, matrix: tuple[tuple[float, ...], ...]) -> Any:
    """The compiled loop of ``to_tiles`` (read) or ``from_tiles`` (write, add) for a matrix."""
    q, p = len(matrix), len(matrix[0])
    if kind == "read":
        source, target = "window[i, {}, c]", f"out[{{}} * {q} + j, tile, start + c]"
    else:
        source, target = f"tiles[i * {p} + {{}}, tile, start + c]", "whole[{}, j, c]"
    text = (READ if kind == "read" else WRITE).format(
        p=p,
        q=q,
        lanes=LANES,
        put="+=" if kind == "add" else "=",
        rows=_product(matrix, source, "half[i, {}, c]"),
        columns=_product(matrix, "half[{}, j, c]", target),
    )
    names: dict[str, Any] = {"zeros": np.zeros, "f32": np.float32}
    exec(text, names)
    return compiled(names["loop"])


def _product(matrix: tuple[tuple[float, ...], ...], source: str, target: str) -> str:
    """``target = matrix @ source`` as one line of code, zeros left out."""
    code = [f"v{i} = {source.format(i)}" for i in range(len(matrix[0]))]
    for k, row in enumerate(matrix):
        terms = [f"f32({m!r}) * v{i}" if m != 1 else f"v{i}" for i, m in enumerate(row) if m]
        code.append(f"{target.format(k)} = {' + '.join(terms)}")
    return "; ".join(code)
