"""Pictures that are no tight crops: their one face is searched for and cut out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LARGEST_CROP = 112
"""Longest side, in pixels, of a picture that is taken for a crop of a face already."""
NO_FACE, SEVERAL = "no-face", "several-faces"
UNSEARCHED = -1.0
SHOWN = 4


@dataclass(frozen=True)
class Face:
    """A face of a photo: ``crop`` uint8 (48, 48), the detector's ``score`` from 0 to 1."""

    crop: NDArray[np.uint8]
    score: float


@dataclass(frozen=True)
class Finder:
    """What finds faces in photos, handed in so that this package needs no models.

    ``key`` names the model for the cache; ``find`` maps an RGB picture (H, W, 3) to its faces,
    best first.
    """

    key: str
    find: Callable[[NDArray[np.uint8]], Sequence[Face]]


@dataclass(frozen=True)
class Framed:
    """A photo's crop, the detector's score, and why it is left out ("" if it is not)."""

    crop: NDArray[np.uint8] | None
    score: float
    reason: str = ""
    detail: str = ""


def is_photo(picture: NDArray[np.uint8]) -> bool:
    """Whether a picture (H, W) or (H, W, 3) is too large to be taken for a crop."""
    return bool(max(picture.shape[:2]) > LARGEST_CROP)


def frame(photo: NDArray[np.uint8], finder: Finder) -> Framed:
    """The one face of a photo.

    With several faces nobody can say whose emotion the label names: the best one is cut out, for
    a person to look at, and the picture is left out. So is one without a face.
    """
    faces = finder.find(photo)
    if not faces:
        return Framed(None, 0.0, NO_FACE, "the detector found no face")
    if len(faces) == 1:
        return Framed(faces[0].crop, faces[0].score)
    scores = ", ".join(f"{face.score:.2f}" for face in faces[:SHOWN])
    more = ", …" if len(faces) > SHOWN else ""
    return Framed(
        faces[0].crop, faces[0].score, SEVERAL, f"{len(faces)} faces with scores {scores}{more}"
    )
