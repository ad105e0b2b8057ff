"""What is gained by staying silent on some pictures: accuracy against coverage."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.measure.bootstrap import Array, Statistic
from mien.measure.ties import level, runs

COVERAGES = (0.95, 0.9, 0.8, 0.7, 0.5)


def curve(correct: NDArray[np.bool_], trust: Array) -> tuple[Array, Array]:
    """Answer the most trusted pictures first; of those equally trusted, each is as right as all.

    Args:
        correct: (N,) whether each answer is right.
        trust: (N,) higher is answered earlier: a confidence, or minus ``unclear``.

    Returns:
        ``coverage`` (N,) and ``accuracy`` (N,) after 1, 2, … N answers.
    """
    order = np.argsort(-trust, kind="stable")
    answered = np.arange(1, len(order) + 1)
    right = level(correct[order].astype(np.float64), runs(trust[order]))
    return answered / len(order), np.cumsum(right) / answered


def at_coverage(correct: NDArray[np.bool_], trust: Array) -> Statistic:
    """The statistic of one way to abstain.

    Returns:
        Weights (B, N) → accuracy on the most trusted share for each of ``COVERAGES`` (named
        ``"0.9"``…), and ``aurc``, the area under the risk-coverage curve (lower is better).
    """
    order = np.argsort(-trust, kind="stable")
    right = correct[order].astype(np.float64)
    start = runs(trust[order])

    def statistic(w: Array) -> dict[str, Array]:
        w = w[:, order]
        hits = np.cumsum(level(w * right, start), axis=1)
        w = level(w, start)
        answered = np.cumsum(w, axis=1)
        total = answered[:, -1]
        accuracy = hits / np.maximum(answered, 1e-12)
        values = {"aurc": (w * (1 - accuracy)).sum(axis=1) / total}
        for share in COVERAGES:
            last = (answered <= share * total[:, None] + 1e-9).sum(axis=1) - 1
            values[str(share)] = accuracy[np.arange(len(w)), np.maximum(last, 0)]
        return values

    return statistic
