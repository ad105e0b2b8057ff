"""What a user holds in hand: scores of crops, the expression of a face, the faces of a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.emotions import BALLOT, EMOTIONS, Emotion, check_head, votes_from_ballot
from mien.mix import Mix

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def written(name: str) -> str:
    r"""A path as outputs hold it: bytes of it that are not UTF-8 stand as ``\udcff``.

    Linux allows any bytes in a file's name and Python hands them on as surrogates, which neither
    UTF-8 nor Arrow can hold.
    """
    return name.encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True, slots=True, repr=False)
class Expression:
    """What one face shows.

    ``expression`` is the reading shown first, mixed from both heads to be right for most people's
    labels; ``votes`` estimates how ten annotators would split over the seven emotions; ``label``
    the probability of each FER-2013 label; ``ballot`` all ten FER+ options; ``unclear`` the share
    of people who could not say or would see no face. Each emotion-keyed dict sums to 1.
    ``head`` names the reading that decides ``top``.
    """

    expression: dict[Emotion, float]
    votes: dict[Emotion, float]
    label: dict[Emotion, float]
    ballot: dict[str, float]
    unclear: float
    is_unclear: bool
    head: str = "expression"
    cam: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)

    @property
    def scores(self) -> dict[Emotion, float]:
        """The seven scores of the chosen reading."""
        readings = {"expression": self.expression, "votes": self.votes, "label": self.label}
        return readings[self.head]

    @property
    def top(self) -> Emotion:
        """The highest-scored of the seven emotions (the first of equals)."""
        return max(self.scores, key=self.scores.__getitem__)

    @property
    def confidence(self) -> float:
        """Score of ``top``, 0 to 1."""
        return self.scores[self.top]

    def __repr__(self) -> str:
        return f"Expression({self.top.value} {100 * self.confidence:.0f} %)"

    def named(self, language: str = "en") -> dict[str, float]:
        """The seven scores under their display names, highest first."""
        ranked = sorted(self.scores.items(), key=lambda item: -item[1])
        return {emotion.name_in(language): score for emotion, score in ranked}

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, scores rounded to 4 digits; schema in ``docs/schema.json``."""
        return {
            "top": self.top.value,
            "expression": {e.value: round(s, 4) for e, s in self.expression.items()},
            "votes": {e.value: round(s, 4) for e, s in self.votes.items()},
            "label": {e.value: round(s, 4) for e, s in self.label.items()},
            "ballot": {option: round(s, 4) for option, s in self.ballot.items()},
            "unclear": round(self.unclear, 4),
            "is_unclear": self.is_unclear,
        }


@dataclass(frozen=True, slots=True, repr=False)
class Scores:
    """Scores of N crops: ``label`` (N, 7), ``ballot`` (N, 10), ``cam`` (N, 7, h, w) or None.

    ``mix`` says how ``expression`` is made of them.
    """

    label: NDArray[np.float32]
    ballot: NDArray[np.float32]
    unclear_threshold: float = 0.5
    cam: NDArray[np.float32] | None = None
    mix: Mix = field(default_factory=Mix)

    @property
    def expression(self) -> NDArray[np.float64]:
        """(N, 7) the reading shown first, mixed from label and votes."""
        return self.mix.apply(self.label, self.votes)

    @property
    def votes(self) -> NDArray[np.float64]:
        """(N, 7) estimated vote shares over the seven emotions."""
        return votes_from_ballot(self.ballot)[0]

    @property
    def unclear(self) -> NDArray[np.float64]:
        """(N,) estimated share of "unknown" and "not a face"."""
        return votes_from_ballot(self.ballot)[1]

    def __len__(self) -> int:
        return len(self.label)

    def __repr__(self) -> str:
        counts = Counter(EMOTIONS[i].value for i in self.expression.argmax(axis=1).tolist())
        tops = ", ".join(f"{name} {count:,}" for name, count in counts.most_common())
        return f"Scores({len(self):,} crops: {tops})" if counts else "Scores(0 crops)"

    def _repr_html_(self) -> str:
        from mien.infer.notebook import html

        return html(self)

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the mean expression of all crops as bars.

        Args:
            axes: of matplotlib, to draw on; a new figure unless given.
        """
        from mien.infer.notebook import plot

        return plot(self, axes)

    def expressions(self, head: str = "expression") -> Iterator[Expression]:
        """One ``Expression`` a crop, in order.

        Raises:
            ValueError: ``head`` is not one of ``HEADS``.
        """
        check_head(head)
        votes, unclear = votes_from_ballot(self.ballot)
        mixed = self.mix.apply(self.label, votes)
        for i in range(len(self)):
            yield Expression(
                expression=dict(zip(EMOTIONS, map(float, mixed[i]), strict=True)),
                votes=dict(zip(EMOTIONS, map(float, votes[i]), strict=True)),
                label=dict(zip(EMOTIONS, map(float, self.label[i]), strict=True)),
                ballot=dict(zip(BALLOT, map(float, self.ballot[i]), strict=True)),
                unclear=float(unclear[i]),
                is_unclear=bool(unclear[i] >= self.unclear_threshold),
                head=head,
                cam=None if self.cam is None else self.cam[i],
            )


@dataclass(frozen=True, slots=True, repr=False)
class Face:
    """A face in a picture.

    ``box`` is (left, top, right, bottom) in pixels of the upright picture; ``landmarks`` five
    (x, y) points (right eye, left eye, nose, right and left corner of the mouth; right and left
    of the person) or None; ``score`` the detector's, 0 to 1; ``detected`` False where the whole
    picture was taken as a crop; ``track`` the person's number in a video, from 1. ``reasons`` say
    why the face is hard to read, any of "small", "blurred", "turned" and "covered": what the
    picture shows, whatever the scores are. ``embedding`` are the pooled features (D,) where they
    were asked for.
    """

    box: tuple[float, float, float, float]
    expression: Expression
    score: float = 1.0
    landmarks: tuple[tuple[float, float], ...] | None = None
    detected: bool = True
    track: int | None = None
    reasons: list[str] = field(default_factory=list)
    embedding: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)

    @property
    def detector_score(self) -> float:
        """The detector's score, 0 to 1: what ``score`` will be called."""
        return self.score

    def __repr__(self) -> str:
        box = ", ".join(f"{value:.0f}" for value in self.box)
        return (
            f"Face({self.expression.top.value} {100 * self.expression.confidence:.0f} %, ({box}))"
        )

    def _repr_html_(self) -> str:
        from mien.infer.notebook import html

        return html(self)

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the seven scores, and the share of unclear, as bars.

        Args:
            axes: of matplotlib, to draw on; a new figure unless given.
        """
        from mien.infer.notebook import plot

        return plot(self, axes)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; the expression's keys stand beside ``box``."""
        points = self.landmarks
        track = {} if self.track is None else {"track": self.track}
        return {
            **track,
            "box": [round(v, 1) for v in self.box],
            "landmarks": None
            if points is None
            else [[round(x, 1), round(y, 1)] for x, y in points],
            "detector_score": round(self.score, 4),
            "score": round(self.score, 4),  # its name before 0.2, for one release
            "detected": self.detected,
            "reasons": list(self.reasons),
            **self.expression.to_dict(),
        }


@dataclass(frozen=True, slots=True, repr=False)
class Picture:
    """One entry of ``analyze_many``: the faces of a picture, or why it could not be read."""

    source: str
    width: int = 0
    height: int = 0
    faces: list[Face] = field(default_factory=list)
    error: str | None = None

    def __repr__(self) -> str:
        if self.error is not None:
            return f"Picture({self.source!r}, error={self.error!r})"
        tops = ", ".join(face.expression.top.value for face in self.faces[:10]) or "none"
        more = ", …" if len(self.faces) > 10 else ""
        size = f"{self.width}x{self.height}"
        faces = "1 face" if len(self.faces) == 1 else f"{len(self.faces)} faces"
        return f"Picture({self.source!r}, {size}, {faces}: {tops}{more})"

    def _repr_html_(self) -> str:
        from mien.infer.notebook import html

        return html(self)

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the picture, read from its path, with a box around each face.

        Args:
            axes: of matplotlib, to draw on; a new figure unless given.
        """
        from mien.infer.notebook import plot

        return plot(self, axes)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; ``error`` only where the picture could not be read."""
        source = written(self.source)
        if self.error is not None:
            return {"source": source, "error": written(self.error), "faces": []}
        faces = [face.to_dict() for face in self.faces]
        return {"source": source, "width": self.width, "height": self.height, "faces": faces}
