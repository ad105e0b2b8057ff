import numpy as np

from mien.infer.boxes import decode, merge, overlaps, rolls, turned_back


def row(left: float, top: float, side: float, score: float) -> np.ndarray:
    box = [left, top, left + side, top + side]
    return np.array([*box, *[left + side / 2, top + side / 2] * 5, score], np.float32)


def test_decode_places_anchors_by_level() -> None:
    anchors = 2 * (4 * 8 + 2 * 4 + 1 * 2)  # of 32x64 pixels
    raw = np.zeros((anchors, 15), np.float32)
    raw[:, 0] = -9
    raw[2 * 9 + 1, 0] = 2.0  # stride 8, second row, second column, larger anchor
    raw[2 * 9 + 1, 1:3] = (1, -2)  # tenths of the anchor's side
    raw[-2, 0] = 1.0  # stride 32, second place, smaller anchor
    found = decode(raw, (32, 64), 0.5)
    assert found.shape == (2, 15)
    np.testing.assert_allclose(
        found[0, :4], [12 + 3.2 - 16, 12 - 6.4 - 16, 12 + 3.2 + 16, 12 - 6.4 + 16], atol=1e-4
    )
    np.testing.assert_allclose(found[0, 4:6], [12, 12])
    np.testing.assert_allclose(found[0, 14], 1 / (1 + np.exp(-2.0)), rtol=1e-6)
    np.testing.assert_allclose(found[1, :4], [48 - 128, 16 - 128, 48 + 128, 16 + 128])


def test_rolls_and_turns_back() -> None:
    points = [10, 10, 20, 10, 15, 15, 11, 20, 19, 20]
    face = np.array([[5, 5, 25, 25, *points, 0.9]], np.float32)
    assert rolls(face)[0] == 0
    turned = turned_back(face, 1, 40, 60)
    np.testing.assert_allclose(turned[0, :4], [35, 5, 55, 25])
    np.testing.assert_allclose(turned[0, 4:6], [50, 10])
    assert rolls(turned)[0] == 90
    for quarters in range(4):
        size = (40, 60) if quarters % 2 == 0 else (60, 40)
        back = turned_back(turned_back(face, quarters, 40, 60), 4 - quarters, *size[::-1][::-1])
        assert rolls(back)[0] == 0


def test_merge_averages_views_of_one_face_and_keeps_two_apart() -> None:
    faces = merge(np.array([row(0, 0, 10, 0.6), row(2, 0, 10, 0.9), row(50, 50, 10, 0.7)]))
    assert faces.shape == (2, 15)
    np.testing.assert_allclose(faces[:, 14], [0.9, 0.7])
    np.testing.assert_allclose(faces[0, 0], 2 * 0.9 / 1.5, rtol=1e-6)


def test_merge_drops_a_part_of_a_face_without_averaging_it() -> None:
    faces = merge(np.array([row(0, 0, 100, 0.9), row(40, 60, 20, 0.8)]))
    np.testing.assert_allclose(faces, [row(0, 0, 100, 0.9)])


def test_merge_of_nothing() -> None:
    assert merge(np.empty((0, 15), np.float32)).shape == (0, 15)


def test_overlaps_by_hand() -> None:
    box, others = row(0, 0, 10, 1), np.array([row(5, 0, 10, 1), row(20, 20, 5, 1), row(2, 2, 5, 1)])
    union, smaller = overlaps(box, others)
    np.testing.assert_allclose(union, [50 / 150, 0, 0.25])
    np.testing.assert_allclose(smaller, [0.5, 0, 1])
