"""Make scores mean what they say: one temperature a head, and how far off they are without it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.measure import folds
from mien.measure.metrics import TINY
from mien.measure.ties import level, runs

Array = NDArray[np.float64]
BINS = 15
LOWEST, HIGHEST = 0.05, 20.0


def sharpen(scores: Array, temperature: float) -> Array:
    """Softmax of the scores' logarithms over a temperature; above 1 flattens, below 1 sharpens.

    The logarithms of probabilities are logits up to a constant a row, so this equals dividing the
    network's own logits.
    """
    logits = np.log(np.maximum(scores, TINY)) / temperature
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def fit_temperature(logits: Array, target: NDArray[np.generic]) -> float:
    """The temperature of least cross-entropy (Guo et al. 2017).

    Args:
        logits: (N, K) logits or log-probabilities, before any temperature.
        target: (N,) class index, or (N, K) shares such as vote shares.

    Returns:
        The temperature to divide the logits by, between 0.05 and 20.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    share = np.eye(logits.shape[1])[target] if target.ndim == 1 else np.asarray(target, np.float64)
    logits = np.asarray(logits, np.float64)

    def loss(log_temperature: float) -> float:
        cold = logits / np.exp(log_temperature)
        return float((logsumexp(cold, axis=1) - (share * cold).sum(axis=1)).mean())

    bounds = (np.log(LOWEST), np.log(HIGHEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def cross_fitted(
    scores: Array,
    target: NDArray[np.generic],
    *,
    group: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> tuple[Array, list[float]]:
    """Scores at a temperature that their own fold did not help to fit, and the five temperatures.

    Args:
        scores: (N, K) probabilities.
        target: (N,) class index or (N, K) shares.
        group: (N,) rows that must share a fold.
        seed: of the fold assignment.
    """
    logits = np.log(np.maximum(scores, TINY))
    fold = folds.grouped(len(scores), group=group, seed=seed)
    return folds.cross_fit(
        lambda rows: fit_temperature(logits[rows], target[rows]),
        lambda temperature, rows: sharpen(scores[rows], temperature),
        fold,
    )


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
