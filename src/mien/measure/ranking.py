"""Areas under the ROC and precision-recall curves, for many row weightings at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


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
    ranked = score[order]
    last_of_ties = np.append(ranked[1:] != ranked[:-1], True)
    w = weights[:, order]
    tp = np.cumsum(w * positive[order], axis=1)[:, last_of_ties]
    above = np.cumsum(w, axis=1)[:, last_of_ties]
    positives, total = tp[:, -1], above[:, -1]
    negatives = total - positives

    fp = above - tp
    zero = np.zeros((len(w), 1))
    step_fp = np.diff(fp, axis=1, prepend=zero)
    step_tp = np.diff(tp, axis=1, prepend=zero)
    roc = (step_fp * (tp - step_tp / 2)).sum(axis=1)
    precision = tp / np.where(above > 0, above, 1)
    average_precision = (step_tp * precision).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (
            np.where(positives * negatives > 0, roc / (positives * negatives), np.nan),
            np.where(positives > 0, average_precision / positives, np.nan),
        )
