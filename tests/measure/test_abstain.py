import numpy as np
import pytest

from mien.measure.abstain import COVERAGES, at_coverage, curve


def test_curve_by_hand():
    coverage, accuracy = curve(np.array([True, False, True, False]), np.array([0.4, 0.9, 0.8, 0.1]))
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert accuracy == pytest.approx([0, 1 / 2, 2 / 3, 1 / 2])


def test_figures_against_a_plain_loop(table):
    correct, trust = table.label.argmax(axis=1) == table.y, table.label.max(axis=1)
    found = at_coverage(correct, trust)(np.ones((1, len(table))))
    ranked = correct[np.argsort(-trust, kind="stable")]
    for share in COVERAGES:
        kept = int(share * len(table) + 1e-9)
        assert found[str(share)][0] == pytest.approx(ranked[:kept].mean())
    risks = [1 - ranked[: k + 1].mean() for k in range(len(table))]
    assert found["aurc"][0] == pytest.approx(np.mean(risks))


def test_weights_count_as_repeated_rows():
    rng = np.random.default_rng(0)
    correct, trust = rng.random(40) < 0.6, rng.random(40)
    times = rng.integers(0, 4, 40)
    weighted = at_coverage(correct, trust)(times[None].astype(float))
    repeated = at_coverage(np.repeat(correct, times), np.repeat(trust, times))(
        np.ones((1, times.sum()))
    )
    # Within a picture that is drawn several times the two walk at different steps.
    assert weighted["aurc"][0] == pytest.approx(repeated["aurc"][0], abs=0.02)
    assert weighted["0.5"][0] == pytest.approx(repeated["0.5"][0], abs=0.05)


def test_rows_of_equal_trust_count_as_one():
    trust = np.array([0.9, 0.5, 0.5, 0.5, 0.5, 0.1])
    correct = np.array([True, True, True, False, False, False])
    assert curve(correct, trust)[1] == pytest.approx([1, 3 / 4, 2 / 3, 5 / 8, 3 / 5, 1 / 2])
    w = np.array([np.ones(6), [1, 3, 0, 1, 0, 1]])
    found = at_coverage(correct, trust)(w)
    assert found["0.5"] == pytest.approx([2 / 3, (1 + 2 * 3 / 4) / 3])
    for order in np.random.default_rng(0).permuted(np.tile(np.arange(6), (5, 1)), axis=1):
        again = at_coverage(correct[order], trust[order])(w[:, order])
        assert all(again[name] == pytest.approx(found[name], abs=1e-12) for name in found)
