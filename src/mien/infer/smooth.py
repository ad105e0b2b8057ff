"""Scores that do not flicker: each person's are averaged over the last moments."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Smoother:
    """An exponential average in time for each track.

    What was seen ``seconds`` ago weighs 1/e of what is seen now, whatever the frame rate. A sudden
    change reaches half after 0.7 and nine tenths after 2.3 times ``seconds``. Averages of
    distributions are distributions.

    Args:
        seconds: the time constant; 0 leaves scores as they are.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.state: dict[int, tuple[float, Floats]] = {}

    def update(self, track: int, time: float, scores: Floats) -> Floats:
        """The smoothed scores (K,) of a track at ``time``, which rises from call to call."""
        if self.seconds <= 0 or track not in self.state:
            self.state[track] = (time, scores)
            return scores
        before, average = self.state[track]
        weight = -math.expm1(-(time - before) / self.seconds)
        average = (average + weight * (scores - average)).astype(np.float32)
        self.state[track] = (time, average)
        return average

    def cut(self) -> None:
        """Forget: what was before a cut says nothing of what is after it."""
        self.state.clear()


def flicker(scores: NDArray[np.floating]) -> float:
    """Mean total variation distance of successive rows of (T, K) distributions, 0 to 1."""
    steps = np.abs(np.diff(np.asarray(scores, np.float64), axis=0)).sum(axis=1) / 2
    return float(steps.mean()) if len(steps) else 0.0
