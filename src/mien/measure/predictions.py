"""The prediction table: one system's scores on one split; all of ``measure`` reads this alone."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.atomic import replacing
from mien.emotions import (
    BALLOT,
    BALLOT_INDEX,
    EMOTIONS,
    OUTPUTS,
    check_head,
    votes_from_ballot,
)


@dataclass(frozen=True)
class Predictions:
    """Scores of one system on N pictures.

    ``id`` (N,) str; ``y`` (N,) int64 index into ``EMOTIONS``, -1 unknown; ``label`` (N, 7) and
    ``ballot`` (N, 10) rows that sum to 1; ``counts`` (N, 10) int64 votes, a row of -1 where nobody
    voted, or None; ``group`` (N,) int64, equal for copies of one picture, or None; ``leaked`` (N,)
    bool, True where a copy is in the training data, or None.
    """

    id: NDArray[np.str_]
    y: NDArray[np.int64]
    label: NDArray[np.float64]
    ballot: NDArray[np.float64] | None = None
    counts: NDArray[np.int64] | None = None
    group: NDArray[np.int64] | None = None
    leaked: NDArray[np.bool_] | None = None
    system: str = ""
    split: str = ""

    def __len__(self) -> int:
        return len(self.id)

    @property
    def known(self) -> NDArray[np.bool_]:
        """(N,) whether the picture's label is known."""
        return self.y >= 0

    @property
    def names_only(self) -> bool:
        """Whether each row gives one emotion everything: a system that named it, without scores."""
        return bool(len(self)) and bool((self.label.max(axis=1) == 1).all())

    @property
    def has_votes(self) -> NDArray[np.bool_]:
        """(N,) whether at least two people voted on the picture."""
        if self.counts is None:
            return np.zeros(len(self), dtype=bool)
        return np.asarray(self.counts.clip(min=0).sum(axis=1) >= 2)

    @property
    def full_ballot(self) -> NDArray[np.float64]:
        """(N, 10) the ballot; for a system without one, its label scores in the ballot's order."""
        if self.ballot is not None:
            return self.ballot
        ballot = np.zeros((len(self), len(BALLOT)))
        ballot[:, BALLOT_INDEX] = self.label
        return ballot

    def scores(self, head: str) -> NDArray[np.float64]:
        """(N, 7) the scores of one head; ``votes`` falls back on ``label`` without a ballot.

        Raises:
            ValueError: no such head.
        """
        check_head(head, among=OUTPUTS)
        if head == "label" or self.ballot is None:
            return self.label
        return votes_from_ballot(self.ballot)[0]

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Predictions:
        """The chosen rows, in order."""
        chosen = {
            f.name: value[rows]
            for f in fields(self)
            if isinstance(value := getattr(self, f.name), np.ndarray)
        }
        return replace(self, **chosen)  # type: ignore[arg-type]

    def check(self) -> Predictions:
        """The table itself, once it is found whole.

        Raises:
            ValueError: what is wrong with which array.
        """
        n = len(self)
        widths = {"label": len(EMOTIONS), "ballot": len(BALLOT), "counts": len(BALLOT)}
        for f in fields(self):
            array = getattr(self, f.name)
            if isinstance(array, np.ndarray):
                expected = (n, widths[f.name]) if f.name in widths else (n,)
                if array.shape != expected:
                    raise ValueError(f"{f.name} has shape {array.shape}; expected {expected}")
        for name in ("label", "ballot"):
            scores = getattr(self, name)
            if scores is None:
                continue
            if not np.isfinite(scores).all() or (scores < 0).any():
                raise ValueError(f"{name} holds a negative or missing score; give probabilities")
            if n and np.abs(scores.sum(axis=1) - 1).max() > 1e-3:
                raise ValueError(f"{name} has a row that does not sum to 1")
        strange = (self.y < -1) | (self.y >= len(EMOTIONS))
        if strange.any():
            raise ValueError(
                f"y holds {self.y[strange][0]}; give -1 where the label is unknown, or 0 to "
                f"{len(EMOTIONS) - 1} in the order {', '.join(EMOTIONS)}"
            )
        if len(set(self.id.tolist())) != n:
            raise ValueError("an id appears twice; give one row per picture")
        return self

    def save(self, path: Path | str) -> None:
        """Write a compressed ``.npz`` atomically."""
        path = Path(path)
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        with replacing(path) as part, part.open("wb") as file:
            np.savez_compressed(file, **{k: v for k, v in values.items() if v is not None})

    @classmethod
    def load(cls, path: Path | str) -> Predictions:
        """Read what ``save`` wrote, or the same arrays from another hand.

        Numbers and UTF-8 bytes serve as ``id``, whole floats as ``y`` and ``counts``, 0 and 1 as
        ``leaked``.

        Raises:
            ValueError: a required array is missing, or one has the wrong shape or values.
        """
        known = {f.name for f in fields(cls)}
        values: dict[str, Any] = {}
        name = ""
        try:
            with np.load(Path(path), allow_pickle=False) as arrays:
                for name in sorted(known.intersection(arrays.files)):
                    values[name] = arrays[name]
        except (ValueError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            if "Object arrays" in str(error):  # only a pickle holds them, and a pickle runs code
                raise ValueError(
                    f"{path}: {name} is an array of Python objects, which is not read; save it as "
                    "numbers, or as text such as np.array(ids, dtype=str)"
                ) from None
            raise ValueError(f"{path}: damaged ({error}); run mien evaluate again") from None
        missing = {"id", "y", "label"} - values.keys()
        if missing:
            raise ValueError(f"{path}: no {', '.join(sorted(missing))}; not a predictions file")
        for name in ("system", "split"):
            values[name] = str(values.get(name, ""))
        try:
            for name, convert in _CONVERT.items():
                if name in values:
                    values[name] = convert(name, values[name])
            return cls(**values).check()
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


def _text(name: str, array: NDArray[Any]) -> NDArray[np.str_]:
    if array.dtype.kind == "S":
        try:
            return np.char.decode(array, "utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"{name} holds bytes that are not UTF-8; save it as text") from None
    if array.dtype.kind == "f" and (array == np.floor(array)).all():
        array = array.astype(np.int64)  # 7.0 is the picture that others call 7
    return array.astype(np.str_)


def _scores(name: str, array: NDArray[Any]) -> NDArray[np.float64]:
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} holds {array.dtype}, not numbers; give probabilities")
    return array.astype(np.float64)


def _whole(name: str, array: NDArray[Any]) -> NDArray[np.int64]:
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} holds {array.dtype}, not numbers; give whole numbers")
    broken = ~np.isfinite(array) | (array != np.floor(array))
    if broken.any():
        raise ValueError(f"{name} holds {array[broken][0]}; give whole numbers, -1 where unknown")
    return array.astype(np.int64)


def _flags(name: str, array: NDArray[Any]) -> NDArray[np.bool_]:
    if array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all():
        raise ValueError(f"{name} is neither bool nor 0 and 1; give True where there is a copy")
    return array.astype(np.bool_)


_CONVERT: dict[str, Callable[[str, NDArray[Any]], NDArray[Any]]] = {
    "id": _text, "y": _whole, "label": _scores, "ballot": _scores, "counts": _whole,
    "leaked": _flags,
}  # fmt: skip
