"""Normalised cross-correlation of picture pairs, at its best over small shifts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

REACH = 3
AT_A_TIME = 1024


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
    parts = range(0, len(a), AT_A_TIME)
    return np.concatenate([_best(a[i : i + AT_A_TIME], b[i : i + AT_A_TIME], reach) for i in parts])


def _best(a: NDArray[np.uint8], b: NDArray[np.uint8], reach: int) -> NDArray[np.float64]:
    # Centring first keeps float32 products exact to about six digits.
    x, y = (image - image.mean((1, 2), keepdims=True, dtype=np.float32) for image in (a, b))
    sums_x, sums_y = _Sums(x), _Sums(y)
    best = np.full(len(a), -1.0)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            top, bottom = _overlap(dy, a.shape[1])
            left, right = _overlap(dx, a.shape[2])
            in_x = (slice(top, bottom), slice(left, right))
            in_y = (slice(top - dy, bottom - dy), slice(left - dx, right - dx))
            area = (bottom - top) * (right - left)
            cross = np.einsum("pij,pij->p", x[:, *in_x], y[:, *in_y]).astype(np.float64)
            mean_x, variance_x = sums_x.moments(*in_x)
            mean_y, variance_y = sums_y.moments(*in_y)
            varied = (variance_x > 1e-3) & (variance_y > 1e-3)
            score = np.zeros(len(a))
            covariance = (cross / area - mean_x * mean_y)[varied]
            score[varied] = covariance / np.sqrt((variance_x * variance_y)[varied])
            np.maximum(best, score, out=best)
    return np.asarray(np.clip(best, -1, 1))


def _overlap(shift: int, size: int) -> tuple[int, int]:
    return max(0, shift), size - max(0, -shift)


class _Sums:
    """Integral images, so that mean and variance of every window cost four look-ups."""

    def __init__(self, images: NDArray[np.float32]) -> None:
        self.plain = self._integral(images)
        self.squared = self._integral(images * images)

    @staticmethod
    def _integral(images: NDArray[np.float32]) -> NDArray[np.float64]:
        table = np.zeros((len(images), images.shape[1] + 1, images.shape[2] + 1))
        table[:, 1:, 1:] = images.cumsum(1, dtype=np.float64).cumsum(2)
        return table

    def moments(self, rows: slice, cols: slice) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        area = (rows.stop - rows.start) * (cols.stop - cols.start)
        mean, power = (
            (t[:, rows.stop, cols.stop] - t[:, rows.start, cols.stop]
             - t[:, rows.stop, cols.start] + t[:, rows.start, cols.start]) / area
            for t in (self.plain, self.squared)
        )  # fmt: skip
        return mean, power - mean**2
