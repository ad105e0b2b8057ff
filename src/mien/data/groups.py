"""Groups of copies that stay in one split, whatever was placed before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SPLIT_NAMES = ("train", "valid", "test")
NOWHERE = -1


class Forest:
    """Disjoint sets of rows (union-find), each with the split it is bound to."""

    def __init__(self, count: int) -> None:
        self.parent = list(range(count))
        self.place = [NOWHERE] * count

    def root(self, row: int) -> int:
        """The row that stands for the set of ``row``."""
        while self.parent[row] != row:
            self.parent[row] = self.parent[self.parent[row]]
            row = self.parent[row]
        return row

    def join(self, rows: list[int], place: int) -> None:
        """Make one set of several rows and bind it to a split, or to none."""
        roots = {self.root(row) for row in rows}
        top = min(roots)
        bound = max([place, *(self.place[r] for r in roots)])
        for other in roots:
            self.parent[other] = top
        self.place[top] = bound

    def conflicts(self, rows: list[int], place: int) -> bool:
        """Whether the sets of ``rows`` and ``place`` are bound to different splits."""
        return len({place, *(self.place[self.root(row)] for row in rows)} - {NOWHERE}) > 1


def group_copies(
    pairs: NDArray[np.int64],
    usable: NDArray[np.bool_],
    pinned: NDArray[np.int64],
    *,
    pixels: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Sets of copies, none of which is bound to two splits.

    Pictures are admitted one by one: first those already placed in test, valid and train, then
    the new ones in order. One whose copies lie in different splits would bridge them and is
    turned away, so what was placed stays where it is.

    Args:
        pairs: (P, 2) rows that are copies of each other.
        usable: (N,) rows that take part.
        pinned: (N,) index into ``SPLIT_NAMES`` where a picture was placed before, -1 if new.
        pixels: (N,) a number for each set of identical pictures; what is a copy of one of them is
            a copy of all, even where that one is turned away. None where all differ.

    Returns:
        ``group`` (N,) the smallest row of each picture's set, -1 where not admitted; ``bridges``
        (N,) the pictures turned away.
    """
    count = len(usable)
    content = list(range(count)) if pixels is None else pixels.tolist()
    copies: dict[int, set[int]] = {}
    for a, b in pairs.tolist():
        copies.setdefault(content[a], set()).add(content[b])
        copies.setdefault(content[b], set()).add(content[a])
    member: dict[int, int] = {}  # an admitted picture of each content
    forest = Forest(count)
    admitted = np.zeros(count, np.bool_)
    bridges = np.zeros(count, np.bool_)
    turn = np.lexsort((np.arange(count), -pinned))
    for row in turn[usable[turn]].tolist():
        alike = {content[row], *copies.get(content[row], ())}
        touching = [member[c] for c in sorted(alike) if c in member]
        place = int(pinned[row])
        if forest.conflicts(touching, place):
            bridges[row] = True
            continue
        forest.join([row, *touching], place)
        admitted[row] = True
        member[content[row]] = row
    group = np.full(count, -1, np.int64)
    for row in np.flatnonzero(admitted).tolist():
        group[row] = forest.root(row)
    return group, bridges


def keep_hardest_split(group: NDArray[np.int64], hint: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which pictures stay when the source's own split is kept: no group may lie in two.

    Where a group does, its pictures in test stay and the others go (valid goes before train), so
    no test picture goes for a copy elsewhere.

    Args:
        group: (N,) set of each picture, -1 outside.
        hint: (N,) index into ``SPLIT_NAMES``.
    """
    last = np.full(int(group.max(initial=-1)) + 1, NOWHERE)
    inside = group >= 0
    np.maximum.at(last, group[inside], hint[inside])
    keep = np.zeros(len(group), np.bool_)
    keep[inside] = hint[inside] == last[group[inside]]
    return keep
