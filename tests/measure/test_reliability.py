import numpy as np
import pytest

from mien.measure import calibrate, reliability

from .made import outcomes


def test_ece_against_a_plain_loop(world):
    _, _, p, y = world
    p, y = p[: 15 * 67], y[: 15 * 67]
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    order = np.argsort(confidence, kind="stable")
    slow = sum(
        len(part) / len(y) * abs(confidence[part].mean() - right[part].mean())
        for part in np.array_split(order, 15)
    )
    assert reliability.ece(y, p) == pytest.approx(slow)
    uneven = reliability.reliability(y[:-8], p[:-8])
    assert len(uneven.n) == 15
    assert np.ptp(uneven.n) == 1


def test_a_calibrated_model_falls_in_its_range_and_an_overconfident_one_does_not():
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(100):
        p = rng.dirichlet(np.full(7, 0.4), 500)
        low, high = reliability.ece_if_perfect(p, draws=200)
        inside += low <= reliability.ece(outcomes(rng, p), p) <= high
    assert 0.88 <= inside / 100 <= 1.0
    p = rng.dirichlet(np.full(7, 0.4), 3000)
    y = outcomes(rng, p)
    bold = calibrate.sharpen(p, 0.5)
    assert reliability.ece(y, bold) > reliability.ece_if_perfect(bold, draws=200)[1]


def test_classwise_error_against_a_plain_loop():
    rng = np.random.default_rng(2)
    q, x = rng.dirichlet(np.ones(7), 300), rng.dirichlet(np.ones(7), 300)
    total = 0.0
    for c in range(7):
        for part in np.array_split(np.argsort(q[:, c]), 15):
            total += len(part) / 300 / 7 * abs(q[part, c].mean() - x[part, c].mean())
    assert reliability.classwise_error(x, q) == pytest.approx(total)
    assert reliability.classwise_error(q, q) == 0


def sure(right, p):
    """Labels, and scores that give ``p`` to an answer; it is the label where ``right``."""
    top = np.arange(len(right)) % 7
    scores = np.full((len(right), 7), (1 - p) / 6)
    scores[np.arange(len(right)), top] = p
    return np.where(right, top, (top + 1) % 7), scores


@pytest.mark.parametrize("temperature", [1.0, 0.8, 1.3])
def test_equal_confidences_do_not_depend_on_the_order_of_rows(temperature):
    """Sorted by label, as a folder is, a constant confidence that is right had an ECE of 0.1."""
    y, scores = sure(np.arange(1000) < 700, 0.7)
    scores = calibrate.sharpen(scores, temperature)
    off = abs(scores[0].max() - 0.7)
    order = np.random.default_rng(0).permutation(1000)
    assert reliability.ece(y, scores) == pytest.approx(off, abs=1e-12)
    assert reliability.ece(y[order], scores[order]) == pytest.approx(off, abs=1e-12)
    low, high = reliability.ece_if_perfect(scores, draws=200)
    assert low < 0.005 and 0.01 < high < 0.04  # of one share of 1000, not of 15 bins of 67


def test_half_of_the_rows_are_tied():
    rng = np.random.default_rng(4)
    y, scores = sure(rng.random(600) < 0.6, 0.6)
    p = rng.dirichlet(np.full(7, 0.4), 600)
    y, scores = np.append(y, outcomes(rng, p)), np.concatenate([scores, p])
    share = np.eye(7)[y]
    for order in (rng.permutation(1200), np.argsort(y)):
        assert reliability.ece(y[order], scores[order]) == pytest.approx(reliability.ece(y, scores))
        assert reliability.classwise_error(share[order], scores[order]) == pytest.approx(
            reliability.classwise_error(share, scores)
        )


def test_fewer_rows_than_bins():
    bins = reliability.equal_mass(np.array([0.2, 0.8]), np.array([0, 1]))
    assert bins.n.tolist() == [1, 1]
    assert bins.error == pytest.approx(0.2)
