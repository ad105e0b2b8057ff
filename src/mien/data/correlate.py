"""Normalised cross-correlation of picture pairs, at its best over small shifts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

REACH = 3
BATCH = 1024


def best_correlation(
    a: NDArray[np.uint8], b: NDArray[np.uint8], *, reach: int = REACH
) -> NDArray[np.float64]:
    """Highest correlation coefficient of each pair over shifts of up to ``reach`` pixels.

    Args:
        a: (P, H, W) pictures.
        b: (P, H, W) the picture beside each of them.
        reach: largest shift in either direction; the overlap alone is compared.

    Returns:
        (P,) coefficients in -1..1; 0 where an overlap is constant.
    """
    if not len(a):
        return np.zeros(0)
    parts = range(0, len(a), BATCH)
    return np.concatenate([_best(a[i : i + BATCH], b[i : i + BATCH], reach) for i in parts])


def _best(a: NDArray[np.uint8], b: NDArray[np.uint8], reach: int) -> NDArray[np.float64]:
    height, width = a.shape[1:]
    # Centring first keeps float32 sums exact to about six digits.
    x, y = (image.astype(np.float32) for image in (a, b))
    x -= x.mean((1, 2), keepdims=True)
    y -= y.mean((1, 2), keepdims=True)
    sums = [(_integral(image), _integral(image * image)) for image in (x, y)]
    best = np.full(len(a), -1.0)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            rows = [(max(0, s), height - max(0, -s)) for s in (dy, -dy)]
            cols = [(max(0, s), width - max(0, -s)) for s in (dx, -dx)]
            area = (rows[0][1] - rows[0][0]) * (cols[0][1] - cols[0][0])
            cross = np.einsum(
                "pij,pij->p", *(z[:, slice(*r), slice(*c)] for z, r, c in zip((x, y), rows, cols, strict=True))
            ).astype(np.float64)
            mean, power = zip(
                *(tuple(_window(t, r, c) / area for t in pair) for pair, r, c in zip(sums, rows, cols, strict=True)),
                strict=True,
            )
            variance = (power[0] - mean[0] ** 2) * (power[1] - mean[1] ** 2)
            varied = variance > 1e-6
            score = np.zeros(len(a))
            score[varied] = (cross / area - mean[0] * mean[1])[varied] / np.sqrt(variance[varied])
            np.maximum(best, score, out=best)
    return np.clip(best, -1, 1)


def _integral(image: NDArray[np.float32]) -> NDArray[np.float64]:
    table = np.zeros((len(image), image.shape[1] + 1, image.shape[2] + 1))
    table[:, 1:, 1:] = image.cumsum(1, dtype=np.float64).cumsum(2)
    return table


def _window(
    table: NDArray[np.float64], rows: tuple[int, int], cols: tuple[int, int]
) -> NDArray[np.float64]:
    (top, bottom), (left, right) = rows, cols
    return table[:, bottom, right] - table[:, top, right] - table[:, bottom, left] + table[:, top, left]
