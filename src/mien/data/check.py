"""Pictures that cannot be read, have a hopeless size, or show nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SMALLEST = 24
LONGEST = 1.5
BLANK_DEVIATION = 4.0
CONSTANT_SHARE, CONSTANT_BAND = 0.95, 4

UNREADABLE, WRONG_SIZE, BLANK, CONSTANT = "unreadable", "wrong-size", "blank", "nearly-constant"


def size_problem(height: int, width: int) -> str:
    """Why a picture of this size is no crop, or ""."""
    if min(height, width) < SMALLEST:
        return f"{width}x{height} pixels; the short side needs {SMALLEST}"
    if max(height, width) > LONGEST * min(height, width):
        return f"{width}x{height} pixels; longer than {LONGEST} times its short side"
    return ""


def flatness(images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Standard deviation of each picture, and its share of pixels within 4 levels of the median.

    Args:
        images: (N, H, W) crops.

    Returns:
        (N,) deviations in grey levels; (N,) shares in 0..1.
    """
    flat = images.reshape(len(images), -1)
    middle = np.median(flat, axis=1).astype(np.int16)[:, None]
    near = (np.abs(flat.astype(np.int16) - middle) <= CONSTANT_BAND).mean(1)
    return flat.std(1), near


def flat_reasons(images: NDArray[np.uint8]) -> list[str]:
    """``BLANK``, ``CONSTANT`` or "" for each of (N, H, W) crops."""
    deviation, near = flatness(images)
    return [
        BLANK if d < BLANK_DEVIATION else CONSTANT if share >= CONSTANT_SHARE else ""
        for d, share in zip(deviation.tolist(), near.tolist(), strict=True)
    ]
