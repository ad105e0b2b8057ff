import numpy as np
import pytest

from mien.data import sketch as sketches


@pytest.fixture(scope="module")
def crops():
    return np.random.default_rng(0).integers(0, 256, (6000, 8, 8), dtype=np.uint8)


def test_a_small_set_is_known_exactly(crops):
    record = sketches.sketch(crops[:20])
    assert sketches.share_seen(record, crops[10:30]) == 0.5
    assert sketches.share_seen(record, crops[100:120]) == 0


def test_shares_of_a_large_set_are_estimated(crops):
    record = sketches.sketch(crops[:4000])
    assert len(record) < 1800
    assert sketches.share_seen(record, crops[:4000]) == 1
    assert sketches.share_seen(record, crops[4000:]) == 0
    assert sketches.share_seen(record, crops[3000:5000]) == pytest.approx(0.5, abs=0.12)


def test_the_sketch_of_two_sets_is_that_of_their_union(crops):
    parts = [sketches.sketch(crops[:3000]), sketches.sketch(crops[2000:5000])]
    assert sketches.merge(parts) == sketches.sketch(crops[:5000])


def test_nothing_seen():
    none = np.zeros((0, 8, 8), np.uint8)
    assert sketches.share_seen(sketches.sketch(none), np.zeros((3, 8, 8), np.uint8)) == 0
    assert sketches.share_seen(sketches.sketch(np.ones((3, 8, 8), np.uint8)), none) == 0
