"""Who is who from one moment to the next: faces get numbers that stay."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mien.infer.boxes import overlaps
from mien.infer.signature import Floats, describe, sign, unit

_UNLIKE, _ALIKE = 0.1, 0.6  # similarity of crops: hardly one person, surely enough one person
_STILL = 0.5  # similarity at which a face in its old place is the same one, however long ago
_RECENT = 1.0  # seconds for which a place alone says who it is
_DRIFT = 3.0  # seconds for which a hidden face is thought to move on
_MISSES = 3  # searches in vain before patience can end: frames may be minutes apart
_VIEWS, _NEW_VIEW = 8, 0.85  # most signatures kept of a person; likeness below which one is new
_REMEMBERED = 200  # most people of earlier scenes

SAME = 0.8
"""Likeness of signatures, -1 to 1, from which a face after a cut is that of before.

Of 10,000 pairs of faces of different people, fewer than four are as alike.
"""


@dataclass(eq=False)
class Track:
    """A person: number, last box (left, top, right, bottom), its time, pixels a second, looks.

    ``views`` are signatures of different moments; ``missed`` counts searches since the last sight.
    """

    number: int
    box: Floats
    time: float
    looks: Floats
    velocity: Floats = field(default_factory=lambda: np.zeros(2, np.float32))
    hits: int = 1
    missed: int = 0
    views: list[Floats] = field(default_factory=list)

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
            self.looks = unit(self.looks + 0.2 * (looks - self.looks))
        self.box, self.time, self.hits, self.missed = box, time, self.hits + 1, 0

    def remember(self, signature: Floats) -> None:
        """Keep a signature that is unlike those kept."""
        if len(self.views) < _VIEWS and self.likeness(signature) < _NEW_VIEW:
            self.views.append(signature)

    def likeness(self, signature: Floats) -> float:
        """Of the most alike signature that is kept; -1 where there is none."""
        return max((float(view @ signature) for view in self.views), default=-1.0)


class Tracker:
    """Gives each face the number of the track that it continues.

    Intersection over union with where a track was expected, moving on at constant velocity (the
    idea of SORT, Bewley et al. 2016, without its Kalman filter). The crops that are classified
    anyway say who is who where two faces cross, and who comes back after being hidden. A weak
    detection continues a track but begins none (ByteTrack, Zhang et al. 2022). A cut ends every
    track: whoever is seen after it gets an old number only where the face itself matches.

    Args:
        overlap: least intersection over union of a face with where it was expected.
        patience: seconds that a track outlives its last face, moving on as before, but at least
            three searches.
        begin: least detection score of a face that begins a track.
    """

    def __init__(self, *, overlap: float = 0.2, patience: float = 5.0, begin: float = 0.7) -> None:
        self.overlap = overlap
        self.patience = patience
        self.begin = begin
        self.tracks: list[Track] = []
        self.gone: list[Track] = []
        self.count = 0

    def cut(self) -> None:
        """End every track: another scene begins."""
        self.gone = [*self.gone, *self.tracks][-_REMEMBERED:]
        self.tracks = []

    def rescale(self, across: float, down: float) -> None:
        """Follow a picture whose size has changed by these factors."""
        factor = np.array([across, down], np.float32)
        for track in self.tracks:
            track.box = track.box * np.tile(factor, 2)
            track.velocity = track.velocity * factor

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
        self.tracks = [
            track
            for track in self.tracks
            if time - track.time <= self.patience or track.missed < _MISSES
        ]
        looks, signatures = describe(crops), sign(crops)
        for track in self.tracks:
            track.missed += 1  # taken back by ``see``
        numbers = [0] * len(boxes)
        if self.tracks and len(boxes):
            expected = np.stack([track.expected(time) for track in self.tracks])
            shares = np.stack([overlaps(box, boxes)[0] for box in expected])
            crowd = np.stack([overlaps(box, boxes)[0] for box in boxes])
            touching = ((shares > 0).sum(axis=0) > 1) | ((crowd > 0).sum(axis=0) > 1)
            recent = np.array([time - track.time <= _RECENT for track in self.tracks])
            alike = np.stack([track.looks for track in self.tracks]) @ looks.T
            # a face that touches another may be half hidden: its looks say little against it
            likely = touching | (alike >= np.where(recent, _UNLIKE, _STILL)[:, None])
            near = _distance(expected, boxes) < 1.5
            fits = ((shares >= self.overlap) & likely) | (near & (alike >= _ALIKE))
            for row, at in best_pairs(np.where(fits, shares + alike, -np.inf)):
                track = self.tracks[row]
                track.see(boxes[at], looks[at], time, free=not touching[at])
                if not touching[at]:
                    track.remember(signatures[at])
                numbers[at] = track.number
        fresh = [at for at, n in enumerate(numbers) if not n and scores[at] >= self.begin]
        known = self._returned(signatures, fresh)
        for at in fresh:
            track = Track(0, boxes[at], time, looks[at])
            if at in known:
                self.gone.remove(known[at])
                track.number, track.views = known[at].number, known[at].views
            else:
                self.count += 1
                track.number = self.count
            track.remember(signatures[at])
            numbers[at] = track.number
            self.tracks.append(track)
        return numbers

    def _returned(self, signatures: Floats, fresh: list[int]) -> dict[int, Track]:
        """Whom of earlier scenes the faces ``fresh`` surely show."""
        if not self.gone or not fresh:
            return {}
        like = np.array([[t.likeness(signatures[at]) for at in fresh] for t in self.gone])
        merit = np.where(like >= SAME, like, -np.inf)
        return {fresh[column]: self.gone[row] for row, column in best_pairs(merit)}


def best_pairs(merit: NDArray[np.floating]) -> list[tuple[int, int]]:
    """Rows and columns that belong together, each once, the highest first; -inf is never."""
    merit = merit.copy()
    pairs = []
    while merit.max() > -np.inf:
        row, column = (int(at) for at in np.unravel_index(merit.argmax(), merit.shape))
        pairs.append((row, column))
        merit[row], merit[:, column] = -np.inf, -np.inf
    return pairs


def _centre(box: Floats) -> Floats:
    middle: Floats = ((box[..., :2] + box[..., 2:]) / 2).astype(np.float32)
    return middle


def _distance(expected: Floats, boxes: Floats) -> Floats:
    """Centre to centre (T, K), in widths of the expected box."""
    apart = _centre(expected)[:, None] - _centre(boxes)[None]
    width = np.maximum(expected[:, None, 2] - expected[:, None, 0], 1)
    ratio: Floats = (np.linalg.norm(apart, axis=-1) / width).astype(np.float32)
    return ratio
