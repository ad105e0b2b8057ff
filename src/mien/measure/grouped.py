"""Shares of expressions by group of faces, with intervals that respect clusters of faces."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.emotions import EMOTIONS, check_head
from mien.measure.bootstrap import Array, estimate, mean

UNCLEAR = "unclear"
SHARES = (*(e.value for e in EMOTIONS), UNCLEAR)
COLUMNS = ("faces", "clusters", "expression", "share", "low", "high")
"""What ``mien summary --csv`` writes after the columns of ``--by``."""
FOLDER = "folder"
_MISSING = "(none)"


@dataclass(frozen=True)
class Faces:
    """Rows of a table of faces: ``scores`` (N, 8) in the order of ``SHARES``, and other cells.

    ``cells`` maps a column to its N texts; ``skipped`` counts rows without a face.
    """

    scores: NDArray[np.float64]
    cells: dict[str, list[str]]
    skipped: int = 0


@dataclass(frozen=True)
class Group:
    """Shares of one group: ``share``, ``low`` and ``high`` (8,) in the order of ``SHARES``.

    ``low`` and ``high`` are NaN where the group has fewer than two clusters.
    """

    key: tuple[str, ...]
    faces: int
    clusters: int
    share: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def read_faces(path: Path, *, head: str = "votes") -> Faces:
    """Read what ``mien predict --csv`` or ``mien video --csv`` wrote.

    Args:
        path: the CSV.
        head: whose scores to take, ``"votes"``, ``"label"`` or ``"expression"``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no table of faces, or a cell that is no number; the message names the line.
    """
    check_head(head)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; make one with mien predict … --csv {path}")
    needed = [f"{head}_{e.value}" for e in EMOTIONS] + [UNCLEAR]
    scores, kept, skipped = [], [], 0
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = list(reader.fieldnames or ())
            if lacking := [name for name in needed if name not in columns]:
                raise ValueError(
                    f"{path}: lacks the column {lacking[0]}; give the CSV of mien predict or video"
                )
            for row in reader:
                if not row[needed[0]]:
                    skipped += 1
                    continue
                scores.append(_numbers(row, needed, f"{path}, line {reader.line_num}"))
                kept.append(row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a CSV in UTF-8 ({error})") from None
    cells = {name: [row[name] or "" for row in kept] for name in columns}
    if "source" in cells:
        cells.setdefault(FOLDER, [_folder(source) for source in cells["source"]])
    return Faces(np.array(scores, float).reshape(-1, len(SHARES)), cells, skipped)


def _numbers(row: dict[str, str], names: Sequence[str], where: str) -> list[float]:
    values = []
    for name in names:
        try:
            value = float(row[name])
        except (TypeError, ValueError):
            value = float("nan")
        if not 0 <= value <= 1:
            raise ValueError(f"{where}: {name} is {row[name]!r}, not a share from 0 to 1")
        values.append(value)
    return values


def _folder(source: str) -> str:
    """The folder of a path or address, whatever separates it."""
    return re.split(r"[\\/](?=[^\\/]*$)", source)[0] if re.search(r"[\\/]", source) else "."


def summarize(
    faces: Faces,
    *,
    by: Sequence[str] = (),
    cluster: str | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> list[Group]:
    """Mean scores of each group with 95 % intervals, resampling clusters of faces.

    Faces of one picture, or of one person, are alike; resampling them singly would give intervals
    that are too narrow.

    Args:
        faces: from ``read_faces``.
        by: columns whose values make the groups; ``"folder"`` is that of the source; none takes all
            faces as one group.
        cluster: column whose equal values come and go together; None takes ``source``, or ``track``
            in a table of one video.
        draws: bootstrap resamples.
        seed: of the resampling.

    Raises:
        ValueError: there are no faces, or no such column.
    """
    if not len(faces.scores):
        raise ValueError("there is no face in the table, so there is nothing to summarise")
    if cluster is None:
        cluster = next((name for name in ("source", "track") if name in faces.cells), None)
    for name in (*by, *([cluster] if cluster else [])):
        if name not in faces.cells:
            raise ValueError(f"no column {name!r}; choose from {', '.join(faces.cells)}")
    keys = (
        list(zip(*(faces.cells[name] for name in by), strict=True))
        if by
        else [()] * len(faces.scores)
    )
    units = np.unique(faces.cells[cluster], return_inverse=True)[1] if cluster else None
    found = []
    for key in sorted(set(keys)):
        mine = np.array([k == key for k in keys])
        unit = None if units is None else units[mine]
        found.append(_group(key, faces.scores[mine], unit, draws=draws, seed=seed))
    return found


def _group(
    key: tuple[str, ...], scores: Array, unit: NDArray[np.int64] | None, **how: int
) -> Group:
    def statistic(w: Array) -> dict[str, Array]:
        return {name: mean(scores[:, i], w) for i, name in enumerate(SHARES)}

    clusters = len(scores) if unit is None else len(np.unique(unit))
    if clusters < 2:
        low = high = np.full(len(SHARES), np.nan)
    else:
        found = estimate(statistic, len(scores), group=unit, **how)
        low = np.array([found[name].low for name in SHARES])
        high = np.array([found[name].high for name in SHARES])
    named = tuple(value or _MISSING for value in key)
    return Group(named, len(scores), clusters, scores.mean(axis=0), low, high)
