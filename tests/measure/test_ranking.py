import numpy as np
import pytest
from sklearn import metrics as oracle

from mien.measure.ranking import areas, curves


@pytest.mark.parametrize("digits", [1, 8])
def test_areas_against_scikit_learn(digits):
    rng = np.random.default_rng(digits)
    positive = rng.random(120) < 0.2
    score = np.round(rng.random(120) + 0.3 * positive, digits)
    weights = rng.integers(0, 4, (5, 120)).astype(float)
    roc, precision = areas(positive, score, weights)
    for i, w in enumerate(weights):
        assert roc[i] == pytest.approx(oracle.roc_auc_score(positive, score, sample_weight=w))
        expected = oracle.average_precision_score(positive, score, sample_weight=w)
        assert precision[i] == pytest.approx(expected)


def test_curves_against_scikit_learn():
    rng = np.random.default_rng(0)
    positive = rng.random(90) < 0.3
    score = np.round(rng.random(90), 1)
    fpr, recall, precision = curves(positive, score)
    x, y, _ = oracle.roc_curve(positive, score, drop_intermediate=False)
    np.testing.assert_allclose(fpr, x[1:])
    np.testing.assert_allclose(recall, y[1:])
    p, r, _ = oracle.precision_recall_curve(positive, score)
    np.testing.assert_allclose(precision[::-1], p[:-1])
    np.testing.assert_allclose(recall[::-1], r[:-1])


def test_no_positive_or_no_negative_has_no_area():
    score = np.array([0.1, 0.4, 0.3])
    roc, precision = areas(
        np.array([True, False, False]), score, np.array([[0.0, 1, 1], [2, 0, 0]])
    )
    assert np.isnan(roc).all()
    assert np.isnan(precision[0]) and precision[1] == 1
    assert np.isnan(areas(np.zeros(3, bool), score, np.ones((1, 3)))[1]).all()
