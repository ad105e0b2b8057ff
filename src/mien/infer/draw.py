"""A picture with a box around each face and a bar for each of its seven scores."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mien.emotions import check_head, names
from mien.infer import panels
from mien.infer.results import Expression, Face

SMALLEST = 640
"""Pictures with a shorter long side are enlarged, so that text on them can be read."""

Rect = tuple[int, int, int, int]  # left, top, right, bottom


def annotate(
    image: NDArray[np.uint8] | Image.Image,
    faces: Sequence[Face],
    *,
    language: str = "en",
    head: str | None = None,
) -> Image.Image:
    """Draw faces on a copy of a picture.

    Each face gets a box, a tag with its top emotion and a panel with a bar for each score. Panels
    stand beside or below their faces where all find room without covering a face; otherwise the
    faces are numbered and the panels follow beside or below the picture.

    Args:
        image: upright RGB, (H, W, 3) uint8 or a Pillow image.
        faces: as ``analyze`` returned them for this picture.
        language: of the names, such as ``"en"``.
        head: ``"expression"``, ``"votes"`` or ``"label"``; None keeps each face's own.

    Returns:
        RGB; at least ``SMALLEST`` pixels on its long side, wider or taller where panels follow.

    Raises:
        ValueError: an unknown language or head.
    """
    if head is not None:
        check_head(head)
    names(language)  # an unknown language is refused even where there is nothing to write
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    factor = max(1, -(-SMALLEST // max(picture.size)))
    size = (picture.width * factor, picture.height * factor)
    canvas = picture.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    letter = max(13, round(max(size) / 62))
    expressions = [
        face.expression if head is None else replace(face.expression, head=head) for face in faces
    ]
    boxes = [_within(face.box, factor, size) for face in faces]
    if not faces:
        note = panels.tag(panels.PHRASES[language][1], panels.UNCLEAR_COLOUR, letter)
        canvas.paste(note, (letter, size[1] - note.height - letter), note)
        return canvas
    tags = [panels.tag(panels.headline(e, language), panels.colour(e), letter) for e in expressions]
    places = _room(size, boxes, tags, letter)
    if places is not None:
        _outline(canvas, boxes, expressions, tags, letter)
        for expression, place in zip(expressions, places, strict=True):
            drawing = panels.panel(expression, language, letter)
            canvas.paste(drawing, place[:2], drawing)
        return canvas
    cards = _cards(canvas, boxes, expressions, language, letter)
    _outline(canvas, boxes, expressions, _numbered(tags, boxes, expressions, letter), letter)
    return _beside(canvas, cards, letter)


def _within(box: tuple[float, ...], factor: int, size: tuple[int, int]) -> Rect:
    """The box in pixels of the canvas, cut to it."""
    left, top, right, bottom = (round(value * factor) for value in box)
    left, top = min(max(left, 0), size[0] - 2), min(max(top, 0), size[1] - 2)
    return left, top, min(max(right, left + 2), size[0]), min(max(bottom, top + 2), size[1])


def _tag_rect(box: Rect, tag: Image.Image, size: tuple[int, int]) -> Rect:
    """Where a tag stands: on top of its box, inside where the picture ends."""
    left = max(0, min(box[0], size[0] - tag.width))
    top = box[1] - tag.height
    top = top if top >= 0 else box[1]
    return left, top, left + tag.width, top + tag.height


def _room(
    size: tuple[int, int], boxes: list[Rect], tags: list[Image.Image], letter: int
) -> list[Rect] | None:
    """A place for each panel that covers no face, tag or other panel; None where there is none."""
    taken = [*boxes, *(_tag_rect(b, t, size) for b, t in zip(boxes, tags, strict=True))]
    if any(_meet(a, b) for i, a in enumerate(taken) for b in taken[:i] if a[0] != b[0]):
        return None  # crowded: tags over faces read badly
    places = []
    for box in boxes:
        free = (
            place
            for place in _around(box, panels.panel_size(letter), letter // 2)
            if place[0] >= 0 and place[1] >= 0 and place[2] <= size[0] and place[3] <= size[1]
            and not any(_meet(place, other) for other in taken)
        )  # fmt: skip
        place = next(free, None)
        if place is None:
            return None
        places.append(place)
        taken.append(place)
    return places


def _around(box: Rect, size: tuple[int, int], gap: int) -> Iterator[Rect]:
    """Places beside and below a box, the best first."""
    left, top, right, bottom = box
    width, height = size
    rows = (top, (top + bottom - height) // 2, bottom - height)
    columns = (left, (left + right - width) // 2, right - width)
    corners = [
        *((x, y) for y in rows for x in (right + gap, left - gap - width)),
        *((x, bottom + gap) for x in columns),
        *((x, top - gap - height) for x in columns),
    ]
    for x, y in corners:
        yield x, y, x + width, y + height


def _meet(a: Rect, b: Rect) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _outline(
    canvas: Image.Image,
    boxes: list[Rect],
    expressions: list[Expression],
    tags: list[Image.Image],
    letter: int,
) -> None:
    """Boxes with a dark rim, so that they show on any ground, and their tags."""
    draw = ImageDraw.Draw(canvas)
    line = max(2, letter // 7)
    for box, expression in zip(boxes, expressions, strict=True):
        inner = (box[0], box[1], box[2] - 1, box[3] - 1)
        outer = (inner[0] - 1, inner[1] - 1, inner[2] + 1, inner[3] + 1)
        draw.rounded_rectangle(outer, letter // 3, outline=panels.INK, width=line + 2)
        draw.rounded_rectangle(inner, letter // 3, outline=panels.colour(expression), width=line)
    for box, tag in zip(boxes, tags, strict=True):
        canvas.paste(tag, _tag_rect(box, tag, canvas.size)[:2], tag)


def _numbered(
    tags: list[Image.Image], boxes: list[Rect], expressions: list[Expression], letter: int
) -> list[Image.Image]:
    """Tags for a picture whose panels stand apart: a number; one face keeps its words."""
    if len(tags) == 1 and tags[0].width <= boxes[0][2] - boxes[0][0]:
        return tags
    return [
        panels.tag(str(i), panels.colour(expression), letter)
        for i, expression in enumerate(expressions, start=1)
    ]


def _cards(
    canvas: Image.Image,
    boxes: list[Rect],
    expressions: list[Expression],
    language: str,
    letter: int,
) -> list[Image.Image]:
    """One headed panel a face, with its number and a thumbnail."""
    cards = []
    for i, (box, expression) in enumerate(zip(boxes, expressions, strict=True), start=1):
        words = panels.headline(expression, language)
        heading = words if len(boxes) == 1 else f"{i}  {words}"
        thumbnail = canvas.crop(box)
        cards.append(
            panels.panel(expression, language, letter, heading=heading, thumbnail=thumbnail)
        )
    return cards


def _beside(canvas: Image.Image, cards: list[Image.Image], letter: int) -> Image.Image:
    """The picture with cards in columns at its right, or in rows below a wide picture."""
    gap = letter // 2
    width, height = cards[0].width + gap, cards[0].height + gap
    rows = max(1, (canvas.height - gap) // height)
    columns = -(-len(cards) // rows)
    if columns * width <= max(width, canvas.width // 2) and canvas.width <= canvas.height * 1.4:
        size = (canvas.width + columns * width + gap, max(canvas.height, height + gap))
        spots = [(canvas.width + gap + i // rows * width, gap + i % rows * height)
                 for i in range(len(cards))]  # fmt: skip
    else:
        across = max(1, (canvas.width - gap) // width)
        down = -(-len(cards) // across)
        size = (max(canvas.width, width + gap), canvas.height + down * height + gap)
        spots = [(gap + i % across * width, canvas.height + gap + i // across * height)
                 for i in range(len(cards))]  # fmt: skip
    page = Image.new("RGB", size, "#22262e")
    page.paste(canvas)
    for card, spot in zip(cards, spots, strict=True):
        page.paste(card, spot, card)
    return page
