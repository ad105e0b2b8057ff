"""FER+ (Barsoum et al. 2016) as its script lays it out: a folder a part, each with ``label.csv``.

    FER2013Train/fer0000002.png    FER2013Train/label.csv, or fer2013new.csv above

A line is ``fer0000002.png,"(0, 0, 48, 48)",5,0,0,3,1,0,0,0,1,0``: ten counts in FER+'s order. The
label is the majority by FER+'s own rule; without one, or where it is unknown or no face, the
picture is left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.data.formats.labelled import Labels, Said
from mien.data.text_table import columns_of, read_rows
from mien.data.tree import Tree, named
from mien.data.words import split_of
from mien.emotions import BALLOT
from mien.measure.votes import majority

PARTS = ("fer2013train", "fer2013valid", "fer2013test")


def find(tree: Tree) -> list[str]:
    """The tables of votes of a tree whose pictures have the names that FER+ gives them."""
    if not any(path.rpartition("/")[2].lower().startswith("fer00") for path in tree.pictures):
        return []
    inside = [
        p
        for p in named(tree.others, "label.csv")
        if p.split("/")[-2:-1] and p.split("/")[-2].lower() in PARTS
    ]
    return inside or list(named(tree.others, "fer2013new.csv"))


def read(tree: Tree, tables: list[str]) -> Labels:
    """Majority labels and the votes themselves."""
    labels = Labels(" and ".join(tables[:3]))
    for table in tables:
        rows = read_rows(tree.root / table)
        head = columns_of(rows[0]) if rows else []
        at, first, start = 0, 2, 0
        if "image name" in head:
            at, first, start = head.index("image name"), head.index("neutral"), 1
        part = split_of(table.split("/")[-2]) if "/" in table else ""
        for row in rows[start:]:
            name = row[at].strip() if len(row) > at else ""
            if name:
                labels.add(
                    tree,
                    name,
                    _said(row[first : first + len(BALLOT)], part),
                    path=tree.find(f"{table.rpartition('/')[0]}/{name}"),
                )
    return labels


def _said(cells: list[str], split: str) -> Said:
    try:
        votes: NDArray[np.int64] = np.array([int(float(cell)) for cell in cells], np.int64)
    except ValueError:
        votes = np.zeros(0, np.int64)
    if len(votes) != len(BALLOT) or votes.min() < 0 or votes.sum() < 1:
        return Said(split=split, why="no votes")
    top = int(majority(votes[None])[0])
    if top < 0:
        return Said(split=split, why="no majority of its votes for an expression", votes=votes)
    return Said(BALLOT[top], split, votes=votes)
