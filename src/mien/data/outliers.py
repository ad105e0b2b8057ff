"""How unlike the rest of a set a picture is: gradient histograms under one Gaussian."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.data.neighbours import Rows

CELL, BINS = 8, 8
CACHED_ROWS = 256  # pictures at a time, so that the work stays in the processor's cache
SAMPLE = 5000
ROWS_AT_A_TIME = 4096
RIDGE = 0.005
FEWEST = 50
TRIM = 0.05
"""Share of the sample, the most unlike, that the Gaussian is fitted without."""


def gradient_histograms(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Histograms of oriented gradients (Dalal and Triggs 2005) of (N, H, W) crops.

    Returns:
        (N, H/8 * W/8 * 8) square roots of each histogram's share of the whole picture, so that
        contrast drops out.
    """
    parts = [_histograms(images[i : i + CACHED_ROWS]) for i in range(0, len(images), CACHED_ROWS)]
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)


def _histograms(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    n, height, width = images.shape
    dy, dx = np.gradient(images.astype(np.float32), axis=(1, 2))
    strength = np.hypot(dx, dy).ravel()
    angle = (np.arctan2(dy, dx).ravel() % np.float32(np.pi)) * np.float32(BINS / np.pi)
    low = angle.astype(np.int64)
    upper = strength * (angle - low)
    rows, columns = height // CELL, width // CELL
    across = np.add.outer(np.arange(height) // CELL * columns, np.arange(width) // CELL)
    cell = np.add.outer(np.arange(n) * rows * columns, across.ravel()).ravel() * BINS
    size = n * rows * columns * BINS
    histogram = np.bincount(cell + low % BINS, strength - upper, size)
    histogram += np.bincount(cell + (low + 1) % BINS, upper, size)
    histogram = histogram.reshape(n, -1)
    total = np.maximum(histogram.sum(1, keepdims=True), 1e-6)
    return np.asarray(np.sqrt(histogram / total), np.float32)


def outlier_scores(rows: Rows, index: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many robust standard deviations each picture lies farther out than the usual one.

    The distance is Mahalanobis's under a Gaussian of the set itself: each half is measured by the
    other, so that no picture helps to call itself usual, and the most unlike twentieth is left out
    of the fit. Its logarithm is centred and scaled by median and MAD.

    Args:
        rows: fetches (n, H, W) crops.
        index: (M,) the pictures of the set; constant ones left out.

    Returns:
        (M,) scores: 0 is usual, above 3 is rare; all 0 in a set of fewer than 50, which cannot
        tell what is usual.
    """
    scores = np.zeros(len(index))
    if len(index) < FEWEST:
        return scores
    halves = (index[0::2], index[1::2])
    samples = [_sample(rows, half) for half in halves]
    rough = [_gaussian(sample) for sample in samples]
    fits = []
    for sample, other in zip(samples, reversed(rough), strict=True):
        distance = _distance(sample, *other)
        fits.append(_gaussian(sample[distance <= np.quantile(distance, 1 - TRIM)]))
    for start, half in enumerate(halves):
        distances = [
            _distance(gradient_histograms(rows(half[i : i + ROWS_AT_A_TIME])), *fits[1 - start])
            for i in range(0, len(half), ROWS_AT_A_TIME)
        ]
        log = np.log(np.concatenate(distances) + 1e-9)
        middle = np.median(log)
        scale = 1.4826 * np.median(np.abs(log - middle))
        scores[start::2] = (log - middle) / max(float(scale), 1e-9)
    return scores


def _sample(rows: Rows, half: NDArray[np.int64]) -> NDArray[np.float64]:
    spread = half[np.linspace(0, len(half) - 1, min(SAMPLE, len(half))).astype(np.int64)]
    return gradient_histograms(rows(spread)).astype(np.float64)


def _gaussian(sample: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    centre = np.asarray(sample.mean(0))
    covariance = np.cov(sample.T) if len(sample) > 1 else np.zeros((len(centre), len(centre)))
    # Few pictures say little about 288 dimensions: the fewer, the more alike all directions count.
    share = max(RIDGE, len(centre) / (2 * len(sample)))
    ridge = max(float(np.trace(covariance)) / len(centre), 1e-9) * share
    return centre, np.asarray(np.linalg.inv(covariance + ridge * np.eye(len(centre))))


def _distance(
    features: NDArray[np.floating], centre: NDArray[np.float64], inverse: NDArray[np.float64]
) -> NDArray[np.float64]:
    off = features - centre
    return np.asarray(((off @ inverse) * off).sum(1))
