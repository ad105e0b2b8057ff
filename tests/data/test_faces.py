import functools

import numpy as np

from mien.data.cache import Cache
from mien.data.faces import DROP, FLAG, Judge, not_a_face
from mien.data.outliers import gradient_histograms, outlier_scores
from mien.data.reading import Crops
from mien.data.suspects import find_suspects
from tests.data.drawn import face, placard


@functools.cache
def made(count=800, odd=6):
    rng = np.random.default_rng(5)
    kinds = ("happy", "sad", "fear", "neutral")
    faces = [face(rng, kinds[i % 4]) for i in range(count)]
    return np.stack([*faces, *(placard(rng) for _ in range(odd))])


def test_placards_lie_far_out():
    images = made()
    scores = outlier_scores(lambda rows: images[rows], np.arange(len(images)))
    assert scores[800:].min() > np.quantile(scores[:800], 0.98)
    assert abs(np.median(scores)) < 0.1


def test_contrast_drops_out_of_the_histograms():
    images = made(4, 0)
    half = (images // 2).astype(np.uint8)
    np.testing.assert_allclose(gradient_histograms(images), gradient_histograms(half), atol=0.05)


def test_a_sure_face_clears_and_votes_overrule():
    outlier = np.array([0.0, 6.0, 6.0, 6.0, 0.0, 0.0])
    votes = np.full((6, 10), -1)
    votes[4] = [0] * 9 + [10]
    votes[5] = [4] + [0] * 8 + [6]
    verdict = not_a_face(
        outlier,
        face=np.array([0.0, 0.0, 0.9, 0.1, 0.9, 0.9]),
        unclear=np.array([0.1, 0.1, 0.1, 0.1, 0.0, 0.0]),
        votes=votes,
    )
    assert verdict.score[0] < FLAG
    assert verdict.score[1] >= DROP
    assert verdict.score[2] == 0
    assert FLAG <= verdict.score[3] < verdict.score[1]
    assert verdict.score[4] == 1
    assert FLAG <= verdict.score[5] < DROP
    assert verdict.reason[1] == "unlike the other pictures, no face found"
    assert verdict.reason[4] == "people voted: not a face"


def test_unclear_alone_raises_suspicion():
    verdict = not_a_face(np.zeros(2), face=np.zeros(2), unclear=np.array([0.95, 0.2]))
    assert verdict.score.tolist()[0] == 0.95
    assert verdict.reason[0] == "the model finds it unclear, no face found"


def test_the_detector_is_asked_about_suspicious_pictures_once(tmp_path):
    images = made()
    path = tmp_path / "crops.npy"
    np.save(path, images)
    empty = np.array([""] * len(images))
    crops = Crops(
        path,
        empty,
        {},
        empty.astype("S64"),
        np.zeros(0, bool),
        np.zeros(0, bool),
        np.full(len(images), -1.0),
        np.zeros(0, bool),
        "key",
    )
    asked = []

    def look(batch):
        asked.append(len(batch))
        return np.zeros(len(batch))

    rows = np.arange(len(images))
    votes = np.full((len(images), 10), -1)
    judge = Judge("made", look, lambda batch: np.full(len(batch), 0.01))
    for _ in range(2):
        verdict = find_suspects(crops, rows, votes, Cache(tmp_path), judge=judge)
    assert 6 <= sum(asked) < 120
    assert (verdict.score[800:] >= FLAG).all()
    assert (verdict.score[:800] >= FLAG).mean() < 0.02
