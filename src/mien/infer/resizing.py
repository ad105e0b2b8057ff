"""Pictures resized to what the detector's network sees."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GRID = 32
"""Sides that the network sees are multiples of this: it halves its input five times."""


def around(
    image: NDArray[np.uint8], box: NDArray[np.floating], side: int, whole: int
) -> NDArray[np.uint8]:
    """A face at ``side`` pixels, in the middle of ``whole``; black beyond the picture."""
    left, top, right, bottom = (float(v) for v in box[:4])
    half = max(right - left, bottom - top) / side * whole / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    outer = tuple(round(v) for v in (x - half, y - half, x + half, y + half))
    inside = image[max(outer[1], 0) : max(outer[3], 0), max(outer[0], 0) : max(outer[2], 0)]
    part = Image.new("RGB", (max(outer[2] - outer[0], 1), max(outer[3] - outer[1], 1)))
    part.paste(Image.fromarray(inside), (max(-outer[0], 0), max(-outer[1], 0)))
    return np.asarray(resized(part, (whole, whole)))


def scaled(shape: tuple[int, ...], scale: float) -> tuple[int, int]:
    """Width and height of a picture of ``shape`` at a scale."""
    return max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))


def resized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Area averaging down: sharper than bilinear, which hides small faces; and bicubic up."""
    if size == picture.size:
        return picture
    method = Image.Resampling.BOX if size[0] < picture.width else Image.Resampling.BICUBIC
    return picture.resize(size, method, reducing_gap=2.0)


def on_grid(side: int) -> int:
    """The next multiple of ``GRID``."""
    return -(-side // GRID) * GRID
