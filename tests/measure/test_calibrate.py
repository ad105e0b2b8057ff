import numpy as np
import pytest
from scipy.optimize import minimize

from mien.measure import calibrate, folds


def outcomes(rng, p):
    return (rng.random(len(p))[:, None] > p.cumsum(axis=1)).sum(axis=1).clip(max=p.shape[1] - 1)


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(6000, 7)) * 2
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return rng, logits, p, outcomes(rng, p)


@pytest.mark.parametrize("planted", [0.4, 1.0, 2.5])
def test_a_planted_temperature_is_recovered(world, planted):
    _, logits, _, y = world
    assert calibrate.fit_temperature(logits * planted, y) == pytest.approx(planted, rel=0.05)


def test_a_planted_temperature_is_recovered_from_shares(world):
    rng, logits, p, _ = world
    votes = rng.multinomial(10, p) / 10
    assert calibrate.fit_temperature(logits * 1.7, votes) == pytest.approx(1.7, rel=0.03)


def test_fit_agrees_with_a_second_optimiser(world):
    _, logits, _, y = world

    def loss(log_t):
        scores = calibrate.sharpen(np.exp(3 * logits), float(np.exp(log_t[0])))
        return -np.log(scores[np.arange(len(y)), y]).mean()

    second = np.exp(minimize(loss, [0.0], method="Nelder-Mead").x[0])
    assert calibrate.fit_temperature(3 * logits, y) == pytest.approx(second, rel=1e-3)


def test_sharpen_is_a_softmax_of_logits_over_the_temperature(world):
    _, logits, p, _ = world
    odds = np.exp(logits / 2)
    np.testing.assert_allclose(calibrate.sharpen(p, 2), odds / odds.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(calibrate.sharpen(p, 1), p)


def test_ece_against_a_plain_loop(world):
    _, _, p, y = world
    p, y = p[: 15 * 67], y[: 15 * 67]
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    order = np.argsort(confidence, kind="stable")
    slow = sum(
        len(part) / len(y) * abs(confidence[part].mean() - right[part].mean())
        for part in np.array_split(order, 15)
    )
    assert calibrate.ece(y, p) == pytest.approx(slow)
    uneven = calibrate.reliability(y[:-8], p[:-8])
    assert len(uneven.n) == 15
    assert np.ptp(uneven.n) == 1


def test_a_calibrated_model_falls_in_its_range_and_an_overconfident_one_does_not():
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(100):
        p = rng.dirichlet(np.full(7, 0.4), 500)
        low, high = calibrate.ece_if_perfect(p, draws=200)
        inside += low <= calibrate.ece(outcomes(rng, p), p) <= high
    assert 0.88 <= inside / 100 <= 1.0
    p = rng.dirichlet(np.full(7, 0.4), 3000)
    y = outcomes(rng, p)
    bold = calibrate.sharpen(p, 0.5)
    assert calibrate.ece(y, bold) > calibrate.ece_if_perfect(bold, draws=200)[1]


def test_cross_fitting_mends_overconfidence(world):
    _, _, p, y = world
    bold = calibrate.sharpen(p, 0.5)
    after, temperatures = calibrate.cross_fitted(bold, y)
    assert len(temperatures) == 5
    assert temperatures == pytest.approx([2.0] * 5, rel=0.07)
    assert calibrate.ece(y, after) < calibrate.ece_if_perfect(after, draws=200)[1]


def test_no_row_helps_to_fit_its_own_scores():
    """With a row's own label flipped, its score must stay as it was."""
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(7), 60)
    y = outcomes(rng, p)
    before, _ = calibrate.cross_fitted(p, y)
    y[7] = (y[7] + 3) % 7
    after, _ = calibrate.cross_fitted(p, y)
    np.testing.assert_array_equal(before[7], after[7])
    assert not np.array_equal(before, after)


def test_copies_share_a_fold_and_folds_are_even():
    group = np.repeat(np.arange(40), 3)
    fold = folds.grouped(120, group=group, seed=4)
    assert all(len(set(fold[group == g])) == 1 for g in range(40))
    assert np.bincount(fold).tolist() == [24] * 5


def test_classwise_error_against_a_plain_loop():
    rng = np.random.default_rng(2)
    q, x = rng.dirichlet(np.ones(7), 300), rng.dirichlet(np.ones(7), 300)
    total = 0.0
    for c in range(7):
        for part in np.array_split(np.argsort(q[:, c]), 15):
            total += len(part) / 300 / 7 * abs(q[part, c].mean() - x[part, c].mean())
    assert calibrate.classwise_error(x, q) == pytest.approx(total)
    assert calibrate.classwise_error(q, q) == 0


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
    assert calibrate.ece(y, scores) == pytest.approx(off, abs=1e-12)
    assert calibrate.ece(y[order], scores[order]) == pytest.approx(off, abs=1e-12)
    low, high = calibrate.ece_if_perfect(scores, draws=200)
    assert low < 0.005 and 0.01 < high < 0.04  # of one share of 1000, not of 15 bins of 67


def test_half_of_the_rows_are_tied():
    rng = np.random.default_rng(4)
    y, scores = sure(rng.random(600) < 0.6, 0.6)
    p = rng.dirichlet(np.full(7, 0.4), 600)
    y, scores = np.append(y, outcomes(rng, p)), np.concatenate([scores, p])
    share = np.eye(7)[y]
    for order in (rng.permutation(1200), np.argsort(y)):
        assert calibrate.ece(y[order], scores[order]) == pytest.approx(calibrate.ece(y, scores))
        assert calibrate.classwise_error(share[order], scores[order]) == pytest.approx(
            calibrate.classwise_error(share, scores)
        )


def test_fewer_rows_than_bins():
    bins = calibrate.equal_mass(np.array([0.2, 0.8]), np.array([0, 1]))
    assert bins.n.tolist() == [1, 1]
    assert bins.error == pytest.approx(0.2)
