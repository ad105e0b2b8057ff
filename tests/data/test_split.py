import numpy as np
import pytest

from mien.data.split import parse_ratio, place_groups

RATIO = (0.8, 0.1, 0.1)


def made(count, seed=0):
    rng = np.random.default_rng(seed)
    label = rng.choice(7, count, p=[0.14, 0.02, 0.14, 0.25, 0.17, 0.17, 0.11])
    return label, rng.integers(1, 4, count), [f"{i:06d}" for i in range(count)]


def test_every_class_has_the_ratio():
    label, size, key = made(5000)
    place = place_groups(label, size, key, np.full(5000, -1), ratio=RATIO)
    for kind in range(7):
        of = label == kind
        shares = [size[of & (place == s)].sum() / size[of].sum() for s in range(3)]
        np.testing.assert_allclose(shares, RATIO, atol=0.01 + 3 / size[of].sum())


def test_order_of_the_pictures_does_not_matter():
    label, size, key = made(300)
    place = place_groups(label, size, key, np.full(300, -1), ratio=RATIO)
    turn = np.random.default_rng(1).permutation(300)
    again = place_groups(
        label[turn], size[turn], [key[i] for i in turn], np.full(300, -1), ratio=RATIO
    )
    assert (again == place[turn]).all()


def test_seed_matters():
    label, size, key = made(300)
    one, two = (
        place_groups(label, size, key, np.full(300, -1), ratio=RATIO, seed=s) for s in (0, 1)
    )
    assert (one != two).any()


def test_placed_groups_stay_and_new_ones_fill_the_gap():
    label, size, key = np.zeros(100, int), np.ones(100, int), [str(i) for i in range(100)]
    pinned = np.full(100, -1)
    pinned[:50] = 0  # fifty in train: valid and test lack ten each of a hundred
    place = place_groups(label, size, key, pinned, ratio=RATIO)
    assert (place[:50] == 0).all()
    assert np.bincount(place).tolist() == [80, 10, 10]


def test_a_share_of_zero_stays_empty():
    label, size, key = made(50)
    place = place_groups(label, size, key, np.full(50, -1), ratio=(0.9, 0.0, 0.1))
    assert not (place == 1).any()


@pytest.mark.parametrize("text", ["8:1", "a:b:c", "0:1:1", "8:-1:1", ""])
def test_bad_ratios(text):
    with pytest.raises(ValueError, match="8:1:1"):
        parse_ratio(text)


def test_ratio():
    assert parse_ratio("8:1:1") == (0.8, 0.1, 0.1)
