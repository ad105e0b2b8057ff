"""The tables of a prepared folder: what was kept, what was not and why, what to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.data.cells import read_csv, write_csv
from mien.data.groups import SPLIT_NAMES
from mien.emotions import EMOTIONS, VOTE_COLUMNS

MANIFEST, EXCLUSIONS, FLAGS, DUPLICATES = (
    "manifest.csv", "exclusions.csv", "flags.csv", "duplicates.csv"
)  # fmt: skip
MANIFEST_COLUMNS = (
    "id", "path", "emotion", "split", "group", "sha256", "source", *VOTE_COLUMNS
)  # fmt: skip
EXCLUSION_COLUMNS = ("id", "reason", "score", "detail", "emotion", "group", "sha256", "source")
FLAG_COLUMNS = ("id", "path", "reason", "score", "detail", "emotion", "suggestion", "split")
DUPLICATE_COLUMNS = ("a", "b", "correlation", "mirrored", "group")


@dataclass(frozen=True)
class Placed:
    """Where an earlier run put a picture."""

    path: str
    emotion: str
    split: str

    @property
    def number(self) -> int:
        """The number in the file name."""
        return int(_number(self.path))


def _number(path: str) -> str:
    return Path(path).stem.rsplit("_", 1)[-1]


def read_placed(out: Path) -> dict[str, Placed]:
    """What the manifest in ``out`` pins, by picture id; nothing where there is no manifest.

    Raises:
        ValueError: the manifest lacks a column, or a line is none that prepare wrote.
    """
    file = out / MANIFEST
    placed = {}
    for number, line in enumerate(read_csv(file), start=2):
        try:
            name, row = line["id"], (line["path"], line["emotion"], line["split"])
        except KeyError as error:
            raise ValueError(f"{file}: no column {error}; remove it to start afresh") from None
        path, emotion, split = (cell or "" for cell in row)
        if not (_number(path).isdecimal() and emotion in EMOTIONS and split in SPLIT_NAMES):
            raise ValueError(
                f"{file}: line {number}: {path!r} of {emotion!r} in {split!r} is not "
                "<split>/<emotion>/<emotion>_<number>.png as prepare names it; undo the change, "
                "or prepare with --fresh to split everything again"
            )
        placed[name] = Placed(path, emotion, split)
    return placed


def vote_cells(votes: NDArray[np.int64]) -> list[object]:
    """Ten counts, or ten empty cells where nobody voted."""
    return [""] * len(votes) if votes[0] < 0 else votes.tolist()


def name_paths(
    ids: Sequence[str],
    emotion: NDArray[np.int64],
    split: Sequence[str],
    placed: dict[str, Placed],
) -> list[str]:
    """``<split>/<emotion>/<emotion>_<number>.png`` for each picture kept, in order of ``ids``.

    A picture keeps the number an earlier run gave it; others get the next after the highest, so
    that names do not move when pictures are added.
    """
    numbers: dict[int, int] = {}
    highest = [0] * len(EMOTIONS)
    for earlier in placed.values():
        place = EMOTIONS.index(earlier.emotion)
        highest[place] = max(highest[place], earlier.number)
    for row, name in enumerate(ids):
        before = placed.get(name)
        if before is not None and before.emotion == EMOTIONS[emotion[row]]:
            numbers[row] = before.number
    paths = []
    for row in range(len(ids)):
        kind = int(emotion[row])
        if row not in numbers:
            highest[kind] += 1
            numbers[row] = highest[kind]
        word = EMOTIONS[kind].value
        paths.append(f"{split[row]}/{word}/{word}_{numbers[row]:05d}.png")
    return paths


def write_split_tables(
    out: Path,
    paths: Sequence[str],
    emotion: NDArray[np.int64],
    split: NDArray[np.str_],
    votes: NDArray[np.int64],
) -> None:
    """``train.csv``, ``valid.csv``, ``test.csv``: file, emotion, and ten votes where known."""
    for name in ("train", "valid", "test"):
        rows = sorted(np.flatnonzero(split == name).tolist(), key=paths.__getitem__)
        write_csv(
            out / f"{name}.csv",
            ("file", "emotion", *VOTE_COLUMNS),
            ((paths[r], EMOTIONS[emotion[r]].value, *vote_cells(votes[r])) for r in rows),
        )
