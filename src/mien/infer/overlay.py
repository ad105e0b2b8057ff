"""Frames of a video with boxes on the faces and a card for each person beside the picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw

from mien.infer import panels
from mien.infer.results import Face
from mien.infer.video import Frame

GROUND = "#22262e"
HOLD = 1.5
"""Seconds that a person who is not seen keeps a place among the cards."""


class Overlay:
    """Draws frames of one video, all at the same size.

    Cards stand in a column at the right, where they cover nobody and stay put; a person keeps a
    place while visible. Those without a place have their box and tag. Frames of another size are
    scaled into the picture, their faces with them.

    Args:
        width: of the video's frames, pixels.
        height: of the video's frames, pixels.
        language: of the names, such as ``"en"``.
    """

    def __init__(self, width: int, height: int, *, language: str = "en") -> None:
        self.width = width
        self.height = height
        self.language = language
        self.letter = max(11, round(min(width, height) / 34))
        self.card = panels.panel_size(self.letter, headed=True)
        self.gap = self.letter // 2
        self.places: list[int] = [0] * max(1, (height - self.gap) // (self.card[1] + self.gap))
        self.last_seen: dict[int, float] = {}
        self.scene = 1

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what ``draw`` returns, both even, as video codecs want it."""
        width = self.width + self.card[0] + 2 * self.gap
        height = max(self.height, self.card[1] + 2 * self.gap)
        return width + width % 2, height + height % 2

    def draw(self, frame: Frame) -> Image.Image:
        """One frame, RGB of ``size``."""
        frame = self.fitted(frame)
        picture = Image.fromarray(frame.image)
        page = Image.new("RGB", self.size, GROUND)
        page.paste(picture)
        draw = ImageDraw.Draw(page)
        self._seat(frame)
        for face in sorted(frame.faces, key=lambda face: face.box[3] - face.box[1]):
            self._box(page, draw, face)
        for face in frame.faces:
            if face.track in self.places:
                at = self.places.index(face.track)
                top = self.gap + at * (self.card[1] + self.gap)
                card = self._card(picture, face)
                page.paste(card, (self.width + self.gap, top), card)
        return page

    def fitted(self, frame: Frame) -> Frame:
        """The frame as it is, or scaled into the picture with bars around it."""
        height, width = frame.image.shape[:2]
        if (width, height) == (self.width, self.height):
            return frame
        scale = min(self.width / width, self.height / height)
        inside = (max(1, round(width * scale)), max(1, round(height * scale)))
        corner = ((self.width - inside[0]) // 2, (self.height - inside[1]) // 2)
        page = Image.new("RGB", (self.width, self.height))
        page.paste(Image.fromarray(frame.image).resize(inside, Image.Resampling.BICUBIC), corner)
        faces = []
        for face in frame.faces:
            left, top, right, bottom = (v * scale + corner[i % 2] for i, v in enumerate(face.box))
            faces.append(replace(face, box=(left, top, right, bottom)))
        return replace(frame, image=np.asarray(page), faces=faces)

    def _seat(self, frame: Frame) -> None:
        """Give free places to people who have none, in order of their numbers."""
        if frame.scene != self.scene:
            self.scene, self.places = frame.scene, [0] * len(self.places)
        for number in sorted(face.track or 0 for face in frame.faces):
            self.last_seen[number] = frame.time
            if number in self.places:
                continue
            for at, holder in enumerate(self.places):
                if not holder or frame.time - self.last_seen[holder] > HOLD:
                    self.places[at] = number
                    break

    def _box(self, page: Image.Image, draw: ImageDraw.ImageDraw, face: Face) -> None:
        left, top, right, bottom = (round(v) for v in face.box)
        left, top = max(left, 0), max(top, 0)
        right, bottom = min(right, self.width - 1), min(bottom, self.height - 1)
        if right - left < 2 or bottom - top < 2:
            return
        line = max(2, self.letter // 6)
        colour = panels.colour(face.expression)
        draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=panels.INK,
                       width=line + 2)  # fmt: skip
        draw.rectangle((left, top, right, bottom), outline=colour, width=line)
        words = panels.headline(face.expression, self.language)
        tag = panels.tag(f"{face.track}  {words}", colour, self.letter)
        x = min(left, self.width - tag.width)
        page.paste(tag, (max(x, 0), top - tag.height if top >= tag.height else top), tag)

    def _card(self, picture: Image.Image, face: Face) -> Image.Image:
        return panels.panel(
            face.expression,
            self.language,
            self.letter,
            heading=f"{face.track}  {panels.headline(face.expression, self.language)}",
            thumbnail=thumbnail(picture, face),
        )


def thumbnail(picture: Image.Image, face: Face) -> Image.Image:
    """The square around a face."""
    left, top, right, bottom = face.box
    half = max(right - left, bottom - top) / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    return picture.crop((round(x - half), round(y - half), round(x + half), round(y + half)))
