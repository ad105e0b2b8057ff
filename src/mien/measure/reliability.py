"""How far scores are from what they say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.measure.ties import level, runs

Array = NDArray[np.float64]
BINS = 15


@dataclass(frozen=True)
class Bins:
    """Equal-mass bins of M rows each: mean prediction, mean outcome, number of rows; (bins,)."""

    predicted: Array
    observed: Array
    n: NDArray[np.int64]

    @property
    def error(self) -> float:
        """Mean distance between predicted and observed, weighted by the rows in each bin."""
        return float((np.abs(self.predicted - self.observed) * self.n).sum() / self.n.sum())


def equal_mass(predicted: Array, observed: NDArray[np.generic], *, bins: int = BINS) -> Bins:
    """Sort by prediction and cut into bins of as equal a size as can be (fewer for few rows).

    Where a cut falls among equal predictions, each side has their mean outcome.
    """
    order = np.argsort(predicted, kind="stable")
    start = _starts(len(order), bins)
    n = np.diff(np.append(start, len(order)))
    outcome = level(np.asarray(observed, np.float64)[order], runs(predicted[order]))
    return Bins(
        predicted=np.add.reduceat(predicted[order], start) / n,
        observed=np.add.reduceat(outcome, start) / n,
        n=n,
    )


def reliability(y: NDArray[np.int64], scores: Array, *, bins: int = BINS) -> Bins:
    """Confidence of the top score against how often it is right; its ``error`` is the ECE."""
    return equal_mass(scores.max(axis=1), scores.argmax(axis=1) == y, bins=bins)


def ece(y: NDArray[np.int64], scores: Array, *, bins: int = BINS) -> float:
    """Expected calibration error of the top score over equal-mass bins."""
    return reliability(y, scores, bins=bins).error


def ece_if_perfect(
    scores: Array, *, bins: int = BINS, draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """The 95 % range of ECE that a perfectly calibrated model would show on these confidences.

    A parametric bootstrap: each picture is right with exactly its stated confidence. With few
    pictures even perfection does not measure zero.
    """
    confidence = np.sort(scores.max(axis=1))
    start = _starts(len(confidence), bins)
    n = np.diff(np.append(start, len(confidence)))
    predicted = np.add.reduceat(confidence, start)
    ties = runs(confidence)
    rng = np.random.default_rng(seed)

    def error() -> float:
        right = level((rng.random(len(confidence)) < confidence).astype(np.float64), ties)
        return float(np.abs(np.add.reduceat(right, start) - predicted).sum() / n.sum())

    errors = [error() for _ in range(draws)]
    low, high = np.quantile(errors, [0.025, 0.975])
    return float(low), float(high)


def classwise_error(target: Array, scores: Array, *, bins: int = BINS) -> float:
    """Weighted mean over classes and bins of |mean predicted share - mean vote share|.

    Args:
        target: (N, K) vote shares.
        scores: (N, K) predicted shares.
        bins: equal-mass bins a class.
    """
    classes = range(scores.shape[1])
    return float(
        np.mean([equal_mass(scores[:, c], target[:, c], bins=bins).error for c in classes])
    )


def _starts(n: int, bins: int) -> NDArray[np.int64]:
    return np.unique(np.arange(bins) * n // bins)
