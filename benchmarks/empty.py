"""Pictures without a face, from installed packages and made here: how many faces are found in them.

    python -m benchmarks.empty [--more FOLDER]

Photos and textures of scikit-image, scikit-learn and matplotlib (cats, coins and drawings apart:
they have faces of a kind), each whole, in parts, turned, mirrored, blurred, dark, small and
enlarged; noise of several grains, blobs, stripes and text. ``--more`` adds a folder of pictures
without people.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import skimage
import sklearn
from PIL import Image, ImageDraw, ImageFilter
from rich.console import Console
from rich.table import Table

from mien import images
from mien.infer.detect import default_detector

PHOTOS = (
    *(Path(skimage.__file__).parent / "data" / name for name in (
        "brick.png", "gravel.png", "grass.png", "page.png", "text.png", "moon.png", "rocket.jpg",
        "coffee.png", "horse.png", "retina.jpg", "motorcycle_left.png", "motorcycle_right.png",
        "chessboard_GRAY.png", "color.png", "hubble_deep_field.jpg", "ihc.png", "cell.png",
        "clock_motion.png", "phantom.png", "microaneurysms.png",
    )),
    *(Path(sklearn.__file__).parent / "datasets" / "images" / name
      for name in ("china.jpg", "flower.jpg")),
    *(Path(matplotlib.get_data_path()) / "sample_data" / name
      for name in ("Minduka_Present_Blue_Pack.png", "logo2.png")),
)  # fmt: skip
LIKE_FACES = tuple(
    Path(skimage.__file__).parent / "data" / name
    for name in ("chelsea.png", "coins.png", "logo.png")
)
"""A cat, coins with heads, a drawn face: counted apart."""
RESAMPLE = Image.Resampling.BICUBIC


def versions(picture: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """One picture as nine: whole, two parts, turned twice, mirrored, blurred, dark, other sizes."""
    whole = Image.fromarray(picture)
    whole.thumbnail((1200, 1200))
    width, height = whole.size
    yield "whole", np.asarray(whole)
    for part in ("part", "another part"):
        w, h = (max(32, round(side * rng.uniform(0.3, 0.6))) for side in (width, height))
        x, y = (int(rng.integers(0, max(1, a - b))) for a, b in ((width, w), (height, h)))
        yield part, np.asarray(whole.crop((x, y, x + w, y + h)))
    yield "turned by 90 degrees", np.rot90(np.asarray(whole)).copy()
    yield "turned by 180 degrees", np.rot90(np.asarray(whole), 2).copy()
    yield "rolled", np.asarray(whole.rotate(25, RESAMPLE, expand=True))
    yield "blurred", np.asarray(whole.filter(ImageFilter.GaussianBlur(min(width, height) / 80)))
    yield "dark", (np.asarray(whole) * 0.35).astype(np.uint8)
    yield "small", np.asarray(whole.resize((max(16, width // 4), max(16, height // 4)), RESAMPLE))
    yield "enlarged", np.asarray(whole.resize((width * 2, height * 2), RESAMPLE))


def made(rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Noise of grains from 1 to 64 pixels, grey and in colour, blobs, stripes and text."""
    for grain in (1, 2, 4, 8, 16, 32, 64):
        for colours in (1, 3):
            rough = rng.integers(0, 256, (512 // grain, 640 // grain, colours), np.uint8)
            noise = Image.fromarray(np.repeat(rough, 3 // colours, axis=2))
            yield f"noise of {grain} px", np.asarray(noise.resize((640, 512), RESAMPLE))
    for number in range(12):
        ground = Image.new("RGB", (640, 480), tuple(int(c) for c in rng.integers(0, 256, 3)))
        draw = ImageDraw.Draw(ground)
        for _ in range(40):
            x, y, r = rng.integers(0, 640), rng.integers(0, 480), rng.integers(4, 70)
            box = [int(v) for v in (x - r, y - r, x + r, y + r * rng.uniform(0.5, 1.5))]
            colour = tuple(int(c) for c in rng.integers(0, 256, 3))
            (draw.ellipse if number % 2 else draw.rectangle)(box, fill=colour)
        yield "discs" if number % 2 else "boxes", np.asarray(ground)
    for period in (6, 12, 24, 48):
        wave = np.sin(np.indices((480, 640)).sum(axis=0) * 2 * np.pi / period) * 120 + 128
        yield f"stripes of {period} px", np.repeat(wave.astype(np.uint8)[..., None], 3, axis=2)
    for size in (12, 24, 48):
        page = Image.new("RGB", (640, 480), "white")
        words = "".join(rng.choice(list("abcdefgh 8oO:;()- \n"), 600))
        ImageDraw.Draw(page).text((4, 4), words, fill="black", font_size=size)
        yield f"text of {size} px", np.asarray(page)


def pictures(more: Path | None) -> Iterator[tuple[str, str, np.ndarray]]:
    """Kind, name and pixels of every picture."""
    rng = np.random.default_rng(0)
    added = (
        sorted(p for p in more.rglob("*") if p.suffix.lower() in images.SUFFIXES) if more else []
    )
    for kind, paths in (("packages", PHOTOS), ("like faces", LIKE_FACES), ("added", added)):
        for path in paths:
            for what, picture in versions(images.read(path), rng):
                yield kind, f"{path.name}, {what}", picture
    for what, picture in made(rng):
        yield "made", what, picture


def main() -> None:
    """Count, and name what was taken for a face."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--more", type=Path, help="a folder of pictures without people")
    parser.add_argument("--least", type=float, default=None, help="the detector's threshold")
    args = parser.parse_args()
    console = Console(width=120)
    detector = default_detector(threshold=args.least)
    seen: dict[str, list[int]] = {}
    for kind, name, picture in pictures(args.more):
        for min_face in (40, 20):
            row = seen.setdefault(f"{kind}, min_face {min_face}", [0, 0, 0])
            found = detector.detect(picture, min_face=min_face)
            row[0] += 1
            row[1] += bool(found)
            row[2] += len(found)
            for face in found:
                side = max(face.box[2] - face.box[0], face.box[3] - face.box[1])
                console.print(f"{name}, min_face {min_face}: {face.score:.2f}, {side:.0f} px")
    table = Table("pictures without a face", "pictures", "with a detection", "detections",
                  title=f"false faces, threshold: {args.least or 'its own'}")  # fmt: skip
    for name, counts in seen.items():
        table.add_row(name, *map(str, counts))
    console.print(table)


if __name__ == "__main__":
    main()
