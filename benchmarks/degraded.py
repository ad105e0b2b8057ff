"""Faces made hard to read by code: shrunk, blurred, turned or covered crops, all 48x48 grey."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import gaussian_filter

from mien.infer.crop import SIDE, to_crop

FINE = 4  # covers are drawn so many times as large and averaged down
SKULL = (20.5, 27.0, 21.0)  # half axes of a head as an ellipsoid: across, down, deep; crop pixels

Crop = np.ndarray
Draw = Callable[[ImageDraw.ImageDraw, Image.Image, float, np.random.Generator], None]


def loose(crop: Crop, share: float) -> Crop:
    """A picture taken as a crop of which the face's own crop covers only a share of each side."""
    wide = round(SIDE / share)
    before = (wide - SIDE) // 2
    return to_crop(np.pad(crop, (before, wide - SIDE - before), mode="edge"))


def blurred(crop: Crop, sigma: float) -> Crop:
    """Out of focus: a Gaussian of ``sigma`` pixels."""
    return np.clip(gaussian_filter(crop.astype(float), sigma) + 0.5, 0, 255).astype(np.uint8)


def compressed(crop: Crop, quality: int) -> Crop:
    """A crop after JPEG of this quality."""
    file = io.BytesIO()
    Image.fromarray(crop).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def moved(crop: Crop, pixels: int, degrees: float) -> Crop:
    """Moved by so many pixels while it was taken, in a direction."""
    angle = np.radians(degrees)
    steps = np.linspace(-(pixels - 1) / 2, (pixels - 1) / 2, pixels)
    picture = Image.fromarray(np.pad(crop, pixels, mode="edge"))
    shifted = [
        np.asarray(
            picture.transform(
                (SIDE, SIDE), Image.Transform.AFFINE,
                (1, 0, pixels + s * np.cos(angle), 0, 1, pixels + s * np.sin(angle)),
                Image.Resampling.BILINEAR,
            ),
            float,
        )
        for s in steps
    ]  # fmt: skip
    return np.rint(np.mean(shifted, axis=0)).astype(np.uint8)


def turned(crop: Crop, yaw: float = 0, pitch: float = 0) -> Crop:
    """The head turned by degrees, its skin laid on an ellipsoid with a nose; (192, 192).

    ``yaw`` turns it to a side, ``pitch`` bows it (above 0) or raises it.
    """
    wide = SIDE * FINE
    skin = np.asarray(Image.fromarray(crop).resize((wide, wide), Image.Resampling.BICUBIC))
    step = (np.arange(3 * wide) + 0.5) / (3 * FINE) - SIDE / 2
    x, y = np.meshgrid(step, step)
    rest = 1 - (x / SKULL[0]) ** 2 - (y / SKULL[1]) ** 2
    head = rest > 0
    nose = 6 * np.exp(-((x / 3) ** 2) - ((y - 4) / np.where(y < 4, 6.5, 2.5)) ** 2)
    depth = SKULL[2] * np.sqrt(np.maximum(rest, 0)) + nose - 4
    a, b = np.radians(yaw), np.radians(pitch)
    across, deep = x * np.cos(a) + depth * np.sin(a), depth * np.cos(a) - x * np.sin(a)
    down, near = y * np.cos(b) + deep * np.sin(b), deep * np.cos(b) - y * np.sin(b)
    order = np.flatnonzero(head)[np.argsort(near[head], kind="stable")]  # the nearest last
    column, row = (
        np.rint((v.ravel()[order] + SIDE / 2) * FINE).astype(int) for v in (across, down)
    )
    inside = (column >= 0) & (column < wide) & (row >= 0) & (row < wide)
    grey = np.repeat(np.repeat(skin, 3, axis=0), 3, axis=1).ravel()[order]
    picture = np.full((wide, wide), np.median(skin[~head[1::3, 1::3]]), np.uint8)
    picture[row[inside], column[inside]] = grey[inside]
    return picture


def covered(crop: Crop, kind: str, rng: np.random.Generator) -> Crop:
    """With something over the face, one of ``COVERS``; its place, grey, cloth and light vary."""
    wide = SIDE * FINE
    face = Image.fromarray(crop).resize((wide, wide), Image.Resampling.BICUBIC)
    skin = float(np.median(crop[24:32, 10:38]))
    shape, stuff = Image.new("L", face.size), Image.new("L", face.size)
    COVERS[kind](ImageDraw.Draw(shape), stuff, skin, rng)
    cloth = np.asarray(stuff, float)
    if kind != "sunglasses":
        cloth = cloth + _light(rng)
    cloth = Image.fromarray(np.clip(cloth, 0, 255).astype(np.uint8))
    face.paste(cloth, (0, 0), shape.filter(ImageFilter.GaussianBlur(1)))
    return np.asarray(face.resize((SIDE, SIDE), Image.Resampling.BOX))


def _light(rng: np.random.Generator) -> np.ndarray:
    """Light from a side, and folds: up to 24 greys from the middle to an edge, and 10."""
    y, x = _grid()
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 1)
    folds = gaussian_filter(rng.normal(size=(SIDE, SIDE)), 4)
    folds = np.kron(folds / folds.std() * rng.uniform(0, 10), np.ones((FINE, FINE)))
    return ((x - 24) * np.cos(angle) + (y - 24) * np.sin(angle)) * strength + folds


def _grid() -> np.ndarray:
    return np.mgrid[0 : SIDE * FINE, 0 : SIDE * FINE] / FINE


def _points(*points: tuple[float, float]) -> list[tuple[float, float]]:
    return [(x * FINE, y * FINE) for x, y in points]


def _mask(shape, stuff, skin, rng) -> None:
    top = 27 + rng.normal()
    edge = [(5, top + 1), (17, top - 1), (24, top - 3), (31, top - 1), (43, top + 1)]
    chin = [(42, 40), (34, 46), (24, 48), (14, 46), (6, 40)]
    shape.polygon(_points(*edge, *chin), fill=255)
    y, x = _grid()
    pleats = rng.choice([0, 5]) * np.sin(y * np.pi / 2)
    grey = rng.choice([40, 140, 200, 235]) - 0.4 * abs(x - 24) + pleats
    stuff.paste(Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)))


def _scarf(shape, stuff, skin, rng) -> None:
    top = 27 + rng.normal()
    shape.polygon(_points((0, top + 3), (24, top), (48, top + 3), (48, 48), (0, 48)), fill=255)
    y, x = _grid()
    angle, wave = rng.uniform(0, np.pi), rng.uniform(2.5, 7)
    stripes = np.sin((y * np.cos(angle) + x * np.sin(angle)) * 2 * np.pi / wave)
    grey = rng.uniform(40, 220) + rng.uniform(5, 18) * stripes + rng.normal(0, 6, y.shape)
    stuff.paste(Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)))


def _hand(shape, stuff, skin, rng) -> None:
    grey = skin * rng.uniform(0.85, 1.12)
    x, y = 24 + rng.normal(0, 1.5), 37 + rng.normal(0, 1.5)
    stuff.paste(int(min(grey, 255)), (0, 0, *stuff.size))
    between = ImageDraw.Draw(stuff)
    for finger in range(4):
        level = y - 7 + 4.3 * finger
        box = _points((x - 15, level - 2.2), (x + 13, level + 2.2))
        shape.rounded_rectangle(box, 2 * FINE, fill=255)
        line = _points((x - 15, level + 2.2), (x + 13, level + 2.2))
        between.line(line, fill=int(min(0.72 * grey, 255)), width=3)
    shape.ellipse(_points((x + 4, y - 9), (x + 26, y + 12)), fill=255)


def _sunglasses(shape, stuff, skin, rng) -> None:
    stuff.paste(int(rng.uniform(5, 45)), (0, 0, *stuff.size))
    wide, y = rng.uniform(5.5, 7.5), 20 + rng.normal()
    tall = wide * rng.uniform(0.7, 0.95)
    for x in (15.2, 32.8):
        shape.ellipse(_points((x - wide, y - tall), (x + wide, y + tall)), fill=255)
    for ends in ((20, 28), (4, 10), (38, 44)):
        shape.line(_points((ends[0], y - 1), (ends[1], y - 1)), fill=255, width=FINE)


def _arm(shape, stuff, skin, rng) -> None:
    stuff.paste(int(min(skin * rng.uniform(0.5, 1.15), 255)), (0, 0, *stuff.size))
    y = 20 + rng.normal()
    shape.rectangle(_points((-2, y - 6.5), (50, y + 6)), fill=255)


def _half(shape, stuff, skin, rng) -> None:
    stuff.paste(int(rng.uniform(20, 230)), (0, 0, *stuff.size))
    edge = 24 + rng.normal(0, 1.5)
    left, right = (edge, 48) if rng.random() < 0.5 else (0, edge)
    shape.rectangle(_points((left, 0), (right, 48)), fill=255)


def _microphone(shape, stuff, skin, rng) -> None:
    stuff.paste(int(rng.uniform(10, 70)), (0, 0, *stuff.size))
    x, y, r = 24 + rng.normal(0, 2), 39 + rng.normal(), rng.uniform(6, 8)
    shape.ellipse(_points((x - r, y - r), (x + r, y + r)), fill=255)
    shape.rectangle(_points((x - 2.5, y), (x + 2.5, 48)), fill=255)


COVERS: dict[str, Draw] = {
    "mask": _mask,
    "scarf": _scarf,
    "hand": _hand,
    "sunglasses": _sunglasses,
    "arm over the eyes": _arm,
    "half hidden": _half,
    "microphone": _microphone,
}
