from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize

from mien.measure import ensemble
from mien.measure.contest import honest

from .made import make_table


@pytest.fixture(scope="module")
def tables():
    """Three members whose noises are independent, and one that knows nothing."""
    base = make_table(800, copies=40)
    rng = np.random.default_rng(11)
    made = []
    for i in range(4):
        noise = np.exp(rng.normal(size=base.label.shape) * (0.8 if i < 3 else 3))
        label = base.label**0.8 * noise if i < 3 else noise
        ballot = base.ballot * np.exp(rng.normal(size=base.ballot.shape) * (0.5 if i < 3 else 3))
        made.append(
            replace(
                base,
                label=label / label.sum(axis=1, keepdims=True),
                ballot=ballot / ballot.sum(axis=1, keepdims=True),
                system=f"m{i}",
            )
        )
    return made


@pytest.fixture(scope="module")
def members(tables):
    return ensemble.stack(tables)


def test_soft_vote_is_the_weighted_mean(members):
    w = np.array([0.5, 0.25, 0.25, 0])
    expected = 0.5 * members.label[0] + 0.25 * members.label[1] + 0.25 * members.label[2]
    np.testing.assert_allclose(ensemble.soft_vote(members.label, w), expected)


def test_fitted_weights_agree_with_a_second_optimiser(members):
    ours = ensemble.fitted(members)

    def loss(z):
        w = np.exp(z - z.max())
        return ensemble.loss(members, w / w.sum())

    second = minimize(loss, np.zeros(4), method="Nelder-Mead", options={"maxiter": 800})
    assert ensemble.loss(members, ours) <= second.fun + 1e-5
    assert ours.sum() == pytest.approx(1)
    assert ours[3] < 0.05


def test_greedy_beats_the_best_member_and_leaves_out_the_ignorant(members):
    weights = ensemble.greedy(members)
    assert ensemble.loss(members, weights) < ensemble.loss(members, ensemble.best_member(members))
    assert weights[3] < 0.1
    assert set(ensemble.choose(members)) >= {"m0", "m1", "m2"}


def test_greedy_goes_on_after_a_round_without_gain(members):
    """A weak member helps by a small share, which no early round can give it."""
    two = replace(
        members, systems=members.systems[:2], label=members.label[[0, 3]],
        ballot=members.ballot[[0, 3]],
    )  # fmt: skip
    weights = ensemble.greedy(two)
    assert ensemble.loss(two, weights) <= ensemble.loss(two, ensemble.fitted(two)) + 1e-3


def test_greedy_takes_one_of_twins():
    one = make_table(100)
    same = ensemble.stack([one, replace(one, system="twin")])
    assert sorted(ensemble.greedy(same)) == [0, 1]


def test_the_honest_comparison_finds_the_gain(members):
    found = {row["method"]: row for row in honest(members, draws=100)}
    assert found["best member"]["gain"]["value"] == 0
    assert found["best member"]["mcnemar"]["p_exact"] == 1
    fitted = found["fitted weights"]
    assert fitted["mcnemar"]["p_mid"] < 0.05
    assert fitted["gain"]["low"] > 0
    assert fitted["nll"]["value"] < found["best member"]["nll"]["value"]


def test_choosing_among_noise_gains_nothing_when_honest():
    """Of twenty members that guess, the best looks good in hindsight only."""
    base = make_table(400)
    rng = np.random.default_rng(0)
    guesses = [
        replace(
            base, label=rng.dirichlet(np.ones(7), 400), ballot=None, counts=None, system=f"g{i}"
        )
        for i in range(20)
    ]
    members = ensemble.stack(guesses)
    hindsight = max((g.label.argmax(axis=1) == base.y).mean() for g in guesses)
    fair = honest(members, draws=20)[0]["accuracy"]["value"]
    assert fair < hindsight
    assert abs(fair - 1 / 7) < 0.06


def test_mix_is_a_prediction_table(tables):
    mixed = ensemble.mix(tables[:2], [3, 1], system="pair").check()
    np.testing.assert_allclose(mixed.label, 0.75 * tables[0].label + 0.25 * tables[1].label)
    np.testing.assert_allclose(mixed.ballot, 0.75 * tables[0].ballot + 0.25 * tables[1].ballot)
    assert mixed.system == "pair" and mixed.y is tables[0].y


def test_members_must_match(tables):
    with pytest.raises(ValueError, match="at least two"):
        ensemble.stack(tables[:1])
    with pytest.raises(ValueError, match="m1 and m0 differ in pictures"):
        ensemble.stack([tables[0], tables[1].take(np.arange(10))])
    with pytest.raises(ValueError, match="choose from best member"):
        ensemble.choose(ensemble.stack(tables), "magic")


def test_equal_names_are_told_apart():
    a = make_table(20)
    assert ensemble.stack([a, a]).systems == ("made-0 (1)", "made-0 (2)")
