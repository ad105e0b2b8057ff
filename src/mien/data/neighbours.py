"""Near neighbours among many pictures: shift- and mirror-tolerant descriptors, cells, a search."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Rows = Callable[[NDArray[np.int64]], NDArray[np.uint8]]
"""Fetches the pictures (n, H, W) of the given rows; lets the pictures stay on disk."""

FREQUENCIES = 7  # cycles across the picture; finer ones change too much under re-encoding
DIMENSIONS = 64
SAMPLE = 5000
QUERIES_AT_A_TIME = 4096
NEAREST = 6
"""Neighbours kept of one query."""
POINTS_A_CELL = 256
PROBES = 8


def _magnitudes(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, 15, 8) root amplitudes of the low spatial frequencies under a Hann window.

    Amplitudes do not change when the content shifts, and a mirrored picture has the same ones with
    the vertical axis reversed. Scaled to unit length, so brightness and contrast drop out.
    """
    height, width = images.shape[1:]
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1]).astype(np.float32)
    x = images.astype(np.float32)
    x = (x - (x * window).sum((1, 2), keepdims=True) / window.sum()) * window
    spectrum = np.abs(np.fft.rfft2(x)).astype(np.float32)
    f = FREQUENCIES
    low = np.sqrt(np.concatenate([spectrum[:, -f:, : f + 1], spectrum[:, : f + 1, : f + 1]], 1))
    scale = np.maximum(np.linalg.norm(low, axis=(1, 2), keepdims=True), 1e-6)
    return np.asarray(low / scale, np.float32)


def describe(rows: Rows, count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Descriptors of ``count`` pictures and of their mirror images.

    Returns:
        Two (count, 64) arrays of unit vectors (all zero for a constant picture); pictures that
        differ by a few pixels' shift, brightness or encoding have a dot product near 1.
    """
    spread = np.linspace(0, count - 1, min(SAMPLE, count)).astype(np.int64)
    sample = np.concatenate([_magnitudes(rows(part)) for part in _parts(spread)])
    sample = np.concatenate([sample, sample[:, ::-1]]).reshape(2 * len(sample), -1)
    centre, scale = sample.mean(0), sample.std(0) + 1e-6
    values, axes = np.linalg.eigh(np.cov((sample - centre).T / scale[:, None], dtype=np.float64))
    basis = (axes[:, np.argsort(-values, kind="stable")[:DIMENSIONS]] / scale[:, None]).astype(
        np.float32
    )
    plain = np.empty((count, basis.shape[1]), np.float32)
    mirrored = np.empty_like(plain)
    for part in _parts(np.arange(count)):
        low = _magnitudes(rows(part))
        for out, grid in ((plain, low), (mirrored, low[:, ::-1])):
            projected = (grid.reshape(len(part), -1) - centre) @ basis
            out[part] = projected / np.maximum(
                np.linalg.norm(projected, axis=1, keepdims=True), 1e-9
            )
    return plain, mirrored


def _parts(index: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [index[i : i + QUERIES_AT_A_TIME] for i in range(0, len(index), QUERIES_AT_A_TIME)]


def search(
    base: NDArray[np.float32],
    queries: NDArray[np.float32],
    *,
    above: float,
    asking: NDArray[np.int64] | None = None,
    group: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs (query, base) whose dot product exceeds ``above``, the ``NEAREST`` of a query.

    An inverted file: every vector belongs to the nearest of N / 256 centres, and a query looks
    into the 8 cells nearest to it, so the work grows far slower than the square of N. Row i of
    ``queries`` is row i of ``base`` or its mirror image, and never finds itself.

    Args:
        base: (N, D) unit vectors.
        queries: (N, D) unit vectors.
        above: smallest dot product of a pair.
        asking: (Q,) rows of the queries that ask, all unless given.
        group: (N,) rows of one's own group are no neighbours; each is alone unless given.

    Returns:
        Rows of the queries and of their neighbours, sorted.
    """
    count = len(base)
    asking = np.arange(count) if asking is None else asking
    group = np.arange(count) if group is None else group
    cells = max(1, count // POINTS_A_CELL)
    centres = base[np.linspace(0, count - 1, cells).astype(np.int64)]
    home = np.concatenate([np.argmax(base[p] @ centres.T, 1) for p in _parts(np.arange(count))])
    order = np.argsort(home, kind="stable")
    edges = np.searchsorted(home[order], np.arange(cells + 1))
    probes = min(PROBES, cells)
    near = np.concatenate(
        [
            # a copy: a view of the first columns would keep all of them
            np.argpartition(-(queries[p] @ centres.T), probes - 1, axis=1)[:, :probes].copy()
            for p in _parts(asking)
        ]
    )
    by_cell = np.argsort(near.ravel(), kind="stable")
    bounds = np.searchsorted(near.ravel()[by_cell], np.arange(cells + 1))
    by_cell = by_cell // probes
    found = _Nearest(len(asking))
    for cell in range(cells):
        members = order[edges[cell] : edges[cell + 1]]
        places = by_cell[bounds[cell] : bounds[cell + 1]]
        for some in _parts(members):
            for part in _parts(places):
                likeness = queries[asking[part]] @ base[some].T
                likeness[group[asking[part]][:, None] == group[some]] = -np.inf
                found.offer(part, some, likeness, above)
    query, place = np.nonzero(found.likeness > above)
    return asking[query], found.neighbour[query, place].astype(np.int64)


class _Nearest:
    """The nearest few of every query so far, so that memory does not grow with the candidates."""

    def __init__(self, count: int) -> None:
        self.likeness = np.full((count, NEAREST), -np.inf, np.float32)
        self.neighbour = np.full((count, NEAREST), -1, np.int32)

    def offer(
        self,
        asking: NDArray[np.int64],
        members: NDArray[np.int64],
        likeness: NDArray[np.float32],
        above: float,
    ) -> None:
        """Take the best of (A, M) dot products of the queries ``asking`` with ``members``."""
        rows = np.flatnonzero(likeness.max(1) > above)
        if not len(rows):
            return
        likeness, asking = likeness[rows], asking[rows]
        best = np.argsort(-likeness, axis=1, kind="stable")[:, :NEAREST]
        score = np.hstack([self.likeness[asking], np.take_along_axis(likeness, best, 1)])
        who = np.hstack([self.neighbour[asking], members[best].astype(np.int32)])
        first = np.lexsort((who, -score), axis=1)[:, :NEAREST]
        self.likeness[asking] = np.take_along_axis(score, first, 1)
        self.neighbour[asking] = np.take_along_axis(who, first, 1)
