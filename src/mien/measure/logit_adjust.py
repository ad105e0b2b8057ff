"""Trade a little accuracy for a rare class after training, by adding a constant to its logit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.emotions import EMOTIONS, Emotion
from mien.measure import bootstrap, folds
from mien.measure.metrics import TINY

Array = NDArray[np.float64]
BUDGET = 0.003
"""Accuracy that may be given up: 0.3 points."""
SPENT = 0.002
"""Accuracy that a choice may give up on the pictures it is made on: less than ``BUDGET``, as it
costs more on pictures it has not seen."""
DRAWS = 100
"""Resamples of the pictures over which a choice is the mean."""

OFFSETS = np.round(np.arange(0, 6.01, 0.05), 2)


def adjust(scores: Array, offset: float, *, emotion: Emotion = Emotion.DISGUST) -> Array:
    """The scores with ``offset`` nats added to one emotion's logit, normalised again."""
    odds = scores.copy()
    odds[:, emotion.position] *= np.exp(offset)
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Trade:
    """Accuracy and the class's recall at each offset; all (offsets,)."""

    offset: Array
    accuracy: Array
    recall: Array


def trade(y: NDArray[np.int64], scores: Array, *, emotion: Emotion = Emotion.DISGUST) -> Trade:
    """What each of ``OFFSETS`` buys and costs on these rows."""
    right = _right(y, scores, emotion)
    mine = y == emotion.position
    recall = right[mine].mean(axis=0) if mine.any() else np.full(len(OFFSETS), np.nan)
    return Trade(OFFSETS, right.mean(axis=0), recall)


def _right(y: NDArray[np.int64], scores: Array, emotion: Emotion) -> NDArray[np.bool_]:
    """(N, offsets) whether each picture's answer is right at each offset."""
    c = emotion.position
    logits = np.log(np.maximum(scores, TINY))
    rest = np.delete(logits, c, axis=1)
    named = np.delete(np.arange(len(EMOTIONS)), c)[rest.argmax(axis=1)]
    taken = logits[:, c, None] + OFFSETS > rest.max(axis=1)[:, None]
    return np.asarray(np.where(taken, (y == c)[:, None], (named == y)[:, None]))


def choose(
    y: NDArray[np.int64],
    scores: Array,
    *,
    group: NDArray[np.int64] | None = None,
    budget: float = SPENT,
    emotion: Emotion = Emotion.DISGUST,
    seed: int = 0,
) -> float:
    """The offset up to which accuracy stays within ``budget`` of where it began.

    The mean over ``DRAWS`` resamples of the pictures (bagging, Breiman 1996): where exactly the
    line first crosses the budget hangs on a handful of pictures.
    """
    right = _right(y, scores, emotion)

    def statistic(w: Array) -> dict[str, Array]:
        line = bootstrap.mean(right, w)
        too_dear = line < line[:, :1] - budget
        first = np.where(too_dear.any(axis=1), too_dear.argmax(axis=1), len(OFFSETS))
        return {"largest": OFFSETS[np.maximum(first - 1, 0)]}

    drawn = bootstrap.draw(statistic, len(y), group=group, draws=DRAWS, seed=seed)
    return float(OFFSETS[np.abs(OFFSETS - drawn["largest"].mean()).argmin()])


def cross_fitted(
    y: NDArray[np.int64],
    scores: Array,
    *,
    group: NDArray[np.int64] | None = None,
    budget: float = SPENT,
    emotion: Emotion = Emotion.DISGUST,
    seed: int = 0,
) -> tuple[Array, list[float]]:
    """Scores adjusted by an offset that their own fold did not help to choose; and the offsets."""
    fold = folds.grouped(len(y), group=group, seed=seed)
    return folds.cross_fit(
        lambda rows: choose(
            y[rows],
            scores[rows],
            group=None if group is None else group[rows],
            budget=budget,
            emotion=emotion,
            seed=seed,
        ),
        lambda offset, rows: adjust(scores[rows], offset, emotion=emotion),
        fold,
    )
