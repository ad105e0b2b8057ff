import numpy as np

from mien.infer.boxes import decode, merge, overlaps


def row(left: float, top: float, side: float, score: float) -> np.ndarray:
    box = [left, top, left + side, top + side]
    return np.array([*box, *[left + side / 2, top + side / 2] * 6, score], np.float32)


def test_decode_places_anchors_in_rows() -> None:
    raw = np.zeros((3 * 4, 16), np.float32)
    raw[:, 2:4] = 10  # size
    logits = np.full(12, -9, np.float32)
    logits[6] = 2.0  # second row, third column of a picture 16 pixels wide
    found = decode(raw, logits, 16, 0.5)
    assert found.shape == (1, 17)
    np.testing.assert_allclose(found[0, :4], [5, 1, 15, 11])
    np.testing.assert_allclose(found[0, 4:6], [10, 6])
    np.testing.assert_allclose(found[0, 16], 1 / (1 + np.exp(-2.0)), rtol=1e-6)


def test_decode_drops_boxes_without_area() -> None:
    assert decode(np.zeros((4, 16), np.float32), np.full(4, 5, np.float32), 8, 0.5).shape == (0, 17)


def test_merge_averages_views_of_one_face_and_keeps_two_apart() -> None:
    faces = merge(np.array([row(0, 0, 10, 0.6), row(2, 0, 10, 0.9), row(50, 50, 10, 0.7)]))
    assert faces.shape == (2, 17)
    np.testing.assert_allclose(faces[:, 16], [0.9, 0.7])
    np.testing.assert_allclose(faces[0, 0], 2 * 0.9 / 1.5, rtol=1e-6)


def test_merge_drops_a_part_of_a_face_without_averaging_it() -> None:
    faces = merge(np.array([row(0, 0, 100, 0.9), row(40, 60, 20, 0.8)]))
    np.testing.assert_allclose(faces, [row(0, 0, 100, 0.9)])


def test_merge_of_nothing() -> None:
    assert merge(np.empty((0, 17), np.float32)).shape == (0, 17)


def test_overlaps_by_hand() -> None:
    box, others = row(0, 0, 10, 1), np.array([row(5, 0, 10, 1), row(20, 20, 5, 1), row(2, 2, 5, 1)])
    union, smaller = overlaps(box, others)
    np.testing.assert_allclose(union, [50 / 150, 0, 0.25])
    np.testing.assert_allclose(smaller, [0.5, 0, 1])
