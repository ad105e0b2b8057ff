from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize

from mien.measure import calibrate, folds, reliability
from mien.measure.predictions import Predictions

from .made import outcomes


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


def test_cross_fitting_mends_overconfidence(world):
    _, _, p, y = world
    bold = calibrate.sharpen(p, 0.5)
    after, temperatures = calibrate.cross_fitted(bold, y)
    assert len(temperatures) == 5
    assert temperatures == pytest.approx([2.0] * 5, rel=0.07)
    assert reliability.ece(y, after) < reliability.ece_if_perfect(after, draws=200)[1]


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


def test_vector_scaling_undoes_what_other_voters_do(world):
    """Options that are named more or less often than was learnt, which no temperature mends."""
    rng, _, p, _ = world
    wanted = calibrate.Scaling((1.2, 0.9, 1, 1, 1, 1, 1), (0.8, -0.6, 0, 0, 0, 0, -0.2)).apply(p)
    x = rng.multinomial(10, wanted) / 10
    found = calibrate.fit_scaling(p, x)
    np.testing.assert_allclose(found.apply(p), wanted, atol=0.03)
    after, scalings = calibrate.cross_scaled(p, x)
    plain, _ = calibrate.cross_fitted(p, x)
    far, near = (np.abs(scores - wanted).mean() for scores in (plain, after))
    assert len(scalings) == 5 and near < far / 5


def test_scaling_is_a_least_cross_entropy(world):
    """By the slope in each direction, from values alone."""
    rng, _, p, _ = world
    p = p[:500]
    x = rng.dirichlet(np.ones(7), 500)
    found = calibrate.fit_scaling(p, x)

    def loss(scale, offset):
        after = calibrate.Scaling(tuple(scale), tuple(offset)).apply(p)
        spread = np.log(scale) - shared
        pull = calibrate.PULL * ((spread**2).sum() + (offset**2).sum())
        return -(x * np.log(after)).sum() + pull

    scale, offset = np.array(found.scale), np.array(found.offset)
    shared = np.log(scale).mean()  # each scale is pulled towards one that is free
    least = loss(scale, offset)
    for k in range(7):
        for step in (-0.05, 0.05):
            moved = np.zeros(7)
            moved[k] = step
            assert loss(scale, offset + moved) > least
            assert loss(scale * np.exp(moved), offset) > least


def test_few_pictures_leave_hardly_more_than_a_temperature():
    rng = np.random.default_rng(5)
    p = rng.dirichlet(np.full(10, 0.5), 30)
    x = np.stack([rng.multinomial(10, row) for row in p]) / 10
    found = calibrate.fit_scaling(p, x)
    assert np.abs(found.offset).max() < 0.15
    assert np.ptp(np.log(found.scale)) < 0.3


def test_an_option_that_nobody_chose_stays_finite(world):
    rng, _, p, _ = world
    x = rng.dirichlet(np.ones(7), len(p))
    x[:, 3] = 0
    found = calibrate.fit_scaling(p, x / x.sum(axis=1, keepdims=True))
    assert np.isfinite(found.apply(p)).all()
    assert found.apply(p)[:, 3].max() < 0.05


def test_calibration_is_fitted_to_predictions():
    rng = np.random.default_rng(0)
    true = rng.normal(size=(4000, 7)) * 2
    shares = np.exp(true) / np.exp(true).sum(1, keepdims=True)
    y = np.array([rng.choice(7, p=row) for row in shares])
    sharp = np.exp(2 * true) / np.exp(2 * true).sum(1, keepdims=True)
    table = Predictions(id=np.arange(4000).astype(str), y=y, label=sharp)
    found = calibrate.fit(table)
    assert found.label_temperature == pytest.approx(2, rel=0.1)
    assert found.ballot_scaling is None
    counts = rng.multinomial(10, np.tile(np.eye(10) * 0.5 + 0.05, (400, 1)))
    ballot = np.tile(np.eye(10) * 0.3 + 0.07, (400, 1))
    counts[7] = -1  # nobody was asked
    voted = replace(table, ballot=ballot, counts=counts, split="test")
    told = calibrate.fit(voted).to_dict()
    assert told["fitted_on"] == "test (4,000)"
    assert told["ballot"]["scale"] == pytest.approx([np.log(11) / np.log(37 / 7)] * 10, rel=0.1)
    assert told["ballot"]["offset"] == pytest.approx([0] * 10, abs=0.1)
    unknown = calibrate.fit(replace(voted, y=np.full(4000, -1)))
    assert unknown.label_temperature == 1.0
    assert unknown.ballot_scaling == calibrate.fit(voted).ballot_scaling
