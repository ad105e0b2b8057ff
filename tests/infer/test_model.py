from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from skimage import data

import mien
from tests.tiny import make_bundle


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return mien.load(make_bundle(tmp_path_factory.mktemp("bundles") / "tiny"), threads=1)


@pytest.fixture
def crops():
    return np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8)


def test_classify_gives_distributions(model, crops):
    scores = model.classify(crops, cam=True)
    assert scores.label.shape == (5, 7)
    assert scores.ballot.shape == (5, 10)
    assert scores.cam.shape == (5, 7, 4, 4)
    for rows in (scores.label, scores.ballot, scores.votes):
        assert np.allclose(rows.sum(axis=1), 1, atol=1e-5)
    assert np.allclose(scores.unclear, scores.ballot[:, 8] + scores.ballot[:, 9], atol=1e-6)


def test_classify_does_not_depend_on_the_batch(model, crops):
    whole = model.classify(crops).ballot
    parts = [model.classify(crops[i : i + 1]).ballot for i in range(5)]
    assert np.allclose(whole, np.concatenate(parts), atol=1e-6)
    assert np.allclose(whole, model.classify(crops, batch_size=2).ballot, atol=1e-6)


def test_classify_takes_lists_and_other_sizes(model, crops):
    listed = model.classify([crops[0], np.kron(crops[1], np.ones((2, 2), np.uint8))])
    assert np.allclose(listed.label, model.classify(crops[:2]).label, atol=1e-6)
    assert len(model.classify(np.empty((0, 48, 48), np.uint8))) == 0
    assert len(model.classify([])) == 0


def test_classify_refuses_what_would_score_as_nonsense(model):
    with pytest.raises(TypeError, match="uint8"):
        model.classify(np.zeros((1, 48, 48), np.float32))
    for shape in ((48, 48), (2, 48, 48, 1), (2, 48, 48, 4), (2, 3, 48, 48)):
        with pytest.raises(ValueError, match="shape"):
            model.classify(np.zeros(shape, np.uint8))
    for crop in (np.zeros((48, 48, 4), np.uint8), np.zeros((0, 48), np.uint8), [[1, 2]]):
        with pytest.raises(ValueError, match="a crop is"):
            model.classify([crop])
    with pytest.raises(ValueError, match="batch_size -1"):
        model.classify(np.zeros((1, 48, 48), np.uint8), batch_size=-1)


def test_an_unknown_head_is_named(model):
    with pytest.raises(ValueError, match="votes, label"):
        mien.load(model.bundle.path, head="both")


def test_analyze_finds_the_astronaut(model):
    faces = model.analyze(data.astronaut())
    assert len(faces) == 1
    left, top, right, bottom = faces[0].box
    assert 150 < left < 230 < right < 300
    assert 40 < top < 130 < bottom < 200
    assert faces[0].detected
    assert sum(faces[0].expression.votes.values()) == pytest.approx(1, abs=1e-5)


def test_a_small_picture_without_a_face_has_none_unless_it_is_called_a_crop(model, crops):
    assert model.analyze(crops[0]) == []
    (face,) = model.analyze(crops[0], crops=True)
    assert not face.detected
    assert face.box == (0, 0, 48, 48)
    label = model.classify(crops[:1]).label[0]
    assert np.allclose(list(face.expression.label.values()), label, atol=1e-6)


def test_a_large_picture_without_a_face_has_none(model):
    assert model.analyze(np.full((300, 300, 3), 90, np.uint8)) == []


def test_crops_takes_the_whole_picture(model):
    (face,) = model.analyze(data.astronaut(), crops=True)
    assert not face.detected
    assert face.box == (0, 0, 512, 512)


def test_one_bad_picture_does_not_end_a_batch(model, tmp_path, crops):
    good = tmp_path / "good.png"
    Image.fromarray(crops[0]).save(good)
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"not a picture")
    entries = list(model.analyze_many([good, bad, tmp_path / "missing.png", good]))
    assert [entry.error is None for entry in entries] == [True, False, False, True]
    assert str(bad) in entries[1].error
    assert entries[0].faces == entries[3].faces == []


def test_one_model_serves_many_threads(model, crops):
    alone = model.classify(crops).ballot
    with ThreadPoolExecutor(4) as pool:
        for ballot in pool.map(lambda _: model.classify(crops).ballot, range(12)):
            assert np.array_equal(ballot, alone)


def test_results_read_well():
    from mien import EMOTIONS, Scores

    label = np.full((1, 7), 1 / 7, np.float32)
    ballot = np.zeros((1, 10), np.float32)
    ballot[0, [1, 8]] = 0.4, 0.6
    (expression,) = Scores(label=label, ballot=ballot).expressions()
    assert expression.top == "happy"
    assert expression.is_unclear
    assert next(iter(expression.named("ko"))) == "기쁨"
    assert list(expression.to_dict()["votes"]) == [e.value for e in EMOTIONS]
    (by_label,) = Scores(label=label, ballot=ballot).expressions("label")
    assert by_label.top == "angry", "the first of equals"
