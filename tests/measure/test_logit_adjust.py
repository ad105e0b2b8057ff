import numpy as np
import pytest

from mien.emotions import Emotion
from mien.measure.logit_adjust import BUDGET, OFFSETS, SPENT, adjust, choose, cross_fitted, trade


def make_world(seed, n):
    """A calibrated classifier that seldom dares to say disgust."""
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.array([1, 0.15, 1, 2, 1.5, 1.2, 0.8]) * 0.7, n)
    y = (rng.random(n)[:, None] > scores.cumsum(axis=1)).sum(axis=1).clip(max=6)
    return y, scores


@pytest.fixture(scope="module")
def world():
    return make_world(0, 4000)


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


def test_the_choice_stays_within_budget_near_the_largest_that_does(world):
    y, scores = world
    line, chosen = trade(y, scores), choose(y, scores)
    at = int(np.flatnonzero(chosen == OFFSETS)[0])
    assert line.accuracy[0] - line.accuracy[at] <= SPENT
    assert chosen == pytest.approx(largest(y, scores, SPENT), abs=0.2)
    assert choose(y, scores, budget=0.02) == pytest.approx(largest(y, scores, 0.02), abs=0.1)
    assert choose(y, scores, budget=0.02) > chosen > 0
    assert choose(y, scores, budget=1.0) == OFFSETS[-1]


def test_the_choice_depends_less_on_the_pictures_it_saw_than_the_line_does():
    worlds = [make_world(seed, 800) for seed in range(12)]
    alone = [largest(*seen, SPENT) for seen in worlds]
    assert np.std([choose(*seen) for seen in worlds]) < 0.9 * np.std(alone)


def test_copies_are_drawn_together(world):
    y, scores = world
    twice = np.concatenate([y, y]), np.concatenate([scores, scores])
    group = np.tile(np.arange(len(y)), 2)
    for seed in range(4):
        assert choose(*twice, group=group, seed=seed) == choose(y, scores, seed=seed)
    assert choose(*twice, seed=2) != choose(y, scores, seed=2)


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
