"""Copies of one picture: exact by pixel hash, near by search and aligned correlation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.data.correlate import best_correlation
from mien.data.neighbours import NEAREST, Rows, describe, search

LIKENESS = 0.65
"""Dot product of descriptors from which a pair is worth aligning."""
CORRELATION = 0.92
"""Aligned correlation from which two pictures are copies; by eye, 39 of 40 pairs of FER-2013
between 0.90 and 0.93 show one photo, and about 10 in 40 below that do not."""
PAIRS_AT_A_TIME = 2048


@dataclass(frozen=True)
class Copies:
    """Verified pairs of copies, ``pairs`` (P, 2) rows with the smaller first, sorted.

    ``correlation`` (P,) 1.0 for identical pixels; ``mirrored`` (P,) where the left-right mirror
    image is the copy.
    """

    pairs: NDArray[np.int64]
    correlation: NDArray[np.float64]
    mirrored: NDArray[np.bool_]


def exact_copies(sha256: NDArray[np.bytes_], usable: NDArray[np.bool_]) -> Copies:
    """Pairs that join every usable picture to the first with the same pixels."""
    first: dict[bytes, int] = {}
    pairs = [
        (first[digest], row)
        for row, digest in enumerate(sha256.tolist())
        if usable[row] and first.setdefault(digest, row) != row
    ]
    table = np.array(sorted(pairs), np.int64).reshape(-1, 2)
    return Copies(table, np.ones(len(table)), np.zeros(len(table), np.bool_))


def near_copies(
    rows: Rows, candidates: NDArray[np.int64], *, correlation: float = CORRELATION
) -> Copies:
    """Pairs that show one picture up to encoding, brightness, mirroring and ± 3 pixels of shift.

    Descriptors that ignore shifts propose, the aligned correlation of the pixels decides.

    Args:
        rows: fetches (n, H, W) pictures.
        candidates: (M,) rows to compare, one of each set of identical pictures.
        correlation: least best correlation over the shifts.
    """
    if len(candidates) < 2:
        return Copies(np.zeros((0, 2), np.int64), np.zeros(0), np.zeros(0, np.bool_))
    plain, mirrored = describe(lambda index: rows(candidates[index]), len(candidates))
    found: list[Copies] = []
    asking, group = np.arange(len(candidates)), np.arange(len(candidates))
    while len(asking):
        new = []
        for flip, queries in ((False, plain), (True, mirrored)):
            query, neighbour = search(plain, queries, above=LIKENESS, asking=asking, group=group)
            pairs = np.unique(np.sort(np.stack([query, neighbour], 1), axis=1), axis=0)
            score = np.concatenate(
                [np.zeros(0)]
                + [
                    _align(rows, candidates[pairs[i : i + PAIRS_AT_A_TIME]], flip)
                    for i in range(0, len(pairs), PAIRS_AT_A_TIME)
                ]
            )
            kept = score >= correlation
            new.append(Copies(pairs[kept], score[kept], np.full(kept.sum(), flip)))
        found += new
        asking, group = _crowded(found, len(candidates), np.concatenate([c.pairs for c in new]))
    pairs = candidates[np.concatenate([copies.pairs for copies in found])]
    score = np.concatenate([copies.correlation for copies in found])
    flipped = np.concatenate([copies.mirrored for copies in found])
    order = np.lexsort((-score, pairs[:, 1], pairs[:, 0]))
    pairs, score, flipped = pairs[order], score[order], flipped[order]
    # A symmetric face is found both ways: keep the better one.
    first = np.ones(len(pairs), np.bool_)
    first[1:] = (pairs[1:] != pairs[:-1]).any(1)
    return Copies(pairs[first], np.round(score[first], 4), flipped[first])


def _crowded(
    found: list[Copies], count: int, new: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to ask again, of groups that grew, and the group of each row.

    A picture whose nearest are all copies may have more of them beyond: two crops of one photo,
    each many times in the set, would never meet.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = np.concatenate([copies.pairs for copies in found])
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    group = np.asarray(connected_components(links, directed=False)[1], np.int64)
    partners = np.bincount(np.unique(pairs, axis=0).ravel(), minlength=count)
    grew = np.zeros(count, np.bool_)
    grew[group[new]] = True
    crowded = np.zeros(count, np.bool_)
    crowded[group[partners >= NEAREST]] = True
    return np.flatnonzero((grew & crowded)[group]), group


def _align(rows: Rows, pairs: NDArray[np.int64], flip: bool) -> NDArray[np.float64]:
    a, b = rows(pairs[:, 0]), rows(pairs[:, 1])
    return best_correlation(a, b[:, :, ::-1] if flip else b)


def find_copies(
    rows: Rows,
    sha256: NDArray[np.bytes_],
    usable: NDArray[np.bool_],
    *,
    correlation: float = CORRELATION,
) -> Copies:
    """Exact and near copies among the usable pictures; ``correlation`` above 1 skips the near."""
    exact = exact_copies(sha256, usable)
    if correlation > 1:
        return exact
    repeated = np.zeros(len(sha256), np.bool_)
    repeated[exact.pairs[:, 1]] = True
    near = near_copies(rows, np.flatnonzero(usable & ~repeated), correlation=correlation)
    pairs = np.concatenate([exact.pairs, near.pairs])
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return Copies(
        pairs[order],
        np.concatenate([exact.correlation, near.correlation])[order],
        np.concatenate([exact.mirrored, near.mirrored])[order],
    )
