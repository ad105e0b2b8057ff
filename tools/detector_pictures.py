"""Makes docs/img/finds.webp: what the detector finds, what it misses, and why a face is hard.

    python tools/detector_pictures.py

Two public-domain portraits (NASA's Eileen Collins from scikit-image, the US Navy's Grace Hopper
from matplotlib), made harder by code. Under each is what ``Model.analyze`` said.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib.cbook
import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from skimage import data
from webp import save_webp

import mien
from mien.images import read
from mien.infer.crop import placement
from mien.infer.detect import Detection
from mien.infer.panels import font

TARGET = Path(__file__).parents[1] / "docs" / "img" / "finds"
TILE, TEXT, ACROSS = 300, 64, 4
INK, TEAL, PAPER, RED = (40, 44, 46), (0, 150, 136), (250, 250, 250), (183, 28, 28)

Picture = Image.Image


def main() -> None:
    """Draw all scenes."""
    model = mien.load()
    collins = Image.fromarray(data.astronaut())
    hopper = Image.fromarray(read(matplotlib.cbook.get_sample_data("grace_hopper.jpg")))
    hopper = hopper.crop((0, 0, 512, 512))
    tiles = [tile(*scene, model) for scene in scenes(model, collins, hopper)]
    rows = -(-len(tiles) // ACROSS)
    sheet = Image.new("RGB", (ACROSS * TILE, rows * (TILE + TEXT)), PAPER)
    for number, each in enumerate(tiles):
        down, across = divmod(number, ACROSS)
        sheet.paste(each, (across * TILE, down * (TILE + TEXT)))
    print(save_webp(sheet, TARGET))


def scenes(model: mien.Model, collins: Picture, hopper: Picture) -> list[tuple[str, Picture, int]]:
    """Captions, pictures, and the ``min_face`` to search with."""
    face = found(model, collins)
    tiny = small(collins, 20 / wide(face))
    return [
        ("as it is", collins, 40),
        ("another face, as it is", hopper, 40),
        ("turned by 90 degrees", collins.rotate(90), 40),
        ("upside down", hopper.rotate(180), 40),
        ("an eighth of the light", dark(hopper, 8), 40),
        ("a twentieth of the light", dark(hopper, 20), 40),
        ("a face of 20 pixels", tiny, 40),
        ("the same, --min-face 16", tiny, 16),
        ("out of focus", collins.filter(ImageFilter.GaussianBlur(5)), 40),
        ("a mask", cover(collins, face, mask), 40),
        ("sunglasses", cover(collins, face, glasses), 40),
        ("half outside the picture", collins.crop((round(middle(face)), 0, 512, 512)), 40),
    ]


def tile(caption: str, picture: Picture, min_face: int, model: mien.Model) -> Picture:
    """A picture with its boxes, and what was said of it below."""
    faces = model.analyze(picture, min_face=min_face)
    scale = TILE / max(picture.size)
    size = [round(side * scale) for side in picture.size]
    shown = Image.new("RGB", (TILE - 8, TILE + TEXT - 8), PAPER)
    at = ((TILE - size[0]) // 2, (TILE - size[1]) // 2)
    shown.paste(picture.resize(size, Image.Resampling.LANCZOS), at)
    draw = ImageDraw.Draw(shown)
    for one in faces:
        corners = [v * scale + at[i % 2] for i, v in enumerate(one.box)]
        draw.rectangle(corners, outline=TEAL, width=4)
    said, colour = "not found", RED
    if faces:
        best = faces[0]
        said = f"{best.expression.top.value} {best.expression.confidence:.0%}".replace("%", " %")
        said, colour = ", ".join([said, *best.reasons]), TEAL
    draw.rectangle((0, TILE - 4, TILE, TILE + TEXT), fill=PAPER)
    draw.text((6, TILE), caption, INK, font(18))
    draw.text((6, TILE + 26), said, colour, font(18))
    return shown


def found(model: mien.Model, picture: Picture) -> Detection:
    """The first face of a picture."""
    return model.detector.detect(np.asarray(picture))[0]


def wide(face: Detection) -> float:
    """Width of its box, pixels."""
    return float(face.box[2] - face.box[0])


def middle(face: Detection) -> float:
    """Column of its middle."""
    return float(face.box[0] + face.box[2]) / 2


def small(picture: Picture, share: float) -> Picture:
    """The picture shrunk, in the middle of a larger plain one."""
    shrunk = picture.resize([round(side * share) for side in picture.size], Image.Resampling.BOX)
    ground = Image.new("RGB", (400, 400), (205, 210, 212))
    ground.paste(shrunk, tuple((400 - side) // 2 for side in shrunk.size))
    return ground


def dark(picture: Picture, parts: int) -> Picture:
    """With one of ``parts`` of its light, and noise of two grey levels."""
    noise = np.random.default_rng(0).normal(0, 2, (picture.height, picture.width, 3))
    return Image.fromarray(np.clip(np.asarray(picture) / parts + noise, 0, 255).astype(np.uint8))


def cover(picture: Picture, face: Detection, draw: Callable[..., None]) -> Picture:
    """With something before the face, drawn in pixels of a crop."""
    matrix = placement(face)
    made = picture.copy()
    draw(ImageDraw.Draw(made), lambda *points: [tuple(matrix @ (*p, 1)) for p in points])
    return made


def mask(draw: ImageDraw.ImageDraw, at: Callable[..., list[tuple[float, float]]]) -> None:
    """A pale blue mask."""
    edge = [(6, 28), (17, 26), (24, 24), (31, 26), (42, 28)]
    draw.polygon(at(*edge, (41, 40), (34, 46), (24, 48), (14, 46), (7, 40)), fill=(170, 205, 222))
    for row in (31, 35, 39, 43):
        draw.line(at((10, row), (24, row + 1), (38, row)), fill=(140, 178, 198), width=2)


def glasses(draw: ImageDraw.ImageDraw, at: Callable[..., list[tuple[float, float]]]) -> None:
    """Sunglasses."""
    for x in (15.2, 32.8):
        ring = np.linspace(0, 2 * np.pi, 40)
        oval = zip(x + 7 * np.cos(ring), 19.5 + 5.5 * np.sin(ring), strict=True)
        draw.polygon(at(*oval), fill=(20, 20, 24))
    draw.line(at((5, 18.5), (43, 18.5)), fill=(20, 20, 24), width=6)


if __name__ == "__main__":
    main()
