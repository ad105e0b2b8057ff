"""The detector that mien carries: RetinaFace over pictures of any size, turned ones too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.bundle import sha256
from mien.infer import boxes, levels
from mien.infer.detect import ASSET, Detection
from mien.infer.levels import DEFAULT_MIN_FACE, cores, scales, tiles
from mien.infer.resizing import GRID, around, on_grid, resized, scaled
from mien.infer.session import SessionProperty, open_session

if TYPE_CHECKING:
    import onnxruntime

THRESHOLD, CANDIDATE = 0.68, 0.4
"""Least score of a face, and of what is looked at again before it counts as one.

Set so that ``benchmarks/empty.py`` finds no face in pictures without any.
"""
LARGE, EASE = 28, 0.2
"""Faces shown to the network at this many pixels or more pass with a score lower by ``EASE``: the
second look shrinks them, and sees less of side views and covered faces."""
DOUBT, DOUBT_LARGE = 0.75, 0.87
"""Small and large faces of a lower score are looked at again, and take the mean of both scores."""
FAINTEST, CENTRED, TOGETHER = 0.05, 0.3, 16
"""Of the second look: least score, most distance from the middle in sides, faces in one run."""
MARGIN_SIDE, MARGIN = 256, 160
"""A face that fills its picture: sides of a black canvas, and of the picture in its middle."""

LARGEST = 8
"""Faces, the largest first, that tell whether a picture is turned."""
UPRIGHT, SURE = 45.0, 0.985
"""Degrees of roll, and mean score, of an upright picture's faces: else it is looked at turned."""
WITNESSES, FACE_SIDE, AROUND_SIDE, TURN_SIDE = 2, 32, 96, 320
"""What is looked at in four turns: surest faces, their sides, theirs with what is around them,
and the longest side of a copy of the whole picture."""
TOLD, MORE = 0.9, 0.1
"""Score that tells a turn, and how much it must be above that of the picture as it stands."""


class RetinaFace:
    """RetinaFace MobileNet-0.25 (MIT) over the whole picture, at the scale that is asked for.

    The network is fully convolutional, so one run sees a whole picture; large ones are cut into
    overlapping tiles, so that memory stays bounded. Where nothing is found, the picture is framed
    in black and looked at once more: a face that fills it then has room around it. Where what is
    found looks turned, or unsure, a small copy is looked at in four turns, and the picture in the
    best of them. Doubtful faces are looked at once more, each on its own.

    Args:
        path: ONNX file as ``tools/convert_retinaface.py`` writes it; None for the bundled one.
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

    @property
    def key(self) -> str:
        """Name and hash of the graph."""
        return f"retinaface {sha256(self.path)[:8]}"

    @property
    def numbers(self) -> dict[str, Any]:
        """What ``detect.js`` reads, by its names there."""
        return {
            "seen": levels.SEEN,
            "least": levels.ENLARGED_BELOW,
            "minFace": levels.DEFAULT_MIN_FACE,
            "whole": levels.WHOLE,
            "baseSide": levels.BASE_SIDE,
            "step": levels.STEP,
            "small": levels.SMALL,
            "tile": levels.TILE,
            "shared": levels.SHARED,
            "levels": boxes.LEVELS,
            "units": [boxes.MOVE, boxes.GROW],
            "overlap": boxes.OVERLAP,
            "inside": boxes.INSIDE,
            "grid": GRID,
            "threshold": [THRESHOLD, CANDIDATE],
            "large": [LARGE, EASE],
            "doubt": [DOUBT, DOUBT_LARGE],
            "again": [FAINTEST, CENTRED],
            "margin": [MARGIN_SIDE, MARGIN],
            "largest": LARGEST,
            "upright": UPRIGHT,
            "sure": SURE,
            "witnesses": WITNESSES,
            "around": [FACE_SIDE, AROUND_SIDE],
            "turnSide": TURN_SIDE,
            "told": TOLD,
            "more": MORE,
        }

    def on_one_thread(self) -> RetinaFace:
        """The same detector, whose runs keep to one thread."""
        if self.threads == 1:
            return self
        return RetinaFace(self.path, threads=1, threshold=self.threshold)

    def passes(
        self, shape: tuple[int, ...], *, min_face: int = DEFAULT_MIN_FACE
    ) -> list[tuple[int, int]]:
        """Height and width of what the network sees in each run over a picture of ``shape``."""
        sizes = (scaled(shape, scale) for scale in scales(shape[0], shape[1], min_face))
        return [
            (on_grid(bottom - top), on_grid(right - left))
            for width, height in sizes
            for left, top, right, bottom in tiles(height, width)
        ]

    def detect(
        self, image: NDArray[np.uint8], *, min_face: int = DEFAULT_MIN_FACE
    ) -> list[Detection]:
        """Find faces.

        Args:
            image: (H, W, 3) uint8 RGB; turned by a quarter or a half is found too.
            min_face: side of the smallest face to search for, pixels of ``image``; smaller ones
                may be found too. Half of it costs four times as much.

        Returns:
            Detections, highest score first; the same for the same picture.

        Raises:
            ValueError: ``min_face`` is below 1.
        """
        faces = self._search(image, min_face)
        quarters = self._best_turn(image, faces) if looks_turned(faces) else 0
        if quarters:
            faces = self._turned(image, faces, min_face, quarters)
        else:
            faces = self._confirmed(image, faces, min_face)
        return [
            Detection(
                box=(float(row[0]), float(row[1]), float(row[2]), float(row[3])),
                landmarks=row[4 : boxes.SCORE].reshape(boxes.POINTS, 2),
                score=float(row[boxes.SCORE]),
            )
            for row in faces
        ]

    def _search(self, image: NDArray[np.uint8], min_face: int) -> boxes.Floats:
        """Faces of a picture as it stands."""
        height, width = image.shape[:2]
        picture = Image.fromarray(image)
        found = []
        for scale in reversed(scales(height, width, min_face)):
            picture = resized(picture, scaled(image.shape, scale))
            found.append(self._look(picture, image.shape))
        faces = boxes.merge(np.concatenate(found))
        if not len(faces):
            inner = resized(picture, scaled(image.shape, MARGIN / max(height, width)))
            canvas = Image.new("RGB", (MARGIN_SIDE, MARGIN_SIDE))
            at = ((MARGIN_SIDE - inner.width) // 2, (MARGIN_SIDE - inner.height) // 2)
            canvas.paste(inner, at)
            faces = boxes.merge(self._run(np.asarray(canvas)[None])[0])
            points = faces[:, : boxes.SCORE].reshape(-1, 2 + boxes.POINTS, 2)
            points -= np.array(at, np.float32)
            points *= np.array([width / inner.width, height / inner.height], np.float32)
        return faces

    def _confirmed(
        self, image: NDArray[np.uint8], faces: boxes.Floats, min_face: int
    ) -> boxes.Floats:
        """The faces that hold: doubtful ones are looked at again, alone and at ``FACE_SIDE``.

        What looks like a face at one place and size of a texture seldom does at another.
        """
        finest = scales(image.shape[0], image.shape[1], min_face)[-1]
        large = (faces[:, 2:4] - faces[:, :2]).max(axis=1, initial=0) * finest >= LARGE
        score = faces[:, boxes.SCORE].copy()
        doubtful = np.flatnonzero(score < np.where(large, DOUBT_LARGE, DOUBT))
        for first in range(0, len(doubtful), TOGETHER):
            rows = doubtful[first : first + TOGETHER]
            views = np.stack([around(image, faces[row], FACE_SIDE, AROUND_SIDE) for row in rows])
            for row, found in zip(rows, self._run(views, FAINTEST), strict=True):
                off = abs(found[:, :4].reshape(-1, 2, 2).mean(axis=1) - AROUND_SIDE / 2).max(axis=1)
                here = found[off < CENTRED * FACE_SIDE, boxes.SCORE]
                score[row] = (score[row] + here.max(initial=0)) / 2
        kept = score >= self.threshold - EASE * large
        return boxes.ordered(np.column_stack([faces[:, : boxes.SCORE], score])[kept])

    def _turned(
        self, image: NDArray[np.uint8], faces: boxes.Floats, min_face: int, quarters: int
    ) -> boxes.Floats:
        """Faces of the picture turned upright by quarters, in its own pixels.

        Faces that only the first look found are kept where it was sure of them.
        """
        height, width = image.shape[:2]
        upright = np.ascontiguousarray(np.rot90(image, quarters))
        held = self._confirmed(upright, self._search(upright, min_face), min_face)
        back = boxes.turned_back(held, quarters, height, width)
        lone = [
            row
            for row in faces[faces[:, boxes.SCORE] >= SURE]
            if not len(back) or boxes.overlaps(row, back)[1].max() < boxes.OVERLAP
        ]
        return boxes.ordered(np.concatenate([back, np.reshape(lone, (-1, boxes.SCORE + 1))]))

    def _best_turn(self, image: NDArray[np.uint8], faces: boxes.Floats) -> int:
        """Quarters of a turn, counter-clockwise, after which faces look most like faces.

        Told by the surest faces, each with what is around it: as good as the whole picture, at a
        tenth of its cost. Where they tell nothing, or there are none, by a small copy of it.
        """
        if len(faces):
            views = np.stack(
                [around(image, row, FACE_SIDE, AROUND_SIDE) for row in faces[:WITNESSES]]
            )
            upright = self._surest(views)
            if upright >= 1 - MORE:  # no turn can be better by that much
                return 0
            evidence = [upright, *(self._surest(np.rot90(views, q, (1, 2))) for q in (1, 2, 3))]
            best = int(np.argmax(evidence))
            if evidence[best] >= TOLD:
                return best if evidence[best] >= upright + MORE else 0
            if faces[:WITNESSES, boxes.SCORE].mean() >= SURE:  # as sure as any turn could be
                return 0
        scale = min(1.0, TURN_SIDE / max(image.shape))
        small = np.asarray(resized(Image.fromarray(image), scaled(image.shape, scale)))
        upright = self._surest(small[None]) if len(faces) else 0.0  # the search found none
        turns = (self._surest(np.rot90(small, quarters)[None]) for quarters in (1, 2, 3))
        evidence = [upright, *turns]
        best = int(np.argmax(evidence))
        return best if evidence[best] >= max(TOLD, evidence[0] + MORE) else 0

    def _surest(self, images: NDArray[np.uint8]) -> float:
        """Mean score of the surest upright face of each of (N, H, W, 3), 0 where there is none."""
        scores = []
        for found in map(boxes.merge, self._run(images)):
            upright = found[abs(boxes.rolls(found)) < UPRIGHT]
            scores.append(float(upright[0, boxes.SCORE]) if len(upright) else 0.0)
        return float(np.mean(scores))

    def _look(self, seen: Image.Image, shape: tuple[int, ...]) -> boxes.Floats:
        """Candidates of one pass over a resized picture, in pixels of the one of ``shape``."""
        pixels = np.asarray(seen)
        found = []
        for part in tiles(seen.height, seen.width):
            left, top, right, bottom = part
            (rows,) = self._run(pixels[None, top:bottom, left:right])
            points = rows[:, : boxes.SCORE].reshape(-1, 2 + boxes.POINTS, 2)
            points += np.array(part[:2], np.float32)
            left, top, right, bottom = cores(part, seen.height, seen.width)
            x, y = points[:, :2].mean(axis=1).T
            found.append(rows[(x >= left) & (x < right) & (y >= top) & (y < bottom)])
        faces: boxes.Floats = np.concatenate(found)
        points = faces[:, : boxes.SCORE].reshape(-1, 2 + boxes.POINTS, 2)
        points *= np.array([shape[1] / seen.width, shape[0] / seen.height], np.float32)
        return faces

    def _run(self, images: NDArray[np.uint8], least: float = CANDIDATE) -> list[boxes.Floats]:
        """Candidates of at least a score in each of (N, H, W, 3), in one run of the network."""
        count, height, width = images.shape[:3]
        size = on_grid(height), on_grid(width)
        canvas = np.zeros((count, *size, 3), np.uint8)
        canvas[:, :height, :width] = images
        (raw,) = self.session.run(["anchors"], {"pictures": canvas})
        return [boxes.decode(rows, size, min(least, self.threshold)) for rows in raw]


def looks_turned(faces: boxes.Floats) -> bool:
    """Whether the largest faces are rolled or unsure, or there are none: perhaps it is turned."""
    sides = np.prod(faces[:, 2:4] - faces[:, :2], axis=1)
    largest = faces[np.argsort(-sides, kind="stable")[:LARGEST]]
    if not len(largest):
        return True
    rolled = abs(boxes.rolls(largest)) >= UPRIGHT
    return bool(rolled.mean() >= 0.5 or largest[:, boxes.SCORE].mean() < SURE)
