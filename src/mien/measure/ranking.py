"""ROC and precision-recall curves of one score, and their areas for many row weightings at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def curves(positive: NDArray[np.bool_], score: Array) -> tuple[Array, Array, Array]:
    """False positive rate, recall and precision at each distinct threshold, strictest first."""
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    threshold = np.append(ranked[1:] != ranked[:-1], True)
    tp = np.cumsum(positive[order])[threshold]
    above = (np.flatnonzero(threshold) + 1).astype(np.float64)
    negatives = max(len(score) - int(tp[-1]), 1)
    return (above - tp) / negatives, tp / max(int(tp[-1]), 1), tp / above


def areas(positive: NDArray[np.bool_], score: Array, weights: Array) -> tuple[Array, Array]:
    """ROC AUC and average precision of one score, equal scores taken together.

    Args:
        positive: (N,) which rows belong to the class.
        score: (N,) higher means more of the class.
        weights: (B, N) row weights.

    Returns:
        Two (B,) arrays, NaN where a weighting leaves no positive or (for ROC) no negative. They
        equal scikit-learn's ``roc_auc_score`` and ``average_precision_score``.
    """
    order = np.argsort(-score, kind="stable")
    ranked, rows = score[order], np.flatnonzero(positive[order])
    # Both areas are sums over the positives, so only their columns are looked at. Each shares the
    # fate of its equals: it counts what stands before their run and at the end of it.
    start = np.searchsorted(-ranked, -ranked[rows], side="left")
    end = np.searchsorted(-ranked, -ranked[rows], side="right")
    w = weights[:, order]
    above = np.pad(np.cumsum(w, axis=1), ((0, 0), (1, 0)))
    own = w[:, rows]
    tp = np.pad(np.cumsum(own, axis=1), ((0, 0), (1, 0)))
    tp_start = tp[:, np.searchsorted(rows, start)]
    tp_end = tp[:, np.searchsorted(rows, end)]
    above_start, above_end = above[:, start], above[:, end]
    positives = tp[:, -1]
    negatives = above[:, -1] - positives

    false = (above_start - tp_start + above_end - tp_end) / 2
    roc = (own * (negatives[:, None] - false)).sum(axis=1)
    average_precision = (own * tp_end / np.maximum(above_end, 1e-12)).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (
            np.where(positives * negatives > 0, roc / (positives * negatives), np.nan),
            np.where(positives > 0, average_precision / positives, np.nan),
        )
