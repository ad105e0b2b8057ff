"""How well seven scores name the label: accuracy and its relatives, as functions of row weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.emotions import EMOTIONS
from mien.measure.bootstrap import Array, Statistic, mean
from mien.measure.ranking import areas

TINY = 1e-12


def confusion(y: NDArray[np.int64], scores: Array) -> NDArray[np.int64]:
    """(7, 7) counts: rows are the label, columns what scored highest."""
    k = len(EMOTIONS)
    return np.bincount(y * k + scores.argmax(axis=1), minlength=k * k).reshape(k, k)


def is_top(y: NDArray[np.int64], scores: Array, *, k: int = 1) -> NDArray[np.bool_]:
    """(N,) whether the label is among the k highest scores; of equals the earlier class wins."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.asarray((order == y[:, None]).any(axis=1))


def classification(y: NDArray[np.int64], scores: Array) -> Statistic:
    """The statistic of one head against known labels.

    Args:
        y: (N,) index into ``EMOTIONS``, all known.
        scores: (N, 7) probabilities.

    Returns:
        Weights (B, N) → ``accuracy``, ``balanced_accuracy``, ``macro_f1``, ``top2``, ``nll``
        (nats), ``roc_auc`` and ``pr_auc`` (one against the rest, mean over classes), and
        ``<emotion>/precision``, ``/recall``, ``/f1``, ``/roc_auc``, ``/pr_auc``. A class that is
        absent from a draw is left out of that draw's means, as in scikit-learn.
    """
    k = len(EMOTIONS)
    cell = np.eye(k * k)[y * k + scores.argmax(axis=1)]
    top2 = is_top(y, scores, k=2)
    nll = -np.log(np.maximum(scores[np.arange(len(y)), y], TINY))

    def statistic(w: Array) -> dict[str, Array]:
        table = (w @ cell).reshape(-1, k, k)
        hit = np.diagonal(table, axis1=1, axis2=2)
        actual, claimed = table.sum(axis=2), table.sum(axis=1)
        recall = _ratio(hit, actual)
        # A class never claimed has precision 0, as scikit-learn's zero_division=0 has it.
        precision = np.where(claimed > 0, _ratio(hit, claimed), np.where(actual > 0, 0, np.nan))
        f1 = _ratio(2 * hit, actual + claimed)
        area = np.array([areas(y == c, scores[:, c], w) for c in range(k)])
        roc, pr = area[:, 0].T, area[:, 1].T
        values = {
            "accuracy": hit.sum(axis=1) / table.sum(axis=(1, 2)),
            "balanced_accuracy": _mean_over_classes(recall),
            "macro_f1": _mean_over_classes(f1),
            "top2": mean(top2, w),
            "nll": mean(nll, w),
            "roc_auc": _mean_over_classes(roc),
            "pr_auc": _mean_over_classes(pr),
        }
        each = {"precision": precision, "recall": recall, "f1": f1, "roc_auc": roc, "pr_auc": pr}
        for c, emotion in enumerate(EMOTIONS):
            values |= {f"{emotion}/{name}": array[:, c] for name, array in each.items()}
        return values

    return statistic


def _ratio(part: Array, whole: Array) -> Array:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)


def _mean_over_classes(values: Array) -> Array:
    there = ~np.isnan(values)
    count = there.sum(axis=1)
    total = np.where(there, values, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
