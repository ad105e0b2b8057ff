"""Where the faces of a picture are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.infer import boxes
from mien.infer.levels import BASE_SIDE, DEFAULT_MIN_FACE, scales
from mien.infer.session import SessionProperty, open_session

if TYPE_CHECKING:
    import onnxruntime

ASSET = Path(__file__).parents[1] / "assets" / "blazeface.onnx"

GRID = 32
"""Sides that the network sees are multiples of this: it halves its input five times."""
THRESHOLD = 0.55
"""Least score of a face; in none of 21 pictures without one is it reached."""


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One face: ``box`` (left, top, right, bottom), ``landmarks`` (6, 2) as (x, y), ``score``.

    All in pixels of the picture, which box and landmarks may leave. Landmarks: right eye, left
    eye, nose tip, mouth, right ear, left ear; right and left of the person, so the right eye
    stands on the left of a picture.
    """

    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float32]
    score: float


class Detector(Protocol):
    """Anything that finds faces."""

    def detect(
        self, image: NDArray[np.uint8], *, min_face: int = DEFAULT_MIN_FACE
    ) -> list[Detection]:
        """Faces of at least ``min_face`` pixels in an upright RGB picture (H, W, 3), best first."""
        ...


class BlazeFace:
    """Full-range BlazeFace (Google, MediaPipe) over the whole picture at rising scale.

    The network is fully convolutional, so each scale is one run over the whole picture, without
    the seams and the double work of overlapping tiles. Where nothing is found, the picture is
    framed in black and looked at once more: a face that fills it then has room around it (black
    works better than grey or a repeated edge).

    Args:
        path: ONNX file as ``tools/convert_blazeface.py`` writes it; None for the bundled one.
        threads: threads of one run; 0 for all cores.
        threshold: least score, 0 to 1.
    """

    def __init__(
        self, path: str | Path | None = None, *, threads: int = 0, threshold: float = THRESHOLD
    ) -> None:
        self.path = ASSET if path is None else Path(path)
        self.threads = threads
        self.threshold = threshold

    @SessionProperty
    def session(self) -> onnxruntime.InferenceSession:
        """The ONNX Runtime session, made on first use."""
        return open_session(self.path, threads=self.threads)

    def passes(
        self, shape: tuple[int, ...], *, min_face: int = DEFAULT_MIN_FACE
    ) -> list[tuple[int, int]]:
        """Height and width that the network sees in each pass over a picture of ``shape``."""
        sizes = (_scaled(shape, scale) for scale in scales(shape[0], shape[1], min_face))
        return [(_on_grid(height), _on_grid(width)) for width, height in sizes]

    def detect(
        self, image: NDArray[np.uint8], *, min_face: int = DEFAULT_MIN_FACE
    ) -> list[Detection]:
        """Find faces.

        Args:
            image: (H, W, 3) uint8 RGB, upright.
            min_face: side of the smallest box to search for, pixels of ``image``; smaller ones
                may be found too. ``mien.infer.levels.scales`` says what limits it.

        Returns:
            Detections, highest score first; the same for the same picture.

        Raises:
            ValueError: ``min_face`` is below 1.
        """
        height, width = image.shape[:2]
        picture = Image.fromarray(image)
        found = []
        for scale in reversed(scales(height, width, min_face)):
            picture = _resized(picture, _scaled(image.shape, scale))
            found.append(self._look(picture, image.shape))
        faces = boxes.merge(np.concatenate(found))
        if not len(faces):
            half = _resized(picture, _scaled(image.shape, BASE_SIDE / 2 / max(height, width)))
            faces = boxes.merge(self._look(half, image.shape, least=BASE_SIDE))
        return [
            Detection(
                box=(float(row[0]), float(row[1]), float(row[2]), float(row[3])),
                landmarks=row[4:16].reshape(6, 2),
                score=float(row[16]),
            )
            for row in faces
        ]

    def _look(self, seen: Image.Image, shape: tuple[int, ...], least: int = 0) -> boxes.Floats:
        """Candidates of one pass over a resized picture, in pixels of the one of ``shape``.

        The canvas around it has sides of at least ``least`` pixels.
        """
        height, width = (_on_grid(max(side, least)) for side in (seen.height, seen.width))
        top, left = (height - seen.height) // 2, (width - seen.width) // 2
        canvas = np.zeros((1, height, width, 3), np.uint8)
        canvas[0, top : top + seen.height, left : left + seen.width] = np.asarray(seen)
        raw, logits = self.session.run(["boxes", "scores"], {"pictures": canvas})
        found = boxes.decode(raw[0], logits[0], width, self.threshold)
        points = found[:, :16].reshape(-1, 8, 2)
        points -= np.array([left, top], np.float32)
        points *= np.array([shape[1] / seen.width, shape[0] / seen.height], np.float32)
        return found


def _scaled(shape: tuple[int, ...], scale: float) -> tuple[int, int]:
    """Width and height of a picture of ``shape`` at a scale."""
    return max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))


def _resized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Area averaging down: sharper than bilinear, which hides small faces; and bicubic up."""
    method = Image.Resampling.BOX if size[0] < picture.width else Image.Resampling.BICUBIC
    return picture.resize(size, method, reducing_gap=2.0)


def _on_grid(side: int) -> int:
    return -(-side // GRID) * GRID
