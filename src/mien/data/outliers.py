"""How unlike the rest of a set a picture is: gradient histograms under one Gaussian."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.data.neighbours import Rows

CELL, BINS = 8, 8
SAMPLE = 5000
CHUNK = 4096
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
    n, height, width = images.shape
    pixels = images.astype(np.float32)
    dy, dx = np.gradient(pixels, axis=(1, 2))
    strength = np.hypot(dx, dy)
    angle = (np.arctan2(dy, dx) % np.pi) / np.pi * BINS
    low = np.floor(angle)
    part = angle - low
    shape = (n, height // CELL, CELL, width // CELL, CELL)
    bins = []
    for k in range(BINS):
        weight = (low % BINS == k) * (1 - part) + ((low + 1) % BINS == k) * part
        bins.append((strength * weight).reshape(shape).sum((2, 4)))
    histogram = np.stack(bins, -1).reshape(n, -1)
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
            _distance(gradient_histograms(rows(half[i : i + CHUNK])), *fits[1 - start])
            for i in range(0, len(half), CHUNK)
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
