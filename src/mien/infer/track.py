"""Who is who from one moment to the next: faces get numbers that stay."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mien.infer.boxes import overlaps

Floats = NDArray[np.float32]

_UNLIKE, _ALIKE = 0.1, 0.6  # similarity of crops: hardly one person, surely enough one person
_RECENT = 1.0  # seconds for which a place alone says who it is
_DRIFT = 3.0  # seconds for which a hidden face is thought to move on


@dataclass
class Track:
    """A person: number, last box (left, top, right, bottom), its time, pixels a second, looks."""

    number: int
    box: Floats
    time: float
    looks: Floats
    velocity: Floats = field(default_factory=lambda: np.zeros(2, np.float32))
    hits: int = 1

    def expected(self, time: float) -> Floats:
        """The box at a later time, moving on as before."""
        shift = (self.velocity * min(time - self.time, _DRIFT)).astype(np.float32)
        moved: Floats = self.box + np.tile(shift, 2)
        return moved

    def see(self, box: Floats, looks: Floats, time: float, *, free: bool) -> None:
        """Take a new box; only a face that is ``free`` of others says how it moves and looks."""
        if free:
            moved = (_centre(box) - _centre(self.box)) / max(time - self.time, 1e-3)
            weight = 1.0 if self.hits == 1 else 0.25
            self.velocity = (self.velocity + weight * (moved - self.velocity)).astype(np.float32)
            self.looks = _unit(self.looks + 0.2 * (looks - self.looks))
        self.box, self.time, self.hits = box, time, self.hits + 1


class Tracker:
    """Gives each face the number of the track that it continues.

    Intersection over union with where a track was expected, moving on at constant velocity (the
    idea of SORT, Bewley et al. 2016, without its Kalman filter). The crops that are classified
    anyway say who is who where two faces cross, and who comes back after being hidden. A weak
    detection continues a track but begins none (ByteTrack, Zhang et al. 2022).

    Args:
        overlap: least intersection over union of a face with where it was expected.
        patience: seconds that a track outlives its last face, moving on as before.
        begin: least detection score of a face that begins a track.
    """

    def __init__(self, *, overlap: float = 0.2, patience: float = 5.0, begin: float = 0.7) -> None:
        self.overlap = overlap
        self.patience = patience
        self.begin = begin
        self.tracks: list[Track] = []
        self.count = 0

    def update(
        self, boxes: Floats, scores: Floats, crops: NDArray[np.uint8], time: float
    ) -> list[int]:
        """Numbers of the faces of one moment.

        Args:
            boxes: (K, 4) left, top, right, bottom, pixels.
            scores: (K,) of detection, 0 to 1.
            crops: uint8 (K, 48, 48), as they are classified.
            time: seconds; rises from call to call.

        Returns:
            A number from 1 for each face; 0 for one too weak to begin a track.
        """
        self.tracks = [track for track in self.tracks if time - track.time <= self.patience]
        looks = describe(crops)
        numbers = [0] * len(boxes)
        if self.tracks and len(boxes):
            expected = np.stack([track.expected(time) for track in self.tracks])
            shares = np.stack([overlaps(box, boxes)[0] for box in expected])
            crowd = np.stack([overlaps(box, boxes)[0] for box in boxes])
            touching = ((shares > 0).sum(axis=0) > 1) | ((crowd > 0).sum(axis=0) > 1)
            recent = np.array([time - track.time <= _RECENT for track in self.tracks])
            alike = np.stack([track.looks for track in self.tracks]) @ looks.T
            # a face that touches another may be half hidden: its looks say little against it
            likely = touching | (recent[:, None] & (alike >= _UNLIKE))
            near = _distance(expected, boxes) < 1.5
            fits = ((shares >= self.overlap) & likely) | (near & (alike >= _ALIKE))
            for row, at in best_pairs(np.where(fits, shares + alike, -np.inf)):
                track = self.tracks[row]
                track.see(boxes[at], looks[at], time, free=not touching[at])
                numbers[at] = track.number
        for at, score in enumerate(scores):
            if not numbers[at] and score >= self.begin:
                self.count += 1
                numbers[at] = self.count
                self.tracks.append(Track(self.count, boxes[at], time, looks[at]))
        return numbers


def best_pairs(merit: NDArray[np.floating]) -> list[tuple[int, int]]:
    """Rows and columns that belong together, each once, the highest first; -inf is never."""
    merit = merit.copy()
    pairs = []
    while merit.max() > -np.inf:
        row, column = (int(at) for at in np.unravel_index(merit.argmax(), merit.shape))
        pairs.append((row, column))
        merit[row], merit[:, column] = -np.inf, -np.inf
    return pairs


def describe(crops: NDArray[np.uint8]) -> Floats:
    """Looks of faces, whose dot product is the correlation of their crops: (K, 144).

    Crops are averaged to 12x12, which forgives a pixel's shift, and made free of brightness and
    contrast.
    """
    small = crops.reshape(len(crops), 12, 4, 12, 4).mean(axis=(2, 4)).reshape(-1, 144)
    return _unit((small - small.mean(axis=1, keepdims=True)).astype(np.float32))


def _unit(rows: Floats) -> Floats:
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    unit: Floats = (rows / np.maximum(length, 1e-6)).astype(np.float32)
    return unit


def _centre(box: Floats) -> Floats:
    middle: Floats = ((box[..., :2] + box[..., 2:]) / 2).astype(np.float32)
    return middle


def _distance(expected: Floats, boxes: Floats) -> Floats:
    """Centre to centre (T, K), in widths of the expected box."""
    apart = _centre(expected)[:, None] - _centre(boxes)[None]
    width = np.maximum(expected[:, None, 2] - expected[:, None, 0], 1)
    ratio: Floats = (np.linalg.norm(apart, axis=-1) / width).astype(np.float32)
    return ratio
