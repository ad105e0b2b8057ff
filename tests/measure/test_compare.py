from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from mien.measure import tables
from mien.measure.compare import better, compare, mcnemar
from mien.measure.evaluate import evaluate
from mien.measure.metrics import LABEL_METRICS
from mien.measure.votes import VOTE_METRICS

from .made import make_table


@pytest.mark.parametrize(("b", "c"), [(0, 0), (3, 3), (1, 8), (25, 11), (40, 41)])
def test_mcnemar_against_scipy(b, c):
    first = np.array([True] * b + [False] * c + [True] * 5)
    second = np.array([False] * b + [True] * c + [True] * 5)
    found = mcnemar(first, second)
    assert (found.only_first, found.only_second) == (b, c)
    exact = binomtest(b, b + c, 0.5).pvalue if b + c else 1.0
    assert found.p_exact == pytest.approx(exact)
    assert found.p_mid <= found.p_exact


def test_mid_p_against_its_definition():
    """Half the chance of the table seen, and all the chance of rarer ones, on both sides."""
    from math import comb

    n, b = 14, 4
    chance = [comb(n, i) / 2**n for i in range(n + 1)]
    expected = 2 * (sum(chance[:b]) + chance[b] / 2)
    first = np.array([True] * b + [False] * (n - b))
    assert mcnemar(first, ~first).p_mid == pytest.approx(expected)
    tied = np.array([True] * 3 + [False] * 3)
    assert mcnemar(tied, ~tied).p_mid == pytest.approx(1 - comb(6, 3) / 2**7)


def test_mcnemar_keeps_its_level():
    rng = np.random.default_rng(0)
    p = [mcnemar(*(rng.random((2, 300)) < 0.7)).p_mid for _ in range(600)]
    assert 0.03 <= np.mean(np.array(p) < 0.05) <= 0.07


def test_a_better_system_wins_and_a_copy_does_not():
    a, b = make_table(600, skill=0.3), make_table(600, skill=3.0)
    found = compare(a, b, draws=200)
    assert found["n"] == 600
    assert found["mcnemar"]["p_mid"] < 0.001
    assert found["metrics"]["accuracy"]["difference"]["low"] > 0
    same = compare(a, a, draws=50)
    assert same["mcnemar"]["p_exact"] == 1
    assert same["metrics"]["macro_f1"]["difference"] == {"value": 0, "low": 0, "high": 0}


def test_pairing_narrows_the_interval():
    a = make_table(400)
    noise = np.random.default_rng(5).dirichlet(np.ones(7), 400)
    b = replace(a, label=0.95 * a.label + 0.05 * noise, system="b")
    accuracy = compare(a, b, draws=300)["metrics"]["accuracy"]
    width = {k: accuracy[k]["high"] - accuracy[k]["low"] for k in ("first", "difference")}
    assert width["difference"] < width["first"] / 2


def test_only_common_pictures_count_whatever_their_order():
    a = make_table(200)
    shuffled = np.random.default_rng(0).permutation(200)[:150]
    b = replace(a.take(shuffled), y=np.full(150, -1), counts=None, group=None, leaked=None)
    found = compare(b, a, draws=20)
    assert found["n"] == 150
    assert found["mcnemar"]["p_exact"] == 1


def test_different_truths_are_refused():
    a = make_table(50)
    with pytest.raises(ValueError, match="different labels to 50 pictures"):
        compare(a, replace(a, y=(a.y + 1) % 7))


def test_no_truth_is_refused():
    a = replace(make_table(50), y=np.full(50, -1), counts=None)
    with pytest.raises(ValueError, match="neither side holds labels"):
        compare(a, a)


def test_every_metric_is_measured_compared_and_shown():
    table = make_table()
    result, pair = evaluate(table, draws=20), compare(table, table, draws=20)
    shown = [row[0] for each in tables.scores(result) for row in each.rows]
    compared = [row[0] for row in tables.comparison(pair).rows]
    for metric, measured in (
        *((metric, result["heads"]["label"]["all"]) for metric in LABEL_METRICS),
        *((metric, result["votes"]["all"]) for metric in VOTE_METRICS),
    ):
        assert metric.key in measured
        assert metric.key in pair["metrics"]
        assert metric.title in shown
        assert metric.title in compared


@pytest.mark.parametrize(
    ("key", "low", "high", "wins"),
    [
        ("accuracy", 0.01, 0.02, "second"),
        ("accuracy", -0.02, -0.01, "first"),
        ("nll", 0.01, 0.02, "first"),
        ("nll", -0.02, -0.01, "second"),
        ("nll", -0.01, 0.02, ""),
        ("nll", None, None, ""),
    ],
)
def test_which_is_better_follows_the_direction(key, low, high, wins):
    metric = next(metric for metric in LABEL_METRICS if metric.key == key)
    assert better({"value": 0.0, "low": low, "high": high}, metric) == wins
