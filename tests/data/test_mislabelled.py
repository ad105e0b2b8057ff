import numpy as np
import pytest

from mien.data.mislabelled import label_issues, match
from mien.measure.predictions import Predictions


def test_planted_flips_are_found():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 7, 1400)
    logits = rng.normal(size=(1400, 7))
    logits[np.arange(1400), true] += 4
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    given = true.copy()
    flipped = rng.choice(1400, 28, replace=False)
    given[flipped] = (given[flipped] + rng.integers(1, 7, 28)) % 7
    wrong, doubt = label_issues(given, scores)
    assert wrong[flipped].mean() > 0.75
    assert wrong.sum() < 80
    assert doubt[flipped].mean() > 0.8 > doubt.mean()


def test_a_missing_class_is_no_trouble():
    scores = np.tile([0.1, 0, 0, 0.8, 0, 0.1, 0], (20, 1))
    labels = np.array([3] * 18 + [5] * 2)
    wrong, _ = label_issues(labels, scores)
    assert wrong.shape == (20,)
    assert not label_issues(np.full(5, 3), scores[:5])[0].any()


def test_leaked_and_foreign_pictures_are_not_judged():
    table = Predictions(
        id=np.array(["a", "b", "x"]), y=np.zeros(3, int), label=np.eye(7)[:3],
        leaked=np.array([False, True, False]),
    )  # fmt: skip
    rows, scores = match(table, ["b", "a"])
    assert rows.tolist() == [1]
    assert scores[0, 0] == 1
    with pytest.raises(ValueError, match="name none"):
        match(table, ["y", "z"])
