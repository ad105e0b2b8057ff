"""People's votes from files: FER+'s ``fer2013new.csv`` by row, ``votes.csv`` by file name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.data.entries import NO_VOTES, Listing, no_votes
from mien.data.text_table import read_rows
from mien.emotions import BALLOT, VOTE_COLUMNS
from mien.naming import bare, canonical


def merge_votes(listing: Listing, path: Path) -> Listing:
    """The listing with the votes of one file.

    A file with the column ``file`` (and ``votes_neutral`` … ``votes_NF``) is matched by path below
    the source, with or without the same suffix, in any Unicode form and with either slash; rows
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
    if {"file", *VOTE_COLUMNS} <= columns:
        votes, told = _by_name(listing, lines, path)
    elif {"Image name", *BALLOT} <= columns:
        votes = _by_row(listing, lines, path)
    else:
        raise ValueError(
            f"{path}: neither votes.csv (file, {', '.join(VOTE_COLUMNS)}) nor FER+'s "
            f"fer2013new.csv (Image name, {', '.join(BALLOT)})"
        )
    return replace(listing, votes=votes, vote_file=path.name, told=(*listing.told, *told))


def _by_name(
    listing: Listing, lines: list[dict[str, str]], path: Path
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    names = [canonical(name) for name in listing.id]
    row_of = {bare(name): i for i, name in enumerate(names)}
    row_of |= {name: i for i, name in enumerate(names)}
    votes = no_votes(len(listing))
    lost = []
    for number, line in enumerate(lines, start=2):
        name = canonical(line["file"])
        row = row_of.get(name, row_of.get(bare(name)))
        if row is not None:
            votes[row] = _counts([line[column] for column in VOTE_COLUMNS], path, number)
        else:
            lost.append(line["file"])
    if len(lost) == len(lines):
        raise ValueError(
            f"{path}: none of its files is in {listing.root}; it names {lines[0]['file']!r}, the "
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
        _counts([line[option] for option in BALLOT], path, number)
        for number, line in enumerate(lines, start=2)
    ]
    return np.array(votes, np.int64)


def _counts(cells: list[str], path: Path, number: int) -> NDArray[np.int64]:
    if not (cells[0] or "").strip():
        return np.full(len(cells), NO_VOTES)
    counts = np.array(whole_counts(cells, path, number), np.int64)
    return counts if counts.sum() > 0 else np.full(len(cells), NO_VOTES)


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
