import numpy as np
import pytest

from mien.infer.signature import describe
from mien.infer.smooth import Smoother, flicker
from mien.infer.track import Tracker

ROW, COLUMN = np.mgrid[0:48, 0:48]
LOOKS = [(5 * ROW).astype(np.uint8), (5 * COLUMN).astype(np.uint8),
         (ROW // 4 % 2 * 200).astype(np.uint8)]  # fmt: skip


def box(x, y=50, side=60):
    return (x, y, x + side, y + side)


def update(tracker, time, *faces, score=0.9):
    """Faces as (box, who)."""
    boxes = np.array([f[0] for f in faces], np.float32).reshape(-1, 4)
    crops = np.array([LOOKS[f[1]] for f in faces], np.uint8).reshape(-1, 48, 48)
    return tracker.update(boxes, np.full(len(faces), score, np.float32), crops, time)


def test_numbers_stay_with_faces_in_any_order():
    tracker = Tracker()
    assert update(tracker, 0.0, (box(0), 0), (box(200), 1)) == [1, 2]
    assert update(tracker, 0.1, (box(195), 1), (box(5), 0)) == [2, 1]
    assert update(tracker, 0.2, (box(10), 0), (box(190), 1), (box(400), 2)) == [1, 2, 3]


def test_who_is_hidden_a_while_is_known_again():
    tracker = Tracker()
    for i in range(10):
        assert update(tracker, i / 10, (box(10 * i), 0)) == [1]
    assert update(tracker, 1.9, (box(195), 0)) == [1]  # where it was expected
    for time in (3.0, 4.0, 5.0, 6.0, 7.0):
        update(tracker, time)
    assert update(tracker, 8.0, (box(195), 0)) == [2]  # after the tracker's patience


def test_searches_far_apart_do_not_end_patience():
    tracker = Tracker()
    for time in (0.0, 60.0, 120.0, 180.0):
        assert update(tracker, time, (box(3), 0)) == [1]
    update(tracker, 240.0)
    assert update(tracker, 300.0, (box(3), 0)) == [1]


def test_a_cut_ends_tracks_and_only_the_same_face_comes_back():
    tracker = Tracker()
    assert update(tracker, 0.0, (box(0), 0)) == [1]
    tracker.cut()
    assert update(tracker, 0.1, (box(0), 1)) == [2]  # in the same place
    tracker.cut()
    assert update(tracker, 60.0, (box(300), 0), (box(0), 2)) == [1, 3]  # elsewhere, long after


def test_tracks_follow_a_picture_that_grows():
    tracker = Tracker()
    update(tracker, 0.0, (box(200), 0))
    tracker.rescale(2, 2)
    assert update(tracker, 0.1, (box(400, 100, 120), 0)) == [1]


def test_another_face_in_the_same_place_is_another_person():
    tracker = Tracker()
    update(tracker, 0.0, (box(0), 0))
    assert update(tracker, 0.1, (box(0), 1)) == [2]


def test_a_weak_detection_continues_a_track_but_begins_none():
    tracker = Tracker()
    assert update(tracker, 0.0, (box(0), 0), score=0.55) == [0]
    assert update(tracker, 0.1, (box(0), 0)) == [1]
    assert update(tracker, 0.2, (box(0), 0), score=0.55) == [1]


def test_no_faces():
    tracker = Tracker()
    assert update(tracker, 0.0) == []
    update(tracker, 0.1, (box(0), 0))
    assert update(tracker, 0.2) == []
    assert update(tracker, 0.3, (box(0), 0)) == [1]


def test_looks_are_correlations_of_crops():
    crops = np.stack([*LOOKS, LOOKS[0] // 2 + 40])
    alike = describe(crops) @ describe(crops).T
    assert np.diag(alike) == pytest.approx(1, abs=1e-5)
    assert alike[0, 3] > 0.99  # brightness and contrast do not matter
    assert abs(alike[0, 1]) < 0.5
    assert np.isfinite(describe(np.zeros((1, 48, 48), np.uint8))).all()


@pytest.mark.parametrize("rate", [10, 30, 60])
def test_smoothing_takes_the_same_time_at_any_frame_rate(rate):
    smoother = Smoother(0.2)
    smoother.update(1, 0.0, np.array([1, 0], np.float32))
    for i in range(1, rate // 2 + 1):
        scores = smoother.update(1, i / rate, np.array([0, 1], np.float32))
    assert scores[1] == pytest.approx(1 - np.exp(-0.5 / 0.2), abs=1e-4)
    assert scores.sum() == pytest.approx(1, abs=1e-5)


def test_smoothing_keeps_people_apart_and_can_be_off():
    smoother = Smoother(0.2)
    smoother.update(1, 0.0, np.array([1, 0], np.float32))
    assert smoother.update(2, 0.1, np.array([0, 1], np.float32)).tolist() == [0, 1]
    off = Smoother(0)
    off.update(1, 0.0, np.array([1, 0], np.float32))
    assert off.update(1, 0.1, np.array([0, 1], np.float32)).tolist() == [0, 1]


def test_flicker_is_the_mean_total_variation():
    assert flicker(np.array([[1, 0], [0, 1], [0, 1.0]])) == pytest.approx(0.5)
    assert flicker(np.array([[1.0, 0]])) == 0
