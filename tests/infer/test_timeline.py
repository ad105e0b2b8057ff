import numpy as np
import pytest

from mien.emotions import EMOTIONS, Emotion
from mien.infer.results import Face, Scores
from mien.infer.timeline import ORDER, Person, Timeline, bands, columns, ticks
from mien.infer.video import Frame


def frame(index, time, tops):
    """Faces 0, 1, … with the given top emotions, as tracks 1, 2, …"""
    label = np.full((len(tops), 7), 0.01, np.float32)
    for row, top in zip(label, tops, strict=True):
        row[top.position] = 0.94
    expressions = Scores(label, np.full((len(tops), 10), 0.1, np.float32)).expressions("label")
    faces = [
        Face((10.0 + 100 * i, 10.0, 60.0 + 100 * i, 60.0), expression, track=i + 1)
        for i, expression in enumerate(expressions)
    ]
    return Frame(index, time, np.full((120, 240, 3), 128, np.uint8), faces)


def test_bands_stand_in_order_and_fill_the_row():
    scores = np.zeros((2, 7))
    scores[0, Emotion.HAPPY.position] = scores[0, Emotion.SAD.position] = 0.5
    scores[1, Emotion.ANGRY.position] = 1
    which = bands(scores, 10)
    assert which.shape == (10, 2)
    assert [ORDER[w] for w in which[:, 0]] == [Emotion.HAPPY] * 5 + [Emotion.SAD] * 5
    assert {ORDER[w] for w in which[:, 1]} == {Emotion.ANGRY}


def test_columns_are_absent_where_nobody_was_seen():
    times, scores = [0.0, 0.1, 0.2, 0.8, 0.9, 1.0], [[1 / 7] * 7] * 6
    person = Person(1, times, scores, [0.0] * 6, [0, 1, 2, 8, 9, 10], [1] * 6)
    _, _, present = columns(person, 2.0, 200)
    assert present[:20].all()
    assert not present[25:75].any()  # a hole of 0.6 s
    assert present[82:98].all()
    assert not present[102:].any()


def test_brief_faces_are_not_drawn():
    timeline = Timeline()
    for i in range(31):
        tops = [Emotion.HAPPY, Emotion.SAD] if i < 3 else [Emotion.HAPPY]
        timeline.add(frame(i, i / 10, tops))
    assert [person.number for person in timeline.shown()] == [1]
    assert timeline.people[1].ranked()[0][0] == Emotion.HAPPY


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_picture_shows_when_an_expression_changes(language):
    from PIL import ImageColor

    from mien.infer.panels import COLOURS
    from mien.infer.timeline import HEAD, LEFT, RIGHT, ROW, WIDTH

    timeline = Timeline()
    for i in range(41):
        timeline.add(frame(i, i / 10, [Emotion.HAPPY if i < 20 else Emotion.ANGRY]))
    picture = timeline.draw(language)
    row = HEAD + ROW // 4
    width = WIDTH - LEFT - RIGHT
    for share, emotion in ((0.05, Emotion.HAPPY), (0.95, Emotion.ANGRY)):
        pixel = np.array(picture.getpixel((LEFT + round(share * width), row)), float)
        near = min(EMOTIONS, key=lambda e: np.abs(pixel - ImageColor.getrgb(COLOURS[e])).sum())
        assert near == emotion


def test_nobody_is_a_picture_too():
    timeline = Timeline()
    timeline.add(frame(0, 0.0, []))
    assert timeline.draw("en").height > 200
    with pytest.raises(ValueError, match="fr"):
        timeline.draw("fr")


def test_ticks_are_round_and_few():
    assert ticks(20) == list(range(0, 21, 2))
    for end in (0, 0.4, 3, 61, 3600, 90_000):
        assert 1 <= len(ticks(end)) <= 13
