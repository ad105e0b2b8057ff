"""Why a face is hard to read, on public-domain portraits and what code makes of them."""

import json

import numpy as np
import pytest
from benchmarks import degraded
from benchmarks.montage import PORTRAITS
from PIL import Image, ImageFilter

from mien import images
from mien.infer.crop import SIDE, crop_face
from mien.infer.detect import LANDMARKS, Detection
from mien.infer.footage import Still
from mien.infer.model import join, load
from mien.infer.reasons import REASONS, is_covered, is_turned, reasons
from mien.infer.record import Made
from mien.infer.results import Picture, Scores
from mien.infer.retinaface import RetinaFace
from mien.infer.rows import rows
from mien.infer.video import watch
from tests.tiny import make_bundle

FRAME = np.array(list(LANDMARKS.values()))


@pytest.fixture(scope="module")
def portraits() -> list[tuple[np.ndarray, Detection]]:
    """Astronaut and Hopper, each with its face."""
    pictures = [images.read(path) for path, _ in PORTRAITS]
    return [(picture, RetinaFace(threads=1).detect(picture)[0]) for picture in pictures]


def told(picture: np.ndarray, face: Detection) -> list[str]:
    return reasons(face, crop_face(picture, face), (picture.shape[1], picture.shape[0]))


def scaled(picture: np.ndarray, face: Detection, scale: float) -> tuple[np.ndarray, Detection]:
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    less = np.array(size) / picture.shape[1::-1]
    small = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
    box = tuple(np.multiply(face.box, np.tile(less, 2)))
    return small, Detection(box, (face.landmarks * less).astype(np.float32), face.score)


def moved(points: np.ndarray) -> Detection:
    """A detection whose box is that of its points."""
    box = (*points.min(axis=0), *points.max(axis=0))
    return Detection(tuple(float(v) for v in box), points.astype(np.float32), 0.9)


def test_nothing_is_the_matter_with_portraits(portraits) -> None:
    for picture, face in portraits:
        assert told(picture, face) == []


def test_a_small_face_is_small_and_not_called_blurred(portraits) -> None:
    for picture, face in portraits:
        width = np.ptp(face.landmarks[:, 0]) / np.ptp(FRAME[:, 0]) * SIDE  # of the crop, about
        assert told(*scaled(picture, face, 20 / width)) == ["small"]
        assert told(*scaled(picture, face, 32 / width)) == []


def test_a_picture_taken_as_a_crop_is_small_by_its_shorter_side(portraits) -> None:
    crop = crop_face(*portraits[0])
    assert reasons(None, crop, (48, 48)) == reasons(None, crop, (24, 90)) == []
    assert reasons(None, crop, (90, 23)) == ["small"]


@pytest.mark.parametrize(
    "change",
    [
        lambda crop: degraded.blurred(crop, 1.3),
        lambda crop: degraded.moved(crop, 7, 0),
        lambda crop: degraded.moved(crop, 7, 90),
    ],
    ids=["out of focus", "moved across", "moved down"],
)
def test_a_blurred_face_is_blurred_whatever_its_contrast(portraits, change) -> None:
    for picture, face in portraits:
        crop = crop_face(picture, face)
        for faint in (1.0, 0.4):
            plain = np.rint(128 + faint * (crop - 128.0)).astype(np.uint8)
            assert "blurred" not in reasons(None, plain, (48, 48))
            assert "blurred" in reasons(None, change(plain), (48, 48))


@pytest.mark.parametrize("kind", [kind for kind in degraded.COVERS if kind != "microphone"])
def test_a_covered_face_is_covered(portraits, kind: str) -> None:
    crops = [crop_face(picture, face) for picture, face in portraits]
    rng = np.random.default_rng(0)
    made = [degraded.covered(crop, kind, rng) for crop in crops for _ in range(10)]
    assert np.mean([is_covered(crop.astype(float)) for crop in made]) >= 0.6
    assert not any(is_covered(crop.astype(float)) for crop in crops)


def test_a_plain_crop_is_no_error() -> None:
    grey = np.full((SIDE, SIDE), 90, np.uint8)
    assert set(reasons(None, grey, (48, 48))) <= set(REASONS)


def test_heads_turned_by_landmarks(portraits) -> None:
    assert not is_turned(FRAME)
    aside, narrow, up, down = (FRAME.copy() for _ in range(4))
    aside[2, 0] += 6
    narrow[:2, 0] = 24 + (FRAME[:2, 0] - 24) / 2
    up[2, 1], down[2, 1] = 23, 33
    for points in (aside, narrow, up, down):
        assert is_turned(points)
        assert "turned" in reasons(moved(points), crop_face(*portraits[0]), (48, 48))
    assert is_turned(np.zeros((5, 2)))


@pytest.mark.parametrize("degrees", [30, 90, 180])
def test_a_head_that_leans_is_not_turned(degrees: int) -> None:
    angle = np.radians(degrees)
    lean = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert not is_turned(FRAME @ lean.T * 3 + 100)


def test_a_side_view_is_turned_and_its_far_eye_covers_nothing() -> None:
    picture = images.read(PORTRAITS[0][0].parent / "camera.png")
    (face,) = RetinaFace(threads=1).detect(picture)
    assert told(picture, face) == ["turned"]


def test_each_face_of_a_picture_and_of_a_video_has_its_own_reasons(portraits, tmp_path) -> None:
    picture, face = portraits[0]
    soft = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(3)))
    both, width = np.concatenate([picture, soft], axis=1), picture.shape[1]
    left, top, right, bottom = face.box
    points = face.landmarks + np.array([width, 0], np.float32)
    other = Detection((left + width, top, right + width, bottom), points, 0.9)

    class Both:
        def detect(self, image: np.ndarray, *, min_face: int = 40) -> list[Detection]:
            return [other, face]

    model = load(make_bundle(tmp_path / "tiny"), threads=1)
    model.detector = Both()
    stills = [Still(i, i / 10, both) for i in range(3)]
    seen = [model.analyze(both), *(frame.faces for frame in watch(stills, model, every=2))]
    seen += [entry.faces for entry in model.analyze_many([both, both])]
    assert len(seen) == 6
    for faces in seen:
        across = sorted(faces, key=lambda each: each.box[0])
        assert [each.reasons for each in across] == [[], ["blurred"]]


def test_faces_carry_their_reasons_whether_or_not_they_are_unclear(portraits) -> None:
    crop = crop_face(*portraits[0])
    label = np.full((2, 7), 1 / 7, np.float32)
    ballot = np.full((2, 10), 0.1, np.float32)
    ballot[1] = [0, 0, 0, 0, 0, 0, 0, 0, 1, 0]
    expressions = list(Scores(label, ballot).expressions())
    assert [each.is_unclear for each in expressions] == [False, True]
    hard = degraded.blurred(crop, 2)
    faces = join([None, None], [hard, crop], expressions, (48, 48))
    assert faces[0].reasons[0] == "blurred" and faces[1].reasons == []
    assert json.loads(json.dumps(faces[1].to_dict()))["reasons"] == []
    table = rows(Picture("a.png", 48, 48, faces), Made("tiny"))
    assert table[0]["reasons"] == " ".join(faces[0].reasons) and table[1]["reasons"] == ""
    assert rows(Picture("b.png", 9, 9), Made("tiny"))[0]["reasons"] is None
