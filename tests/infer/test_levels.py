from itertools import pairwise

import pytest

from mien.infer.levels import BASE_SIDE, SEEN, SHARED, STEP, TILE, WHOLE, cores, scales, tiles


@pytest.mark.parametrize("shape", [(48, 48), (480, 640), (1440, 1920), (4000, 6000), (100, 9000)])
@pytest.mark.parametrize("min_face", [10, 40, 64, 500])
def test_the_first_pass_sees_all_of_it_and_steps_are_small(
    shape: tuple[int, int], min_face: int
) -> None:
    found = scales(*shape, min_face)
    assert found[0] * max(shape) <= WHOLE + 1e-9
    assert len(found) == 1 or found[0] == pytest.approx(BASE_SIDE / max(shape))
    assert all(1 < b / a <= STEP + 1e-9 for a, b in pairwise(found))


@pytest.mark.parametrize("shape", [(480, 640), (960, 1280), (4000, 6000), (9000, 12000)])
def test_min_face_means_the_same_at_any_size(shape: tuple[int, int]) -> None:
    assert scales(*shape, 40)[-1] * 40 == pytest.approx(SEEN)
    assert scales(*shape, 80)[-1] * 80 == pytest.approx(SEEN)
    assert scales(*shape, 20)[-1] == 1
    assert scales(*shape, 8)[-1] == 2


def test_min_face_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="min_face"):
        scales(480, 640, 0)


@pytest.mark.parametrize("size", [(300, 400), (1281, 640), (2600, 3900), (5000, 1300)])
def test_every_place_has_one_tile_that_answers_for_it(size: tuple[int, int]) -> None:
    cut = tiles(*size)
    assert all(max(part[2] - part[0], part[3] - part[1]) <= TILE for part in cut)
    for y in range(0, size[0], 37):
        for x in range(0, size[1], 41):
            owners = [
                part for part in cut
                if (c := cores(part, *size))[0] <= x < c[2] and c[1] <= y < c[3]
            ]  # fmt: skip
            assert len(owners) == 1
            left, _, right, _ = owners[0]
            assert left == 0 or x - left >= SHARED // 2  # far enough from the cut to be seen whole
            assert right == size[1] or right - x >= SHARED // 2
