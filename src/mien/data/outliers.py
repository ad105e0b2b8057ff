"""How unlike the rest of a set a picture is: gradient histograms under one Gaussian."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.data.neighbours import Rows

CELL, BINS = 8, 8
SAMPLE = 8000
CHUNK = 4096
RIDGE = 0.005
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

    The distance is Mahalanobis's under a Gaussian fitted to the set itself (its most unlike
    twentieth left out); its logarithm is centred and scaled by median and MAD of the set.

    Args:
        rows: fetches (n, H, W) crops.
        index: (M,) the pictures of the set; constant ones left out.

    Returns:
        (M,) scores: 0 is usual, above 3 is rare.
    """
    spread = index[np.linspace(0, len(index) - 1, min(SAMPLE, len(index))).astype(np.int64)]
    sample = gradient_histograms(rows(spread)).astype(np.float64)
    centre, inverse = _gaussian(sample)
    distance = _distance(sample, centre, inverse)
    centre, inverse = _gaussian(sample[distance <= np.quantile(distance, 1 - TRIM)])
    logs = [
        np.log(_distance(gradient_histograms(rows(index[i : i + CHUNK])), centre, inverse) + 1e-9)
        for i in range(0, len(index), CHUNK)
    ]
    log = np.concatenate(logs)
    middle = np.median(log)
    scale = 1.4826 * np.median(np.abs(log - middle))
    return np.asarray((log - middle) / max(float(scale), 1e-9))


def _gaussian(sample: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    centre = np.asarray(sample.mean(0))
    covariance = np.cov(sample.T) if len(sample) > 1 else np.zeros((len(centre), len(centre)))
    # A ridge keeps small sets and dead cells invertible.
    ridge = max(float(np.trace(covariance)) / len(centre), 1e-9) * RIDGE
    return centre, np.asarray(np.linalg.inv(covariance + ridge * np.eye(len(centre))))


def _distance(
    features: NDArray[np.floating], centre: NDArray[np.float64], inverse: NDArray[np.float64]
) -> NDArray[np.float64]:
    off = features - centre
    return np.asarray(((off @ inverse) * off).sum(1))
