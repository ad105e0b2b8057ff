"""Where the faces of a picture are: what every detector gives, and the one that mien carries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mien.infer.levels import DEFAULT_MIN_FACE

ASSET = Path(__file__).parents[1] / "assets" / "retinaface.onnx"
"""The graph of the detector that mien carries; the page loads it too."""

LANDMARKS: dict[str, tuple[float, float]] = {
    "right_eye": (15.2, 19.3),
    "left_eye": (32.8, 19.3),
    "nose": (24.0, 28.5),
    "right_mouth": (17.0, 35.8),
    "left_mouth": (31.0, 35.8),
}
"""Where the detector sees the landmarks of a face that FER-2013 framed, in pixels of the crop.

Medians over 1,371 faces found in 1,500 Training images, and their mirror images, printed by
``python tools/measure_frame.py DATA/train --sample 1500``.
"""
BOX = (5.1, -0.7, 42.9, 47.7)
"""Where it sees the box of such a face: left, top, right, bottom."""


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One face: ``box`` (left, top, right, bottom), ``landmarks`` (5, 2) as (x, y), ``score``.

    All in pixels of the picture, which box and landmarks may leave. Landmarks: right eye, left
    eye, nose tip, right and left corner of the mouth; right and left of the person, so the right
    eye stands on the left of an upright picture.
    """

    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float32]
    score: float


class Detector(Protocol):
    """Anything that finds faces."""

    def detect(
        self, image: NDArray[np.uint8], *, min_face: int = DEFAULT_MIN_FACE
    ) -> list[Detection]:
        """Faces of at least ``min_face`` pixels in an RGB picture (H, W, 3), best first."""
        ...

    def on_one_thread(self) -> Detector:
        """The same detector, whose runs keep to one thread."""
        ...


class Carried(Detector, Protocol):
    """What else mien asks of the detector that it carries."""

    @property
    def key(self) -> str:
        """Name and version, for reports and for what is kept of an earlier search."""
        ...

    @property
    def numbers(self) -> dict[str, Any]:
        """Every number that the page's ``detect.js`` shares with it."""
        ...


def default_detector(*, threads: int = 0, threshold: float | None = None) -> Carried:
    """The detector that everything uses.

    Args:
        threads: threads of one run; 0 for all cores.
        threshold: least score, 0 to 1; None for the detector's own.
    """
    from mien.infer.retinaface import THRESHOLD, RetinaFace

    return RetinaFace(threads=threads, threshold=THRESHOLD if threshold is None else threshold)
