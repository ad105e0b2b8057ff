from dataclasses import replace

import numpy as np
import pytest

from mien.emotions import EMOTIONS, LANGUAGES
from mien.infer import panels
from mien.infer.results import Scores


def expression(unclear: float = 0.0):
    ballot = np.zeros((1, 10), np.float32)
    ballot[0, 1], ballot[0, 2], ballot[0, 9] = 0.7, 0.3, unclear
    return next(Scores(np.full((1, 7), 1 / 7, np.float32), ballot).expressions())


def test_every_letter_is_in_the_font() -> None:
    font = panels.font(40)
    missing = font.getmask("\ue000")  # drawn for what the font does not have
    for letter in panels.letters().replace(" ", ""):
        mask = font.getmask(letter)
        assert mask.getbbox() is not None, letter
        assert bytes(mask) != bytes(missing), letter


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_fit_their_column(language: str) -> None:
    widest = max(panels.font(100).getlength(name) for name in LANGUAGES[language])
    assert widest < 100 * (5.9 - 0.7)


def test_bars_are_as_long_as_their_scores() -> None:
    size = 20
    drawing = np.asarray(panels.panel(expression(), "en", size)).astype(int)
    lengths = []
    for i, emotion in enumerate(EMOTIONS):
        row = drawing[round(size * (1.15 + 1.42 * i))]
        colour = [int(panels.COLOURS[emotion][k : k + 2], 16) for k in (1, 3, 5)]
        bar = slice(round(size * 5.9), round(size * 10.9))
        lengths.append((np.abs(row[bar, :3] - colour).max(axis=1) < 12).sum())
    scores = list(expression().scores.values())
    np.testing.assert_allclose(lengths, np.array(scores) * size * 5, atol=3)


@pytest.mark.parametrize(
    ("score", "text"), [(0, "0%"), (0.001, "<1%"), (0.034, "3%"), (0.997, "99%"), (1, "100%")]
)
def test_percent(score: float, text: str) -> None:
    assert panels.percent(score) == text


def test_unclear_faces_say_so() -> None:
    assert panels.headline(expression(), "en") == "happy 63%"  # 0.7 and 0.3 beside equal labels
    assert panels.headline(replace(expression(), head="votes"), "en") == "happy 70%"
    assert panels.headline(expression(2.0), "ko").startswith("불분명 · ")
    assert panels.colour(expression(2.0)) == panels.UNCLEAR_COLOUR


def test_every_language_has_its_phrases() -> None:
    assert panels.PHRASES.keys() == LANGUAGES.keys()
