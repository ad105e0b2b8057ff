import numpy as np
import pytest

from mien.data.correlate import best_correlation
from mien.data.duplicates import exact_copies, find_copies, near_copies
from mien.data.neighbours import search
from tests.data.drawn import CHANGES, face

EMOTIONS = ("happy", "sad", "neutral", "surprise")


@pytest.fixture(scope="module")
def planted():
    """600 faces, then 200 changed copies of some of them; and which is a copy of which."""
    rng = np.random.default_rng(7)
    faces = [face(rng, EMOTIONS[i % 4]) for i in range(600)]
    source = rng.choice(600, 200, replace=False)
    copies = [CHANGES[i % 4](faces[s], rng) for i, s in enumerate(source)]
    return np.stack([*faces, *copies]), source


def independent(a, b):
    """Best aligned correlation, written out with numpy.corrcoef."""
    best = -1.0
    for other in (b, b[:, ::-1]):
        for dy in range(-3, 4):
            for dx in range(-3, 4):
                y = slice(max(0, dy), 48 + min(0, dy)), slice(max(0, dx), 48 + min(0, dx))
                z = slice(max(0, -dy), 48 + min(0, -dy)), slice(max(0, -dx), 48 + min(0, -dx))
                best = max(best, np.corrcoef(a[y].ravel(), other[z].ravel())[0, 1])
    return best


def test_planted_copies_are_found_and_nothing_else(planted):
    images, source = planted
    found = near_copies(lambda rows: images[rows], np.arange(len(images)))
    pairs = {tuple(pair) for pair in found.pairs.tolist()}
    hits = [(int(s), 600 + i) in pairs for i, s in enumerate(source)]
    assert np.mean(hits) >= 0.95
    for change in range(4):
        assert np.mean(hits[change::4]) >= 0.9, CHANGES[change].__name__
    scores = np.array([independent(images[a], images[b]) for a, b in found.pairs])
    assert np.mean(scores < 0.9) <= 0.005
    np.testing.assert_allclose(scores, found.correlation, atol=2e-3)
    mirrored = {600 + i for i in range(2, 200, 4)}
    for (_, b), flipped in zip(found.pairs.tolist(), found.mirrored, strict=True):
        assert not flipped or b in mirrored or b < 600


def test_two_crops_that_are_each_there_many_times_meet():
    """A picture keeps its few nearest copies; the others of its photo lie beyond them."""
    rng = np.random.default_rng(9)
    faces = np.stack([face(rng, EMOTIONS[i % 4]) for i in range(40)])
    photo = np.pad(face(rng, "happy"), 2, mode="edge")
    crops = [photo[at : at + 48, at : at + 48] for at in (0, 2)]
    noisy = [
        np.clip(crop + rng.normal(0, 1.5, (48, 48)), 0, 255).astype(np.uint8)
        for crop in crops
        for _ in range(12)
    ]
    images = np.concatenate([faces, noisy])
    found = near_copies(lambda rows: images[rows], np.arange(len(images)))
    a, b = found.pairs[(found.pairs >= 40).all(1)].T
    assert (a < 52).any() and ((a < 52) & (b >= 52)).any(), "the two crops are joined"
    assert len(np.unique(found.pairs, axis=0)) == len(found.pairs)


def test_correlation_agrees_with_an_independent_one():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (6, 48, 48)).astype(np.uint8)
    b = np.stack([np.roll(x, (k % 3, -(k % 2)), (0, 1)) for k, x in enumerate(a)])
    b[3] = 255 - b[3]
    b[4] = 17
    expected = []
    for x, y in zip(a, b, strict=True):
        best = -1.0
        for dy in range(-3, 4):
            for dx in range(-3, 4):
                u = x[max(0, dy) : 48 + min(0, dy), max(0, dx) : 48 + min(0, dx)]
                v = y[max(0, -dy) : 48 + min(0, -dy), max(0, -dx) : 48 + min(0, -dx)]
                best = max(best, np.corrcoef(u.ravel(), v.ravel())[0, 1] if v.std() else 0.0)
        expected.append(best)
    np.testing.assert_allclose(best_correlation(a, b), expected, atol=1e-5)


def test_exact_copies_join_the_first_usable():
    sha = np.array([b"a", b"b", b"a", b"c", b"a", b"b"])
    usable = np.array([False, True, True, True, True, True])
    assert exact_copies(sha, usable).pairs.tolist() == [[1, 5], [2, 4]]


def test_exact_and_near_copies_meet(planted):
    images, _ = planted
    rows = np.array([0, 1, 0, 600, 2])
    few = images[rows]
    sha = np.array([b"a", b"b", b"a", b"c", b"d"])
    found = find_copies(lambda r: few[r], sha, np.ones(5, bool), correlation=2)
    assert found.pairs.tolist() == [[0, 2]]


def test_search_finds_what_all_pairs_find():
    rng = np.random.default_rng(3)
    base = rng.normal(size=(3000, 64)).astype(np.float32)
    base[2000:] = base[:1000] + 0.5 * rng.normal(size=(1000, 64))
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    query, neighbour = search(base, base, above=0.7)
    found = set(zip(query.tolist(), neighbour.tolist(), strict=True))
    likeness = base @ base.T
    np.fill_diagonal(likeness, 0)
    every = set(zip(*(x.tolist() for x in np.nonzero(likeness > 0.7)), strict=True))
    assert found <= every
    assert len(found) >= 0.97 * len(every)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_pictures(count):
    images = np.random.default_rng(0).integers(0, 255, (count, 48, 48)).astype(np.uint8)
    assert len(near_copies(lambda r: images[r], np.arange(count)).pairs) == 0
