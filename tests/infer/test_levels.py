from itertools import pairwise

import pytest

from mien.infer.levels import BASE_SIDE, DEFAULT_MIN_FACE, SEARCH_SIDE, STEP, SURE_SIZE, scales


@pytest.mark.parametrize("shape", [(48, 48), (480, 640), (1440, 1920), (3000, 4000), (100, 9000)])
@pytest.mark.parametrize("min_face", [10, 40, 64, 500])
def test_scales_rise_from_the_whole_picture_to_the_smallest_face(
    shape: tuple[int, int], min_face: int
) -> None:
    found = scales(*shape, min_face)
    assert found[0] == pytest.approx(BASE_SIDE / max(shape))
    steps = [b / a for a, b in pairwise(found)]
    assert all(1 < step <= STEP + 1e-9 for step in steps)
    assert found[-1] * max(shape) <= SEARCH_SIDE + 1e-9


@pytest.mark.parametrize("min_face", [20, 40, 64])
def test_faces_of_min_face_are_shown_large_enough(min_face: int) -> None:
    assert scales(960, 1280, min_face)[-1] * min_face == pytest.approx(SURE_SIZE)


def test_large_photos_count_as_reduced() -> None:
    reduced = 4000 / SEARCH_SIDE
    assert scales(3000, 4000)[-1] * DEFAULT_MIN_FACE * reduced == pytest.approx(SURE_SIZE)
    assert scales(3000, 4000, 100)[-1] * 100 == pytest.approx(SURE_SIZE)
    assert scales(3000, 4000, 20)[-1] > scales(3000, 4000, 40)[-1]


def test_min_face_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="min_face"):
        scales(480, 640, 0)
