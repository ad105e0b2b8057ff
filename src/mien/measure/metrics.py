"""How well seven scores name the label: accuracy and its relatives, as functions of row weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.emotions import EMOTIONS
from mien.measure.bootstrap import Array, Statistic, mean
from mien.measure.ranking import areas

TINY = 1e-12


@dataclass(frozen=True)
class Metric:
    """All that is known of a metric: evaluation, tables, comparison and report read this alone.

    ``key`` names it in files, ``title`` in tables. ``of`` computes it of counted draws (``Answers``
    or ``votes.Agreement``): (B,), or (B, 7) for a metric of each emotion. ``percent`` is how it is
    shown. ``needs_scores``: it means nothing of a system that only names an emotion. ``unbounded``:
    a missing value stands for infinity, not for want of data.
    """

    key: str
    title: str
    of: Callable[[Any], Array]
    percent: bool = False
    higher_is_better: bool = True
    needs_scores: bool = False
    unbounded: bool = False


class Answers:
    """Scores (N, 7) of one head against labels (N,) under row weights (B, N).

    Counts are made when a metric first asks for them. Arrays of classes are (B, 7), NaN where a
    draw holds nothing of a class.
    """

    def __init__(self, y: NDArray[np.int64], scores: Array, w: Array) -> None:
        self.y, self.scores, self.w = y, scores, w

    @cached_property
    def confusion(self) -> Array:
        """(B, 7, 7) weights: rows are the label, columns what scored highest."""
        k = len(EMOTIONS)
        cell = np.eye(k * k)[self.y * k + self.scores.argmax(axis=1)]
        return np.asarray((self.w @ cell).reshape(-1, k, k))

    @property
    def hit(self) -> Array:
        """(B, 7) weight of the right answers of each class."""
        return np.diagonal(self.confusion, axis1=1, axis2=2)

    @property
    def actual(self) -> Array:
        """(B, 7) weight of each label."""
        return np.asarray(self.confusion.sum(axis=2))

    @property
    def claimed(self) -> Array:
        """(B, 7) weight of each answer."""
        return np.asarray(self.confusion.sum(axis=1))

    @property
    def recall(self) -> Array:
        """(B, 7)."""
        return _ratio(self.hit, self.actual)

    @property
    def precision(self) -> Array:
        """(B, 7); of a class never claimed 0, as scikit-learn's zero_division=0 has it."""
        never = np.where(self.actual > 0, 0, np.nan)
        return np.where(self.claimed > 0, _ratio(self.hit, self.claimed), never)

    @property
    def f1(self) -> Array:
        """(B, 7)."""
        return _ratio(2 * self.hit, self.actual + self.claimed)

    @cached_property
    def areas(self) -> Array:
        """(7, 2, B): under ROC and precision-recall curves, each class against the rest."""
        each = range(len(EMOTIONS))
        return np.array([areas(self.y == c, self.scores[:, c], self.w) for c in each])


LABEL_METRICS = (
    Metric(
        "accuracy", "Accuracy", percent=True,
        of=lambda a: a.hit.sum(axis=1) / a.confusion.sum(axis=(1, 2)),
    ),
    Metric(
        "balanced_accuracy", "Balanced accuracy", percent=True,
        of=lambda a: _mean_over_classes(a.recall),
    ),
    Metric("macro_f1", "Macro F1", percent=True, of=lambda a: _mean_over_classes(a.f1)),
    Metric(
        "top2", "Top-2 accuracy", percent=True, needs_scores=True,
        of=lambda a: mean(is_top(a.y, a.scores, k=2), a.w),
    ),
    Metric(
        "roc_auc", "ROC AUC, one against the rest", needs_scores=True,
        of=lambda a: _mean_over_classes(a.areas[:, 0].T),
    ),
    Metric(
        "pr_auc", "PR AUC, average precision", needs_scores=True,
        of=lambda a: _mean_over_classes(a.areas[:, 1].T),
    ),
    Metric(
        "nll", "NLL (nats)", higher_is_better=False, needs_scores=True,
        of=lambda a: mean(nll(a.y, a.scores), a.w),
    ),
)  # fmt: skip
"""Of one head against labels, in the order of the tables."""

CLASS_METRICS = (
    Metric("precision", "Precision", percent=True, of=lambda a: a.precision),
    Metric("recall", "Recall", percent=True, of=lambda a: a.recall),
    Metric("f1", "F1", percent=True, of=lambda a: a.f1),
    Metric("roc_auc", "ROC AUC", needs_scores=True, of=lambda a: a.areas[:, 0].T),
    Metric("pr_auc", "PR AUC", needs_scores=True, of=lambda a: a.areas[:, 1].T),
)
"""Of each emotion: ``of`` gives (B, 7)."""


def confusion(y: NDArray[np.int64], scores: Array) -> NDArray[np.int64]:
    """(7, 7) counts: rows are the label, columns what scored highest."""
    k = len(EMOTIONS)
    return np.bincount(y * k + scores.argmax(axis=1), minlength=k * k).reshape(k, k)


def is_top(y: NDArray[np.int64], scores: Array, *, k: int = 1) -> NDArray[np.bool_]:
    """(N,) whether the label is among the k highest scores; of equals the earlier class wins."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.asarray((order == y[:, None]).any(axis=1))


def nll(y: NDArray[np.int64], scores: Array) -> Array:
    """(N,) nats, the negative logarithm of the label's score, held above 1e-12."""
    return np.asarray(-np.log(np.maximum(scores[np.arange(len(y)), y], TINY)))


def classification(y: NDArray[np.int64], scores: Array) -> Statistic:
    """The statistic of one head against known labels.

    Args:
        y: (N,) index into ``EMOTIONS``, all known.
        scores: (N, 7) probabilities.

    Returns:
        Weights (B, N) → each of ``LABEL_METRICS`` by its key, and of ``CLASS_METRICS`` as
        ``<emotion>/<key>``. A class that is absent from a draw is left out of that draw's means, as
        in scikit-learn.
    """

    def statistic(w: Array) -> dict[str, Array]:
        answers = Answers(y, scores, w)
        values = {metric.key: metric.of(answers) for metric in LABEL_METRICS}
        each = {metric.key: metric.of(answers) for metric in CLASS_METRICS}
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
