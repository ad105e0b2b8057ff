"""How well a ballot foretells people's votes, and the equivalent number of annotators."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.emotions import UNKNOWN
from mien.measure.bootstrap import Array, Statistic, mean
from mien.measure.metrics import TINY, Metric

NAMED = UNKNOWN
"""The first eight options of a ballot name an expression; unknown and NF follow."""


def shares(counts: NDArray[np.int64]) -> Array:
    """(N, 10) vote counts as shares of each picture's votes."""
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def majority(counts: NDArray[np.int64], *, strict: bool = False) -> NDArray[np.int64]:
    """The expression that most people saw, by FER+'s published rule (Barsoum et al. 2016).

    Votes of one are dropped; the top option counts if it has more than half of what is left and is
    neither unknown nor NF. ``strict`` asks for more than half of all votes instead.

    Returns:
        (N,) index into ``BALLOT`` (0 to 7), or -1 where there is no majority.
    """
    kept = counts if strict else np.where(counts > 1, counts, 0)
    top = kept.argmax(axis=1)
    clear = 2 * kept.max(axis=1) > kept.sum(axis=1)
    return np.where(clear & (top < NAMED), top, -1)


def cross_entropy(target: Array, ballot: Array) -> Array:
    """(N,) nats; scores are held above 1e-12 so that a flat refusal stays finite."""
    return np.asarray(-(target * np.log(np.maximum(ballot, TINY))).sum(axis=1))


def js_divergence(target: Array, ballot: Array) -> Array:
    """(N,) Jensen-Shannon divergence in nats, 0 (equal) to log 2 (disjoint)."""
    middle = (target + ballot) / 2

    def relative_entropy(p: Array) -> Array:
        terms = np.where(p > 0, p * np.log(np.maximum(p, TINY) / np.maximum(middle, TINY)), 0)
        return np.asarray(terms.sum(axis=1))

    return (relative_entropy(target) + relative_entropy(ballot)) / 2


def annotator_terms(counts: NDArray[np.int64], ballot: Array) -> tuple[Array, Array]:
    """What ``worth_annotators`` averages, one pair a picture.

    Returns:
        ``spread`` (N,): unbiased estimate of one annotator's squared distance from everybody's
        opinion; ``error`` (N,): unbiased estimate of the ballot's.
    """
    n = counts.sum(axis=1)
    x = shares(counts)
    spread = (x * (1 - x)).sum(axis=1) * n / (n - 1)
    error = ((ballot - x) ** 2).sum(axis=1) - spread / n
    return spread, error


def worth_annotators(counts: NDArray[np.int64], ballot: Array) -> float:
    """How many people one would have to ask for as good an estimate of everybody's opinion.

    The mean of k annotators misses the opinion of all by (mean spread) / k in squared distance;
    the k at which that equals the ballot's own error is the figure. The votes' own noise is taken
    out of both, so it is unbiased in the number of votes.

    Args:
        counts: (N, 10) at least two votes a picture.
        ballot: (N, 10) scores that sum to 1.

    Returns:
        The number of annotators; infinite where the error is not above the votes' noise.
    """
    spread, error = annotator_terms(counts, ballot)
    return float(_worth(spread.mean()[None], error.mean()[None])[0])


class Agreement:
    """Ballots (N, 10) against vote counts (N, 10), two or more a picture, under weights (B, N)."""

    def __init__(self, counts: NDArray[np.int64], ballot: Array, w: Array) -> None:
        self.counts, self.ballot, self.w = counts, ballot, w
        self.shares = shares(counts)

    def worth(self) -> Array:
        """(B,) as ``worth_annotators``."""
        spread, error = annotator_terms(self.counts, self.ballot)
        return _worth(mean(spread, self.w), mean(error, self.w))

    def accuracy(self, *, strict: bool) -> Array:
        """(B,) how often the ballot's top expression is the majority's, where there is one."""
        wanted = majority(self.counts, strict=strict)
        right = self.ballot[:, :NAMED].argmax(axis=1) == wanted
        return mean(right, self.w * (wanted >= 0))


VOTE_METRICS = (
    Metric("worth_annotators", "Equivalent annotators", unbounded=True, of=Agreement.worth),
    Metric(
        "ferplus_majority", "FER+ majority accuracy", percent=True,
        of=lambda a: a.accuracy(strict=False),
    ),
    Metric(
        "ferplus_strict", "FER+ strict-majority accuracy", percent=True,
        of=lambda a: a.accuracy(strict=True),
    ),
    Metric(
        "cross_entropy", "Cross-entropy (nats)", higher_is_better=False,
        of=lambda a: mean(cross_entropy(a.shares, a.ballot), a.w),
    ),
    Metric(
        "js_divergence", "Jensen-Shannon divergence (nats)", higher_is_better=False,
        of=lambda a: mean(js_divergence(a.shares, a.ballot), a.w),
    ),
    Metric(
        "brier", "Brier score", higher_is_better=False,
        of=lambda a: mean(((a.ballot - a.shares) ** 2).sum(axis=1), a.w),
    ),
)  # fmt: skip
"""Of a ballot against people's votes, in the order of the tables."""


def agreement(counts: NDArray[np.int64], ballot: Array) -> Statistic:
    """The statistic of a ballot against votes.

    Args:
        counts: (N, 10) at least two votes a picture.
        ballot: (N, 10) scores that sum to 1.

    Returns:
        Weights (B, N) → each of ``VOTE_METRICS`` by its key: cross-entropy and divergence in nats,
        Brier's squared distance from 0 to 2, FER+ accuracies over eight classes.
    """

    def statistic(w: Array) -> dict[str, Array]:
        drawn = Agreement(counts, ballot, w)
        return {metric.key: metric.of(drawn) for metric in VOTE_METRICS}

    return statistic


def _worth(spread: Array, error: Array) -> Array:
    return np.where(error > 0, spread / np.where(error > 0, error, 1), np.inf)
