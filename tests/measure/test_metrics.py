"""Every figure against scikit-learn, on whole rows and on bootstrap weights."""

import numpy as np
import pytest
from sklearn import metrics as oracle

from mien.emotions import EMOTIONS
from mien.measure.metrics import classification, confusion, is_top

K = len(EMOTIONS)


@pytest.fixture(scope="module")
def drawn(table):
    rng = np.random.default_rng(1)
    # Rounded scores make ties, which rankings have to share fairly.
    scores = np.round(table.label, 2) + 1e-6 * np.arange(K)
    scores /= scores.sum(axis=1, keepdims=True)
    return table.y, scores, rng.multinomial(len(table), np.full(len(table), 1 / len(table)), 4)


def test_agrees_with_scikit_learn(drawn):
    y, scores, weights = drawn
    ours = classification(y, scores)(weights.astype(float))
    for i, w in enumerate(weights):
        top = scores.argmax(axis=1)
        expected = {
            "accuracy": oracle.accuracy_score(y, top, sample_weight=w),
            "balanced_accuracy": oracle.balanced_accuracy_score(y, top, sample_weight=w),
            "macro_f1": oracle.f1_score(y, top, average="macro", sample_weight=w),
            "top2": oracle.top_k_accuracy_score(y, scores, k=2, sample_weight=w, labels=range(K)),
            "nll": oracle.log_loss(y, scores, sample_weight=w, labels=range(K)),
            "roc_auc": np.mean(
                [oracle.roc_auc_score(y == c, scores[:, c], sample_weight=w) for c in range(K)]
            ),
            "pr_auc": np.mean(
                [oracle.average_precision_score(y == c, scores[:, c], sample_weight=w)
                 for c in range(K)]
            ),
        }  # fmt: skip
        for name, value in expected.items():
            assert ours[name][i] == pytest.approx(value, abs=1e-9), name
        each = oracle.precision_recall_fscore_support(
            y, top, labels=range(K), sample_weight=w, zero_division=0
        )
        for name, values in zip(("precision", "recall", "f1"), each, strict=False):
            for emotion, value in zip(EMOTIONS, values, strict=True):
                assert ours[f"{emotion}/{name}"][i] == pytest.approx(value, abs=1e-12)


def test_confusion_agrees_with_scikit_learn(drawn):
    y, scores, _ = drawn
    expected = oracle.confusion_matrix(y, scores.argmax(axis=1), labels=range(K))
    np.testing.assert_array_equal(confusion(y, scores), expected)


def test_a_class_nobody_showed_is_left_out_of_the_means():
    y = np.array([0, 0, 3, 3])
    scores = np.full((4, K), 0.05)
    scores[np.arange(4), [0, 3, 3, 3]] = 0.7
    ours = classification(y, scores)(np.ones((1, 4)))
    assert ours["balanced_accuracy"][0] == pytest.approx(0.75)
    top = scores.argmax(axis=1)
    assert ours["macro_f1"][0] == pytest.approx(oracle.f1_score(y, top, average="macro"))
    assert np.isnan(ours["disgust/recall"][0])


def test_equal_scores_go_to_the_earlier_class():
    scores = np.full((2, K), 1 / K)
    assert is_top(np.array([0, 1]), scores).tolist() == [True, False]
    assert is_top(np.array([1, 2]), scores, k=2).tolist() == [True, False]
