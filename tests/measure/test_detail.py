from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from mien.emotions import UNKNOWN
from mien.measure import detail, small_faces
from mien.measure.calibrate import Calibration, Flattening
from mien.measure.small_faces import Copy, better, changes, fit_all
from mien.mix import Mix
from tests.measure.made import make_table


@pytest.fixture(scope="module")
def crops():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (20, 48, 48), dtype=np.uint8)


def test_detail_falls_with_size_and_blur_and_not_with_contrast(crops):
    sharp = detail.detail(crops)
    order = [detail.detail(made).mean() for _, made in detail.copies(crops)]
    assert [side for side, _ in detail.copies(crops)] == [32, 24, 16, 12, 48]
    assert sharp.mean() > order[0] > order[1] > order[2] > order[3]
    assert order[4] < order[0]
    faint = (crops // 4 + 90).astype(np.uint8)
    assert detail.detail(faint) == pytest.approx(sharp, abs=0.05)
    assert detail.detail(np.full((1, 48, 48), 7, np.uint8)) == pytest.approx([0])


def test_a_moving_camera_blurs_one_direction(crops):
    moved = np.mean([np.roll(crops, by, axis=2) for by in range(4)], axis=0).astype(np.uint8)
    assert detail.detail(moved).max() < detail.detail(crops).min() - 0.3


def test_people_cannot_name_tiny_faces():
    ballot = np.full((1, 10), 0.1)
    assert detail.to_unknown(ballot, 24) == pytest.approx(ballot)
    half = detail.to_unknown(ballot, 12)
    assert half.sum() == pytest.approx(1) and half[0, UNKNOWN] == pytest.approx(0.55)


def test_sharp_crops_are_left_alone():
    rng = np.random.default_rng(1)
    scores = rng.dirichlet(np.ones(7), 5)
    flat = Flattening((1.0, 1.0, 1.0, 1.0), (0.0,) * 7)
    assert flat.apply(scores, np.full(5, 0.3)) == pytest.approx(scores)
    soft = flat.apply(scores, np.full(5, -3.0))
    assert soft.max() < 0.2  # towards equal shares
    order = np.argsort(scores, axis=1)
    assert np.array_equal(np.argsort(soft, axis=1), order)


def make_copies(n=1500):
    """Answers that are as sure of harder copies as of the pictures, and more often wrong."""
    rng = np.random.default_rng(2)
    table = make_table(n, skill=6.0)
    found = [Copy(48, table, rng.normal(0.3, 0.1, n))]
    for side, wrong, fineness in ((24, 0.3, -0.5), (12, 0.9, -1.6)):
        label, ballot = table.label.copy(), table.ballot.copy()
        rows = rng.random(n) < wrong
        label[rows] = label[rows][:, rng.permutation(7)]
        ballot[rows] = ballot[rows][:, rng.permutation(10)]
        again = replace(table, label=label, ballot=ballot)
        found.append(Copy(side, again, rng.normal(fineness, 0.1, n)))
    return found


def test_confidence_comes_down_to_accuracy_where_detail_lacks():
    found = changes(make_copies(), Mix())
    small = found[-1]
    assert (small.side, small.blurred) == (12, False)
    assert small.confidence - small.accuracy > 0.1
    assert abs(small.fitted_confidence - small.fitted_accuracy) < 0.07
    assert found[0].fitted_accuracy == pytest.approx(found[0].accuracy, abs=0.02)
    assert better(found) and not better(found[:0])


def test_unclear_rises_for_tiny_faces():
    copies = make_copies()
    found = fit_all(copies, Mix())
    assert isinstance(found, Calibration) and found.ballot_detail is not None
    before, after = (
        found.apply(c.table.label, c.table.ballot, c.detail)[1][:, UNKNOWN].mean()
        for c in (copies[0], copies[-1])
    )
    assert after > before + 0.2


def test_the_slope_of_the_loss_is_right():
    copies = make_copies(60)
    task = small_faces._Task.of(copies, Calibration(), Mix(0.4, (0.1,) * 6 + (0.0,)))
    values = np.random.default_rng(3).uniform(0.1, 0.6, 2 * len(detail.KNOTS) + 17)
    slope = task.loss(values)[1]
    numeric = approx_fprime(values, lambda v: task.loss(v)[0], 1e-6)
    assert slope == pytest.approx(numeric, abs=2e-4)


def test_without_labels_or_votes_the_other_head_is_fitted():
    copies = make_copies(300)
    blank = [replace(c, table=replace(c.table, y=np.full(300, -1))) for c in copies]
    found = small_faces.fit_all(blank, Mix())
    assert max(found.label_detail.slopes) == 0 and max(found.ballot_detail.slopes) > 0
    alone = [replace(c, table=replace(c.table, counts=None)) for c in copies]
    assert max(small_faces.fit_all(alone, Mix()).label_detail.slopes) > 0
