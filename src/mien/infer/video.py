"""A video in, its frames with the numbered faces of people and their smoothed expressions out.

Needs the extra ``video``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mien.infer.crop import SIDE, crop_face
from mien.infer.cuts import scenes
from mien.infer.detect import Detection, Detector
from mien.infer.footage import Footage, Still
from mien.infer.model import Model, join
from mien.infer.results import Face
from mien.infer.smooth import Smoother
from mien.infer.track import Tracker

EVERY = 3
"""Frames from one search for faces to the next."""
APART = 0.5
"""Most seconds between two searches, where there are frames between them."""
SMOOTH = 0.2
"""Time constant of smoothing, seconds."""

T = TypeVar("T")
Seen = dict[int, Detection]
"""Faces of one frame by the number of their person."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame: number from 0, seconds since the first, RGB (H, W, 3), faces with ``track``.

    ``scene`` counts from 1; each hard cut begins another.
    """

    index: int
    time: float
    image: NDArray[np.uint8] = field(repr=False)
    faces: list[Face]
    scene: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, without the image."""
        faces = [face.to_dict() for face in self.faces]
        return {
            "frame": self.index,
            "time": round(self.time, 4),
            "scene": self.scene,
            "faces": faces,
        }


def read_video(
    source: str | Path | int,
    model: Model,
    *,
    every: int = EVERY,
    smooth: float = SMOOTH,
    min_face: int = 40,
) -> Iterator[Frame]:
    """Follow the faces of a video.

    Args:
        source: path, address that FFmpeg opens, or the number of a camera.
        model: from ``mien.load``.
        every: search for faces in every n-th frame, and more often where frames are seldom;
            between two searches faces move in a straight line, so a frame comes out when the next
            search is done.
        smooth: time constant of smoothing, seconds; 0 for none.
        min_face: side in pixels of the smallest face to search for.

    Yields:
        Every frame that could be decoded, in order.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a video, or ``every`` below 1.
    """
    return watch(Footage(source), model, every=every, smooth=smooth, min_face=min_face)


def watch(
    stills: Iterable[Still],
    model: Model,
    *,
    every: int = EVERY,
    smooth: float = SMOOTH,
    min_face: int = 40,
) -> Iterator[Frame]:
    """``read_video`` for frames from anywhere."""
    if every < 1:
        raise ValueError(f"every is {every}; give at least 1 frame")
    tracker, smoother = Tracker(), Smoother(smooth)
    last: tuple[float, Seen] = (0.0, {})
    scene, size = 1, None
    for group, found in ahead(_searched(_groups(stills, every), model.detector, min_face)):
        key, now = group.stills[-1], group.stills[-1].image.shape[:2]
        if group.scene != scene:
            scene, last = group.scene, (key.time, {})
            tracker.cut()
            smoother.cut()
        elif size is not None and size != now:  # where faces were seen is told in the new pixels
            last = (last[0], {})
            tracker.rescale(now[1] / size[1], now[0] / size[0])
        size = now
        seen = _who(tracker, key, found)
        moments = [between(last, (key.time, seen), still.time) for still in group.stills[:-1]]
        yield from _scored(group, [*moments, seen], model, smoother)
        last = (key.time, seen)


def between(before: tuple[float, Seen], after: tuple[float, Seen], time: float) -> Seen:
    """Faces at a time between two searches, of those who were seen in both."""
    share = (time - before[0]) / max(after[0] - before[0], 1e-9)
    return {
        number: _blend(before[1][number], found, share)
        for number, found in after[1].items()
        if number in before[1]
    }


@dataclass(frozen=True, slots=True)
class _Group:
    """Frames after one search up to the next: of one scene and one size."""

    scene: int
    stills: list[Still]


def _groups(stills: Iterable[Still], every: int) -> Iterator[_Group]:
    """Frames by their searches; the first and the last of a film, a scene and a size are searched.

    No search is more than ``APART`` after the one before, unless there is no frame between.
    """
    group: list[Still] = []
    kind: tuple[int, tuple[int, ...]] = (0, ())
    searched = 0.0
    for scene, still in scenes(stills):
        new = kind != (scene, still.image.shape)
        if group and (new or still.time - searched > APART):
            yield _Group(kind[0], group)
            searched, group = group[-1].time, []
        kind = (scene, still.image.shape)
        group.append(still)
        if new or still.index % every == 0:
            yield _Group(kind[0], group)
            searched, group = still.time, []
    if group:
        yield _Group(kind[0], group)


def _searched(
    groups: Iterable[_Group], detector: Detector, min_face: int
) -> Iterator[tuple[_Group, list[Detection]]]:
    """Groups with the faces of their last frames."""
    for group in groups:
        yield group, detector.detect(group.stills[-1].image, min_face=min_face)


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items; the next one is being made, by another thread, while this one is used."""
    end = object()
    with ThreadPoolExecutor(1, thread_name_prefix="mien") as pool:
        coming = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield item  # type: ignore[misc]


def _who(tracker: Tracker, still: Still, found: list[Detection]) -> Seen:
    boxes = np.array([d.box for d in found], np.float32).reshape(-1, 4)
    crops = np.array([crop_face(still.image, d) for d in found], np.uint8).reshape(-1, SIDE, SIDE)
    scores = np.array([d.score for d in found], np.float32)
    numbers = tracker.update(boxes, scores, crops, still.time)
    return {number: d for number, d in zip(numbers, found, strict=True) if number}


def _scored(
    group: _Group, moments: list[Seen], model: Model, smoother: Smoother
) -> Iterator[Frame]:
    """Frames with the faces of a group of them, classified in one run."""
    crops = [
        crop_face(still.image, detection)
        for still, seen in zip(group.stills, moments, strict=True)
        for detection in seen.values()
    ]
    scores = model.classify(crops)
    at = 0
    for still, seen in zip(group.stills, moments, strict=True):
        rows = np.concatenate([scores.label, scores.ballot], axis=1)[at : at + len(seen)]
        here, at = crops[at : at + len(seen)], at + len(seen)
        for i, number in enumerate(seen):
            rows[i] = smoother.update(number, still.time, rows[i])
        label, ballot = rows[:, : scores.label.shape[1]], rows[:, scores.label.shape[1] :]
        smoothed = replace(scores, label=label, ballot=ballot, cam=None)
        expressions = smoothed.expressions(model.head)
        size = (still.image.shape[1], still.image.shape[0])
        joined = join([*seen.values()], here, expressions, size)
        faces = [replace(face, track=number) for number, face in zip(seen, joined, strict=True)]
        yield Frame(still.index, still.time, still.image, faces, group.scene)


def _blend(a: Detection, b: Detection, share: float) -> Detection:
    box = np.array(a.box) * (1 - share) + np.array(b.box) * share
    points = (a.landmarks * (1 - share) + b.landmarks * share).astype(np.float32)
    left, top, right, bottom = (float(v) for v in box)
    return Detection((left, top, right, bottom), points, a.score * (1 - share) + b.score * share)
