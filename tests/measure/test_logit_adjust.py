import numpy as np
import pytest

from mien.emotions import Emotion
from mien.measure.logit_adjust import BUDGET, OFFSETS, SPENT, adjust, choose, cross_fitted, trade


@pytest.fixture(scope="module")
def world():
    """A calibrated classifier that seldom dares to say disgust."""
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.array([1, 0.15, 1, 2, 1.5, 1.2, 0.8]) * 0.7, 4000)
    y = (rng.random(4000)[:, None] > scores.cumsum(axis=1)).sum(axis=1).clip(max=6)
    return y, scores


def test_trade_is_what_adjusting_would_give(world):
    y, scores = world
    line = trade(y, scores)
    for i in (0, 20, 60):
        top = adjust(scores, OFFSETS[i]).argmax(axis=1)
        assert line.accuracy[i] == pytest.approx((top == y).mean(), abs=1e-3)
        assert line.recall[i] == pytest.approx((top == 1)[y == 1].mean(), abs=1e-9)


def largest(y, scores, budget):
    line = trade(y, scores).accuracy
    return OFFSETS[(line < line[0] - budget).argmax() - 1]


def test_the_choice_is_what_the_budget_allows(world):
    y, scores = world
    chosen = choose(y, scores)
    line = trade(y, scores)
    assert chosen in OFFSETS
    assert 0 < chosen == pytest.approx(largest(y, scores, SPENT), abs=0.4)
    assert line.accuracy[0] - line.accuracy[chosen == OFFSETS][0] <= BUDGET
    assert choose(y, scores, budget=0.02) == pytest.approx(largest(y, scores, 0.02), abs=0.1)
    assert choose(y, scores, budget=1.0) == OFFSETS[-1]


def test_copies_are_drawn_together(world):
    y, scores = world
    twice = np.concatenate([y, y]), np.concatenate([scores, scores])
    group = np.tile(np.arange(len(y)), 2)
    assert choose(*twice, group=group) == choose(y, scores, group=group[: len(y)])


def test_cross_fitted_recall_rises_and_little_is_lost(world):
    y, scores = world
    after, offsets = cross_fitted(y, scores)
    mine = y == Emotion.DISGUST.position
    before_right, after_right = scores.argmax(axis=1) == y, after.argmax(axis=1) == y
    assert len(offsets) == 5
    assert after_right[mine].mean() > before_right[mine].mean() + 0.05
    assert before_right.mean() - after_right.mean() <= BUDGET


def test_other_emotions_keep_their_ratios(world):
    _, scores = world
    after = adjust(scores[:50], 1.5, emotion=Emotion.FEAR)
    np.testing.assert_allclose(after.sum(axis=1), 1)
    np.testing.assert_allclose(after[:, 3] / after[:, 0], scores[:50, 3] / scores[:50, 0])
