"""The small drawings that are laid on a picture: a tag with the top emotion, a panel of bars."""

import string
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from mien.emotions import EMOTIONS, LANGUAGES, Emotion, names
from mien.infer.results import Expression
from mien.strings import strings

FONT = Path(__file__).parents[1] / "assets" / "NotoSansKR-subset.otf"

COLOURS: dict[Emotion, str] = {
    Emotion.ANGRY: "#e6391a",
    Emotion.DISGUST: "#2c8a6b",
    Emotion.FEAR: "#9251fb",
    Emotion.HAPPY: "#f2c417",
    Emotion.NEUTRAL: "#c6d3dd",
    Emotion.SAD: "#61a8fb",
    Emotion.SURPRISE: "#d788ab",
}
"""Picked to stay apart for colour-blind eyes too, and to carry dark text."""
UNCLEAR_COLOUR = "#f4f4f4"
INK, PAPER, TRACK, MUTED = "#101318", (16, 19, 24, 224), "#39404d", "#c3cad6"

PHRASES: dict[str, tuple[str, str]] = {
    language: (strings(language)["drawing"]["unclear"], strings(language)["drawing"]["none"])
    for language in LANGUAGES
}
"""For each language: an unclear face, a picture without faces."""

_FINE = 3  # panels are drawn three times as large and averaged down, for smooth edges


def letters() -> str:
    """Every character that panels and tags can show, once each."""
    words = [word for language in LANGUAGES.values() for word in language]
    words += [phrase for pair in PHRASES.values() for phrase in pair]
    return "".join(sorted(set(string.printable[:95] + "·…" + "".join(words))))


@lru_cache(maxsize=32)
def font(size: int) -> ImageFont.FreeTypeFont:
    """The bundled font (Latin and the Hangul that mien needs) at ``size`` pixels."""
    return ImageFont.truetype(FONT, size, layout_engine=ImageFont.Layout.BASIC)


def percent(score: float) -> str:
    """A score as people read it: whole per cent, and no 0 % or 100 % that is not one."""
    if 0 < score < 0.005:
        return "<1%"
    return f"{min(score, 0.99) if score < 1 else 1:.0%}"


def colour(expression: Expression) -> str:
    """Colour of a face: that of its top emotion, or white where it is unclear."""
    return UNCLEAR_COLOUR if expression.is_unclear else COLOURS[expression.top]


def headline(expression: Expression, language: str) -> str:
    """The top emotion with its score, after a warning where the face is unclear."""
    top = f"{expression.top.name_in(language)} {percent(expression.confidence)}"
    return f"{PHRASES[language][0]} · {top}" if expression.is_unclear else top


def tag(text: str, fill: str, size: int) -> Image.Image:
    """Dark text on a coloured, rounded ground; ``size`` is the font's, in pixels."""
    fine = size * _FINE
    width = round(font(fine).getlength(text) + fine * 0.9)
    image = Image.new("RGBA", (width, round(fine * 1.5)))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, width - 1, image.height - 1), fine * 0.25, fill)
    draw.text((width / 2, image.height / 2), text, INK, font(fine), anchor="mm")
    return _smooth(image)


def panel_size(size: int, *, headed: bool = False) -> tuple[int, int]:
    """Width and height of ``panel`` in pixels, the same in every language."""
    return round(size * 14.2), round(size * (14.0 if headed else 10.8))


def panel(
    expression: Expression,
    language: str,
    size: int,
    *,
    heading: str | None = None,
    thumbnail: Image.Image | None = None,
) -> Image.Image:
    """Seven rows of name, bar and per cent, always in the order of ``EMOTIONS``.

    Args:
        expression: whose scores (of its head) are shown; the top one is lit.
        language: of the names, such as ``"en"``.
        size: of the font, pixels.
        heading: a line above the rows.
        thumbnail: the face, shown before the heading.

    Returns:
        RGBA of ``panel_size``, partly transparent.
    """
    fine = size * _FINE
    width, height = (side * _FINE for side in panel_size(size, headed=heading is not None))
    image = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, width - 1, height - 1), fine * 0.5, PAPER)
    y = fine * 1.15
    if heading is not None:
        y = _heading(image, heading, thumbnail, fine)
    for emotion, name in zip(EMOTIONS, names(language), strict=True):
        _row(draw, y, name, expression.scores[emotion], emotion, emotion == expression.top, fine)
        y += fine * 1.42
    return _smooth(image)


def _heading(image: Image.Image, text: str, thumbnail: Image.Image | None, fine: int) -> float:
    """Draw the line above the rows; returns the height of the first row's middle."""
    left = fine * 0.7
    if thumbnail is not None:
        side = round(fine * 2.5)
        image.paste(thumbnail.resize((side, side)), (round(fine * 0.7), round(fine * 0.6)))
        left += side + fine * 0.6
    room = image.width - left - fine * 0.5
    head = font(round(fine * 1.15))
    while head.getlength(text) > room and head.size > fine * 0.6:
        head = font(int(head.size * 0.93))
    ImageDraw.Draw(image).text((left, fine * 1.85), text, "white", head, anchor="lm")
    return fine * 4.3


def _row(
    draw: ImageDraw.ImageDraw,
    y: float,
    name: str,
    score: float,
    emotion: Emotion,
    lit: bool,
    fine: int,
) -> None:
    ink = "white" if lit else MUTED
    line = y - fine * 0.1  # letters hang a little low in their line
    draw.text((fine * 0.7, line), name, ink, font(fine), anchor="lm")
    draw.text((fine * 13.5, line), percent(score), ink, font(fine), anchor="rm")
    left, right, half = fine * 5.9, fine * 10.9, fine * 0.27
    draw.rounded_rectangle((left, y - half, right, y + half), half, TRACK)
    length = score * (right - left)
    if length >= 1:
        end, bend = left + length, min(half, length / 2)
        draw.rounded_rectangle((left, y - half, end, y + half), bend, COLOURS[emotion])


def _smooth(image: Image.Image) -> Image.Image:
    return image.reduce(_FINE)
