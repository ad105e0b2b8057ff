"""Whether pictures that are taken as face crops show far more than a face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from mien.images import ImageError, Source, read
from mien.infer.crop import SIDE, placement, scale_of
from mien.infer.detect import Detector
from mien.infer.job import CROP
from mien.infer.resizing import resized, scaled

SAMPLE = 8
"""Pictures that are looked at, spread over all."""
SEEN = 320
"""Longest side at which a picture is searched, pixels: a face in question fills much of it."""
LOOSE = 0.7
"""Share of the shorter side that a face's own crop covers, below which the picture is loose.

At two thirds right answers fall by 9 points, at half by 28: ``python -m benchmarks.reasons``.
"""


@dataclass(frozen=True, slots=True)
class Sampled:
    """Pictures of a sample that are larger than a crop, and those of them that are loose."""

    seen: int = 0
    loose: int = 0

    @property
    def mostly(self) -> bool:
        """Whether at least half are loose."""
        return 0 < self.seen <= 2 * self.loose


def sampled(pictures: Sequence[Source], detector: Detector) -> Sampled:
    """Look at a few pictures that are about to be taken as crops.

    Args:
        pictures: all of them; those that cannot be read, and small ones, are passed over.
        detector: what would find their faces.
    """
    step = max(1, -(-len(pictures) // SAMPLE))
    shares = [share for picture in pictures[::step] if (share := _share(picture, detector))]
    return Sampled(len(shares), sum(share < LOOSE for share in shares))


def _share(source: Source, detector: Detector) -> float | None:
    """How much of the shorter side the largest face's crop covers; 1 where no face is found."""
    try:
        picture = read(source)
    except (ImageError, MemoryError):  # said when the picture's turn comes
        return None
    longest = max(picture.shape[:2])
    if longest <= CROP:
        return None
    if longest > SEEN:
        size = scaled(picture.shape, SEEN / longest)
        picture = np.asarray(resized(Image.fromarray(picture), size))
    sides = (SIDE * scale_of(placement(face)) for face in detector.detect(picture))
    largest = max(sides, default=np.inf)
    return float(min(1.0, largest / min(picture.shape[:2])))
