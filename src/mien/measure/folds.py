"""Cross-fitting: nothing is fitted on the rows it is scored on, nor on their copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

FOLDS = 5
Fitted = TypeVar("Fitted")


def grouped(
    n: int, *, group: NDArray[np.int64] | None = None, folds: int = FOLDS, seed: int = 0
) -> NDArray[np.int64]:
    """(N,) a fold number for each row; rows of one group share theirs."""
    unit = np.arange(n) if group is None else np.unique(group, return_inverse=True)[1]
    units = int(unit.max()) + 1
    return np.random.default_rng(seed).permutation(np.arange(units) % folds)[unit]


def cross_fit(
    fit: Callable[[NDArray[np.bool_]], Fitted],
    apply: Callable[[Fitted, NDArray[np.bool_]], NDArray[np.float64]],
    fold: NDArray[np.int64],
) -> tuple[NDArray[np.float64], list[Fitted]]:
    """Fit on all folds but one, apply to that one, in turn.

    Args:
        fit: rows (N,) to learn from → what was learnt.
        apply: what was learnt, rows (N,) to score → their scores.
        fold: (N,) fold numbers.

    Returns:
        Every row's scores from the fit that did not see it, and the fit of each fold.
    """
    scores: NDArray[np.float64] | None = None
    fits: list[Fitted] = []
    for number in np.unique(fold):
        held_out = fold == number
        fits.append(fit(~held_out))
        part = apply(fits[-1], held_out)
        if scores is None:
            scores = np.empty((len(fold), *part.shape[1:]))
        scores[held_out] = part
    if scores is None:
        raise ValueError("nothing to fit: no rows")
    return scores, fits
