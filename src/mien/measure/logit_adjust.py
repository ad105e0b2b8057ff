"""Trade a little accuracy for a rare class after training, by adding a constant to its logit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.emotions import EMOTIONS, Emotion
from mien.measure import folds
from mien.measure.metrics import TINY

Array = NDArray[np.float64]
BUDGET = 0.003
"""Accuracy that may be given up: 0.3 points."""
SPENT = 0.002
"""Accuracy that a choice may give up on the pictures it is made on. A choice at the very edge of
``BUDGET`` costs more than that on pictures it has not seen; two thirds leave room for it."""

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
    logits = np.log(np.maximum(scores, TINY))
    c = emotion.position
    rest = np.delete(logits, c, axis=1)
    best_of_rest = rest.max(axis=1)
    named = np.delete(np.arange(len(EMOTIONS)), c)[rest.argmax(axis=1)]
    taken = logits[:, c, None] + OFFSETS > best_of_rest[:, None]
    right = np.where(taken, (y == c)[:, None], (named == y)[:, None])
    mine = y == c
    recall = taken[mine].mean(axis=0) if mine.any() else np.full(len(OFFSETS), np.nan)
    return Trade(OFFSETS, right.mean(axis=0), recall)


def choose(
    y: NDArray[np.int64],
    scores: Array,
    *,
    budget: float = SPENT,
    emotion: Emotion = Emotion.DISGUST,
) -> float:
    """The largest offset up to which accuracy stays within ``budget`` of where it began."""
    line = trade(y, scores, emotion=emotion).accuracy
    too_dear = line < line[0] - budget
    return float(OFFSETS[-1] if not too_dear.any() else OFFSETS[max(int(too_dear.argmax()) - 1, 0)])


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
        lambda rows: choose(y[rows], scores[rows], budget=budget, emotion=emotion),
        lambda offset, rows: adjust(scores[rows], offset, emotion=emotion),
        fold,
    )
