"""People's votes from files: FER+'s ``fer2013new.csv`` by row, ``votes.csv`` by file name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.data.entries import NO_VOTES, Listing, no_votes
from mien.data.text_table import read_rows
from mien.emotions import (
    BALLOT,
    BALLOT_INDEX,
    CONTEMPT,
    NOT_A_FACE,
    UNKNOWN,
    VOTE_COLUMNS,
    parse,
)  # fmt: skip
from mien.naming import bare, canonical

FEWEST = 2
"""Options that a table needs to be one of votes."""
FILE_COLUMNS = (
    "file", "filename", "file_name", "image", "image_name", "img", "path", "filepath", "file_path",
    "image_path", "img_path", "pth", "subdirectory_filepath", "image_id", "id", "name", "파일",
)  # fmt: skip
"""What tables call the column that names the picture."""
_PREFIX = re.compile(r"^(votes?|counts?|n|num)[\s_.:-]+", re.IGNORECASE)
_SUFFIX = re.compile(r"[\s_.:-]+(votes?|counts?)$", re.IGNORECASE)
_OPTIONS = {option.lower(): at for at, option in enumerate(BALLOT)} | {
    "not a face": NOT_A_FACE, "no face": NOT_A_FACE, "non-face": NOT_A_FACE, "noface": NOT_A_FACE,
    "unclear": UNKNOWN, "unsure": UNKNOWN, "don't know": UNKNOWN, "경멸": CONTEMPT, "모름": UNKNOWN,
}  # fmt: skip


def ballot_columns(head: Sequence[str]) -> dict[str, int]:
    """Columns of a table that count votes → the option of ``BALLOT`` that each is."""
    found: dict[str, int] = {}
    for name in head:
        word = _SUFFIX.sub("", _PREFIX.sub("", name.strip())).lower()
        emotion = parse(word)
        at = BALLOT_INDEX[emotion.position] if emotion else _OPTIONS.get(word)
        if at is not None and at not in found.values():
            found[name] = at
    return found


def file_column(head: Sequence[str]) -> str:
    """The column of a table that names the picture, "" without one."""
    lower = {name.strip().lower(): name for name in reversed(head)}
    return next((lower[name] for name in FILE_COLUMNS if name in lower), "")


def counts_of(
    line: Mapping[str, str], options: Mapping[str, int], path: Path, number: int
) -> NDArray[np.int64]:
    """(10,) the votes of one line; -1 where nobody voted. Options without a column have none.

    Raises:
        ValueError: a cell is no whole number; the message names file and line.
    """
    cells = [line[name] for name in options]
    if not any(cell.strip() for cell in cells):
        return np.full(len(BALLOT), NO_VOTES)
    votes = np.zeros(len(BALLOT), np.int64)
    votes[list(options.values())] = whole_counts(cells, path, number)
    return votes if votes.sum() > 0 else np.full(len(BALLOT), NO_VOTES)


def merge_votes(listing: Listing, path: Path) -> Listing:
    """The listing with the votes of one file.

    A file with a column for the picture (``file``) and one for each option that people could choose
    (``votes_neutral`` … ``votes_NF``, or other names of emotions) is matched by path below the
    source, with or without the same suffix, in any Unicode form and with either slash; rows
    that match no picture are counted in ``told``. FER+'s file has no names that image folders keep,
    so it is matched by row number, onto a pixel CSV of as many rows alone.

    Raises:
        ValueError: the columns are neither, the row counts differ, or no row matches.
        FileNotFoundError: no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such votes file; give --votes a CSV")
    head, *rows = read_rows(path) or [[]]
    head = [name.strip() for name in head]
    lines = [dict(zip(head, [*row, *[""] * (len(head) - len(row))], strict=False)) for row in rows]
    columns = set(head) if lines else set()
    told: tuple[str, ...] = ()
    options, key = ballot_columns(head), file_column(head)
    if {"Image name", *BALLOT} <= columns:
        votes = _by_row(listing, lines, path)
    elif lines and key and len(options) >= FEWEST:
        votes, told = _by_name(listing, lines, path, key, options)
    else:
        raise ValueError(
            f"{path}: neither votes.csv (file, {', '.join(VOTE_COLUMNS)}) nor FER+'s "
            f"fer2013new.csv (Image name, {', '.join(BALLOT)})"
        )
    return replace(listing, votes=votes, vote_file=path.name, told=(*listing.told, *told))


def _by_name(
    listing: Listing,
    lines: list[dict[str, str]],
    path: Path,
    key: str,
    options: Mapping[str, int],
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    names = [canonical(name) for name in listing.id]
    row_of = {bare(name): i for i, name in enumerate(names)}
    row_of |= {name: i for i, name in enumerate(names)}
    votes = no_votes(len(listing))
    lost = []
    for number, line in enumerate(lines, start=2):
        name = canonical(line[key])
        row = row_of.get(name, row_of.get(bare(name)))
        if row is not None:
            votes[row] = counts_of(line, options, path, number)
        else:
            lost.append(line[key])
    if len(lost) == len(lines):
        raise ValueError(
            f"{path}: none of its files is in {listing.root}; it names {lines[0][key]!r}, the "
            f"source has {listing.id[0]!r}: write the column file as there, or move the table away"
        )
    if not lost:
        return votes, ()
    return votes, (
        f"{path}: {len(lost):,} of its {len(lines):,} rows match no picture, such as {lost[0]!r}",
    )


def _by_row(listing: Listing, lines: list[dict[str, str]], path: Path) -> NDArray[np.int64]:
    if listing.start is None:
        raise ValueError(
            f"{path}: FER+ counts the rows of fer2013.csv, so it cannot be matched to a folder; "
            "prepare fer2013.csv itself, or give a votes.csv with a column file"
        )
    if len(lines) != len(listing):
        raise ValueError(
            f"{path}: {len(lines)} rows, but {listing.root.name} has {len(listing)}; "
            "FER+ goes with the complete fer2013.csv or icml_face_data.csv"
        )
    votes = [
        counts_of(line, {option: at for at, option in enumerate(BALLOT)}, path, number)
        for number, line in enumerate(lines, start=2)
    ]
    return np.array(votes, np.int64)


def whole_counts(cells: list[str], path: Path, number: int) -> list[int]:
    """How many people chose each option.

    Raises:
        ValueError: a cell is no whole number; the message names file and line.
    """
    try:
        counts = [float(cell) for cell in cells]
    except (TypeError, ValueError):
        counts = [-1.0]
    if any(not count.is_integer() or count < 0 for count in counts):
        raise ValueError(
            f"{path}: line {number}: {', '.join(map(str, cells))} are not counts of votes; give "
            "whole numbers, not shares"
        )
    return [int(count) for count in counts]
