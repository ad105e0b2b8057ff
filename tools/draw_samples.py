"""The sample pictures of the page: drawn portraits, and three photographs free of rights.

    python tools/draw_samples.py [--show]

writes src/mien/web/static/page/samples. ``--show`` prints how the default model reads each. The
photographs are scikit-image's astronaut (Eileen Collins, NASA, public domain) and camera (CC0),
and matplotlib's grace_hopper.jpg (US Navy, public domain); they are only resized.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "src" / "mien" / "web" / "static" / "page" / "samples"
SIDE = 1600
"""Pixels of a drawing before it is averaged down."""

Colour = tuple[int, int, int]
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Look:
    """A face's features; the first seven are its expression."""

    smile: float = 0.0  # -1 corners down, 1 corners up
    gape: float = 0.0  # how far the mouth is open
    wide: float = 1.0  # of the mouth
    lids: float = 1.0  # opening of the eyes
    slant: float = 0.0  # of the brows: 1 inner ends down (cross), -1 inner ends up (worried)
    lift: float = 0.0  # of the brows
    teeth: float = 0.0  # share of the open mouth
    skin: Colour = (226, 178, 148)
    hair: Colour = (58, 40, 34)
    long: bool = False
    shirt: Colour = (70, 104, 128)
    ground: Colour = (214, 222, 226)


def portrait(look: Look) -> Image.Image:
    """Draw one face: (1600, 1600) RGB, the head in the middle."""
    image = Image.new("RGB", (SIDE, SIDE), look.ground)
    _glow(image, (800, 620), 900, _mix(look.ground, (255, 255, 255), 0.5), 0.8)
    if look.long:
        _shape(image, _oval(800, 820, 470, 620), look.hair)
    _shape(image, _oval(800, 1660, 640, 380), look.shirt)
    dark = _mix(look.skin, (90, 30, 20), 0.35)
    _shape(image, [(660, 1000), (940, 1000), (960, 1330), (800, 1420), (640, 1330)], dark, 14)
    for side in (-1, 1):
        _shape(image, _oval(800 + side * 352, 760, 56, 100), _mix(look.skin, dark, 0.4), 4)
    _shape(image, _head(), look.skin, 3)
    _shade(image, look, dark)
    _hair(image, look)
    _nose(image, dark)
    for side in (-1, 1):
        _eye(image, look, side, dark)
        _brow(image, look, side)
    _mouth(image, look, dark)
    return image.filter(ImageFilter.GaussianBlur(2.5))


def _head() -> Points:
    """An egg with a jaw."""
    angles = np.linspace(0, 2 * np.pi, 90)
    x, y = np.sin(angles), -np.cos(angles)
    width = 348 * (1 - 0.14 * np.clip(y, 0, 1) ** 1.5 - 0.06 * np.clip(-y, 0, 1))
    return [(800 + a * w, 740 + b * 440) for a, b, w in zip(x, y, width, strict=True)]


def _oval(x: float, y: float, w: float, h: float) -> Points:
    return [(x + w * np.cos(a), y + h * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 60)]


def _mix(a: Colour, b: Colour, share: float) -> Colour:
    return tuple(round(p + (q - p) * share) for p, q in zip(a, b, strict=True))


def _shape(image: Image.Image, points: Points, colour: Colour, soft: float = 0) -> None:
    _lay(image, points, colour, soft, 1.0)


def _lay(
    image: Image.Image, points: Points, colour: Colour, soft: float, share: float,
    inside: Points | None = None,
) -> None:  # fmt: skip
    """A filled outline with soft edges, laid on with a share of its colour."""
    mask = Image.new("L", image.size)
    ImageDraw.Draw(mask).polygon(points, fill=round(255 * share))
    if soft:
        mask = mask.filter(ImageFilter.GaussianBlur(soft))
    if inside is not None:
        limit = Image.new("L", image.size)
        ImageDraw.Draw(limit).polygon(inside, fill=255)
        mask = ImageChops.multiply(mask, limit)
    image.paste(colour, mask=mask)


def _glow(image: Image.Image, at: Points, size: float, colour: Colour, share: float) -> None:
    _lay(image, _oval(*at, size / 2, size / 2), colour, size / 5, share)


def _stroke(
    image: Image.Image, points: Points, colour: Colour, width: float, soft: float = 3
) -> None:
    """A line that thins towards its ends."""
    mask = Image.new("L", image.size)
    pen = ImageDraw.Draw(mask)
    for i, (x, y) in enumerate(_curve(points, 60)):
        r = width / 2 * (0.35 + 0.65 * np.sin(np.pi * i / 59))
        pen.ellipse((x - r, y - r, x + r, y + r), fill=255)
    image.paste(colour, mask=mask.filter(ImageFilter.GaussianBlur(soft)))


def _curve(points: Points, steps: int) -> Points:
    """A quadratic through three points' first and last, pulled by the middle one."""
    (ax, ay), (bx, by), (cx, cy) = points
    t = np.linspace(0, 1, steps)
    x = (1 - t) ** 2 * ax + 2 * t * (1 - t) * bx + t**2 * cx
    y = (1 - t) ** 2 * ay + 2 * t * (1 - t) * by + t**2 * cy
    return list(zip(x, y, strict=True))


def _shade(image: Image.Image, look: Look, dark: Colour) -> None:
    """Light from the upper left; darker cheeks where the mouth is pulled up."""
    head = _head()
    light = _mix(look.skin, (255, 246, 232), 0.5)
    _lay(image, _oval(700, 560, 190, 150), light, 90, 0.7, head)
    _lay(image, _oval(1090, 860, 110, 420), dark, 70, 0.6, head)
    _lay(image, _oval(520, 900, 40, 300), dark, 60, 0.35, head)
    _lay(image, _oval(800, 1190, 260, 60), dark, 50, 0.5, head)
    for side in (-1, 1):
        _lay(image, _oval(800 + side * 165, 690, 105, 62), dark, 34, 0.45, head)
        red = _mix(look.skin, (205, 92, 82), 0.45)
        _lay(image, _oval(800 + side * 205, 890, 90, 70), red, 45, 0.5, head)
        _lay(image, _oval(800 + side * 190, 845, 70, 40), light, 30, 0.5, head)
        fold = max(look.smile, 0) + max(-look.slant, 0) * 0.2 + abs(min(look.smile, 0)) * 0.6
        if fold > 0.2:
            x = 800 + side * 130
            line = [(x - side * 20, 850), (x + side * 75, 900), (x + side * 70, 1005)]
            _stroke(image, line, _mix(look.skin, dark, 0.8), 16 * fold, 8)
    if look.slant > 0.3:
        for side in (-1, 1):
            line = [(800 + side * 22, 590), (800 + side * 30, 620), (800 + side * 20, 660)]
            _stroke(image, line, _mix(look.skin, dark, 0.9), 16 * look.slant, 6)
    if look.lift > 0.4 or look.slant < -0.4:
        for y in (440, 490):
            line = [(640, y + 10), (800, y - 20), (960, y + 10)]
            _stroke(image, line, _mix(look.skin, dark, 0.6), 12, 7)


def _hair(image: Image.Image, look: Look) -> None:
    top = [p for p in _head() if p[1] < 700]
    top.sort()
    if look.long:
        outer = [(800 + 1.16 * (x - 800), 740 + 1.14 * (y - 740)) for x, y in top]
        inner = [(1125, 700), (1060, 520), (900, 400), (760, 440), (600, 560), (480, 720)]
        _shape(image, [(430, 1100), *outer, (1170, 1100), (1120, 1000), *inner, (480, 1000)],
               look.hair, 6)  # fmt: skip
    else:
        outer = [(800 + 1.09 * (x - 800), 735 + 1.14 * (y - 740)) for x, y in top]
        inner = [(1130, 700), (1085, 560), (980, 420), (800, 395), (620, 430), (515, 560),
                 (470, 700)]  # fmt: skip
        _shape(image, [*outer, *inner], look.hair, 6)
    shine = _mix(look.hair, (255, 240, 220), 0.3)
    crown = [(x, y - 40) for x, y in _head()]
    _lay(image, _oval(690, 330, 150, 34), shine, 26, 0.7, crown)


def _nose(image: Image.Image, dark: Colour) -> None:
    _lay(image, [(812, 690), (870, 900), (800, 905)], dark, 26, 0.55)
    _lay(image, _oval(796, 890, 36, 26), (255, 236, 220), 20, 0.5)
    for side in (-1, 1):
        _lay(image, _oval(800 + side * 36, 918, 20, 11), _mix(dark, (30, 0, 0), 0.6), 7, 0.9)


def _eye(image: Image.Image, look: Look, side: int, dark: Colour) -> None:
    x, y = 800 + side * 160, 715
    up, down = 46 * look.lids, 30 * (0.6 + 0.4 * look.lids)
    upper = _curve([(x - 82, y + 8), (x, y - 2 * up), (x + 82, y + 8)], 40)
    lower = _curve([(x + 82, y + 8), (x, y + 2 * down), (x - 82, y + 8)], 40)
    _lay(image, [*upper, *lower], (246, 243, 240), 3, 1)
    outline = [*upper, *lower]
    _lay(image, _oval(x, y, 42, 42), (74, 56, 42), 3, 1, outline)
    _lay(image, _oval(x, y, 20, 20), (14, 10, 10), 2, 1, outline)
    _lay(image, _oval(x - 14, y - 15, 9, 9), (255, 255, 255), 1, 1, outline)
    _lay(image, _oval(x, y - up + 2, 80, 12), (60, 40, 36), 8, 0.6, outline)
    _stroke(image, [(x - 86, y + 10), (x, y - 2 * up - 4), (x + 86, y + 10)], (38, 26, 24), 17)
    _stroke(image, [(x - 78, y + 12), (x, y + 2 * down), (x + 78, y + 12)],
            _mix(dark, (60, 20, 20), 0.4), 8, 4)  # fmt: skip
    fold = y - 2 * up - 34
    _stroke(image, [(x - 80, y - 26), (x, fold), (x + 80, y - 26)], dark, 9, 5)


def _brow(image: Image.Image, look: Look, side: int) -> None:
    y = 610 - 46 * look.lift
    inner = (800 + side * 72, y + 46 * look.slant)
    outer = (800 + side * 262, y + 18 - 30 * look.slant)
    middle = (800 + side * 170, y - 44 - 6 * look.slant)
    _stroke(image, [inner, middle, outer], _mix(look.hair, (20, 14, 12), 0.4), 34, 6)


def _mouth(image: Image.Image, look: Look, dark: Colour) -> None:
    x, y, w = 800, 1040, 128 * look.wide
    bend, gape = 62 * look.smile, 92 * look.gape
    corner = y - 0.55 * bend
    lip = _mix((176, 78, 78), dark, 0.35)
    above = _curve([(x - w, corner), (x, y + bend - gape * 0.7), (x + w, corner)], 40)
    below = _curve([(x + w, corner), (x, y + bend + gape * 1.7), (x - w, corner)], 40)
    thick = 20
    outside = [(px, py - thick * np.sin(np.pi * i / 39)) for i, (px, py) in enumerate(above)]
    outside += [(px, py + 1.4 * thick * np.sin(np.pi * i / 39)) for i, (px, py) in enumerate(below)]
    _lay(image, outside, lip, 5, 1)
    if gape > 4:
        hole = [*above, *below]
        _lay(image, hole, (52, 16, 18), 3, 1)
        if look.teeth:
            level = corner - 14 + 2 * gape * look.teeth
            box = [(x - w, 0), (x + w, 0), (x + w, level), (x - w, level)]
            _lay(image, box, (244, 240, 234), 4, 1, hole)
    else:
        _stroke(image, [(x - w, corner), (x, y + bend), (x + w, corner)], (92, 34, 36), 13, 4)
    _lay(image, _oval(x, y + max(bend, 0) * 0.6 + gape + 70, 90, 16), dark, 18, 0.5)


WORRIED = Look(smile=-0.7, gape=0.3, wide=1.1, lids=1.35, slant=-1.3, lift=0.8, long=True,
               skin=(232, 190, 160), hair=(96, 56, 32), shirt=(122, 78, 96))  # fmt: skip
STERN = Look(smile=-1.2, wide=1.2, lids=0.55, slant=1.0, lift=-0.3, skin=(190, 134, 100),
             hair=(30, 24, 24), shirt=(58, 70, 84), ground=(220, 216, 206))  # fmt: skip
HAPPY = Look(smile=1.2, wide=1.3, lids=0.7, lift=0.2)
GROUP = [
    replace(HAPPY, skin=(150, 98, 70), hair=(24, 20, 20), shirt=(178, 120, 60)),
    replace(HAPPY, smile=1.1, long=True, hair=(140, 92, 48), shirt=(90, 120, 90)),
    replace(WORRIED, long=False, hair=(52, 40, 36), shirt=(96, 96, 140)),
    Look(skin=(236, 196, 168), hair=(180, 150, 100), long=True, shirt=(70, 110, 130)),
    replace(HAPPY, wide=1.4, skin=(206, 152, 116), hair=(40, 30, 28), shirt=(150, 80, 70)),
    replace(HAPPY, smile=1.3, skin=(224, 180, 152), hair=(120, 116, 112), shirt=(66, 60, 80)),
]


def group() -> Image.Image:
    """Six faces in two rows, 1200 x 800."""
    page = Image.new("RGB", (1200, 800))
    for i, look in enumerate(GROUP):
        tile = portrait(look).resize((400, 400), Image.Resampling.LANCZOS)
        page.paste(tile, (i % 3 * 400, i // 3 * 400))
    return page


def photographs() -> dict[str, Image.Image]:
    """The three that are free of rights, at most 512 pixels long."""
    import matplotlib
    import skimage

    data = Path(skimage.__file__).parent / "data"
    hopper = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    found = {"astronaut": data / "astronaut.png", "cameraman": data / "camera.png",
             "hopper": hopper}  # fmt: skip
    pictures = {name: Image.open(path).convert("RGB") for name, path in found.items()}
    for picture in pictures.values():
        picture.thumbnail((512, 512), Image.Resampling.LANCZOS)
    return pictures


def main() -> None:
    """Draw, resize, write; show how they are read."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--show", action="store_true", help="print the default model's votes")
    given = parser.parse_args()
    SAMPLES.mkdir(exist_ok=True)
    pictures = photographs()
    for name, look in (("worried", WORRIED), ("stern", STERN)):
        pictures[name] = portrait(look).resize((512, 512), Image.Resampling.LANCZOS)
    pictures["group"] = group()
    for name, picture in pictures.items():
        picture.save(SAMPLES / f"{name}.jpg", quality=86, optimize=True)
    if given.show:
        show(sorted(SAMPLES.glob("*.jpg")))


def show(files: list[Path]) -> None:
    """Print the votes over 4 % for each face."""
    import mien

    model = mien.load()
    for file in files:
        for face in model.analyze(file):
            votes = {e.value: round(v, 2) for e, v in face.expression.votes.items() if v > 0.04}
            place = tuple(round(v) for v in face.box)
            print(f"{file.name:15} {place} {votes} unclear {face.expression.unclear:.2f}")


if __name__ == "__main__":
    main()
