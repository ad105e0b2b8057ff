"""Equal scores rank equal: what is sorted by score must not depend on how the rows were sorted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
CLOSE = 1e-12
"""Scores this near are equal: a softmax leaves the last bits to the order of its sum."""


def runs(ranked: Array) -> NDArray[np.int64]:
    """Where each run of equal scores starts; ``ranked`` (N,) is sorted."""
    return np.flatnonzero(np.append(True, np.abs(np.diff(ranked)) > CLOSE))


def level(values: Array, start: NDArray[np.int64]) -> Array:
    """The values with each run's mean in the place of its members.

    Args:
        values: (N,) or (B, N), in the order of the scores.
        start: from ``runs``.
    """
    n = values.shape[-1]
    size = np.diff(np.append(start, n))
    tied = np.flatnonzero(size > 1)
    if not len(tied):
        return values
    # Rows between two ties are each a run of one, so that only tied columns are summed and written.
    rows = np.flatnonzero(np.repeat(size > 1, size))
    size = size[tied]
    inside = values[..., rows]
    sums = np.add.reduceat(inside, np.append(0, np.cumsum(size)[:-1]), axis=-1)
    levelled = values.copy()
    levelled[..., rows] = np.repeat(sums / size, size, axis=-1)
    return levelled
