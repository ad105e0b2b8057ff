import numpy as np
import pytest

from mien.measure.bootstrap import draw, estimate, interval, mean, weights
from mien.measure.metrics import classification


def test_weights_resample_whole_groups():
    group = np.array([5, 5, 9, 2, 2, 2])
    (w,) = weights(6, group=group, draws=50)
    assert w.shape == (50, 6)
    assert (w[:, 0] == w[:, 1]).all() and (w[:, 3] == w[:, 5]).all()
    assert (w[:, [0, 2, 3]].sum(axis=1) == 3).all()


def test_blocks_do_not_change_the_number_of_draws(monkeypatch):
    monkeypatch.setattr("mien.measure.bootstrap._CELLS", 70)
    values = draw(lambda w: {"n": w.sum(axis=1)}, 10, draws=25)
    assert values["n"].tolist() == [10.0] * 25


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(0).normal(size=80)
    statistic = lambda w: {"m": mean(values, w)}  # noqa: E731
    assert estimate(statistic, 80, draws=100) == estimate(statistic, 80, draws=100)
    assert estimate(statistic, 80, draws=100) != estimate(statistic, 80, draws=100, seed=1)


def test_the_error_is_that_of_the_mean():
    values = np.random.default_rng(0).normal(size=400)
    found = estimate(lambda w: {"m": mean(values, w)}, 400, draws=2000)["m"]
    expected = values.std(ddof=1) / 20
    assert found.value == pytest.approx(values.mean())
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize(("copies", "name"), [(1, "accuracy"), (4, "accuracy"), (1, "macro_f1")])
def test_intervals_cover_at_the_stated_rate(copies, name):
    """250 worlds; the share of intervals that hold the truth must be 95 % within its own error."""
    rng = np.random.default_rng(7)
    confuse = np.full((7, 7), 0.05) + 0.65 * np.eye(7)
    prior = np.array([0.16, 0.1, 0.14, 0.22, 0.14, 0.14, 0.1])
    actual = confuse.sum(axis=1) * prior
    joint = prior[:, None] * confuse
    f1 = 2 * np.diag(joint) / (actual + joint.sum(axis=0))
    truth = {"accuracy": np.trace(joint), "macro_f1": f1.mean()}[name]
    inside, worlds, n = 0, 250, 150
    for world in range(worlds):
        y = rng.choice(7, n, p=prior)
        scores = np.eye(7)[(rng.random(n)[:, None] > confuse[y].cumsum(axis=1)).sum(axis=1)]
        y, scores = np.repeat(y, copies), np.repeat(scores, copies, axis=0)
        group = np.repeat(np.arange(n), copies)
        # Counting areas under curves is the slow part, and not what is asked here.
        statistic = _only_counts(y, scores)
        found = estimate(statistic, n * copies, group=group, draws=150, seed=world)[name]
        inside += found.low <= truth <= found.high
    assert 0.91 <= inside / worlds <= 0.99


def _only_counts(y, scores):
    cell = np.eye(49)[y * 7 + scores.argmax(axis=1)]

    def statistic(w):
        table = (w @ cell).reshape(-1, 7, 7)
        hit = np.diagonal(table, axis1=1, axis2=2)
        f1 = 2 * hit / (table.sum(axis=1) + table.sum(axis=2))
        return {"accuracy": hit.sum(axis=1) / w.sum(axis=1), "macro_f1": f1.mean(axis=1)}

    one = np.ones((1, len(y)))
    full = classification(y, scores)(one)
    assert statistic(one)["accuracy"] == pytest.approx(full["accuracy"])
    assert statistic(one)["macro_f1"] == pytest.approx(full["macro_f1"])
    return statistic


def test_ignoring_copies_would_be_too_sure():
    values = np.repeat(np.random.default_rng(0).normal(size=100), 4)
    group = np.repeat(np.arange(100), 4)
    statistic = lambda w: {"m": mean(values, w)}  # noqa: E731
    honest = estimate(statistic, 400, group=group)["m"]
    naive = estimate(statistic, 400)["m"]
    assert (honest.high - honest.low) / (naive.high - naive.low) == pytest.approx(2, rel=0.15)


def test_draws_without_a_value_are_left_out_and_infinite_ones_are_not():
    found = interval(3.0, np.array([np.nan, 1.0, 2.0, np.inf]))
    assert (found.low, found.high) == (1.0, np.inf)
    assert found.to_dict() == {"value": 3.0, "low": 1.0, "high": None}
