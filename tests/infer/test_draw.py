import numpy as np
import pytest
from PIL import Image

from mien.emotions import HEADS, LANGUAGES
from mien.infer.draw import SMALLEST, annotate
from mien.infer.results import Face, Scores


def face(box: tuple[float, float, float, float], seed: int = 0, unclear: float = 0.0) -> Face:
    rng = np.random.default_rng(seed)
    ballot = rng.dirichlet(np.full(10, 0.4))[None].astype(np.float32)
    ballot[0, 8] += unclear
    label = rng.dirichlet(np.full(7, 0.4))[None].astype(np.float32)
    return Face(box, next(Scores(label, ballot / ballot.sum()).expressions()))


GROUND = (60, 90, 120)


def picture(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), GROUND, np.uint8)


@pytest.mark.parametrize("size", [(48, 48), (640, 480), (480, 900), (2400, 1800)])
@pytest.mark.parametrize("language", LANGUAGES)
def test_one_face_in_any_picture(size: tuple[int, int], language: str) -> None:
    width, height = size
    box = (width * 0.3, height * 0.2, width * 0.6, height * 0.2 + width * 0.3)
    drawn = annotate(picture(width, height), [face(box)], language=language)
    assert drawn.mode == "RGB"
    assert max(drawn.size) >= SMALLEST
    assert (np.asarray(drawn) != GROUND).any(axis=2).mean() > 0.02


def test_two_faces_with_room_stay_in_the_picture() -> None:
    faces = [face((100, 100, 220, 220), 1), face((700, 500, 800, 600), 2)]
    drawn = annotate(picture(1280, 960), faces)
    assert drawn.size == (1280, 960)
    for box in ((130, 130, 190, 190), (730, 530, 770, 570)):
        assert (np.asarray(drawn.crop(box)) == GROUND).all()  # nothing is laid on a face


def test_a_crowd_is_numbered_and_listed_below() -> None:
    boxes = [(20 + 60 * i, 100.0, 70 + 60 * i, 150.0) for i in range(20)]
    drawn = annotate(picture(1280, 700), [face(box, i) for i, box in enumerate(boxes)])
    assert drawn.width == 1280 and drawn.height > 1400
    assert (np.asarray(drawn.crop((0, 300, 1280, 690))) == GROUND).all()


def test_faces_at_and_beyond_the_edge() -> None:
    edge = [face((-30, -20, 90, 100)), face((600, 440, 700, 540)), face((900, 900, 950, 950))]
    assert annotate(picture(640, 480), edge).width >= 640


def test_no_face_is_said_and_the_original_is_left_alone() -> None:
    original = Image.fromarray(picture(640, 480))
    drawn = annotate(original, [], language="ko")
    assert drawn.size == (640, 480)
    assert (np.asarray(drawn) != GROUND).any()
    assert (np.asarray(original) == GROUND).all()


def test_head_chooses_the_scores() -> None:
    one = face((200, 100, 300, 200), 4)
    drawn = {
        head: np.asarray(annotate(picture(800, 600), [one], head=head)).tobytes() for head in HEADS
    }
    assert len(set(drawn.values())) == len(HEADS)
    assert np.asarray(annotate(picture(800, 600), [one])).tobytes() == drawn["expression"]


def test_unknown_language_is_refused() -> None:
    with pytest.raises(ValueError, match="choose from"):
        annotate(picture(64, 64), [], language="xx")


def test_unknown_head_is_refused() -> None:
    with pytest.raises(ValueError, match="votes, label"):
        annotate(picture(64, 64), [], head="both")
