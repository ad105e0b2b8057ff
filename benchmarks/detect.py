"""Face detection: what is found at which size, and what a search costs.

    python -m benchmarks.detect

Needs scikit-image and matplotlib for their public-domain pictures. Times are ratios of the
search's own unit, one run of the network on 192x192 pixels, and of a search in the usual way:
overlapping 192x192 tiles at the same scales, run as one batch.
"""

import io
import math
import time
from collections.abc import Callable

import numpy as np
from benchmarks.montage import PORTRAITS, match, montage, sample
from PIL import Image
from rich.console import Console
from rich.table import Table

from mien import images
from mien.infer.detect import RetinaFace
from mien.infer.levels import scales

SIZES = [40, 40, 48, 48, 56, 64, 80, 100, 130, 170, 220, 300]
EMPTY = ("brick", "gravel", "grass", "page", "text", "moon", "rocket", "coffee", "horse", "retina",
         "motorcycle_left", "chessboard_GRAY", "color", "hubble_deep_field", "ihc", "cell",
         "clock_motion", "phantom")  # fmt: skip
DOUBTFUL = ("chelsea", "coins", "logo")  # a cat, heads on coins, a drawn face


def found_by_size(detector: RetinaFace, console: Console) -> None:
    """Print how many faces of each size are found on sixteen textured montages, and false ones."""
    made: dict[int, list[int]] = {size: [] for size in sorted(set(SIZES))}
    false = 0
    for seed in range(16):
        group = montage(SIZES, seed)
        boxes = [face.box for face in detector.detect(group.picture)]
        false += match(group.boxes, boxes)[1]
        for box in group.boxes:
            made[round(box[2] - box[0])].append(match([box], boxes)[0])
    table = Table("face, px", *map(str, made), title="found on 1280x960 montages")
    table.add_row("found", *(f"{sum(hits)}/{len(hits)}" for hits in made.values()))
    console.print(table, f"false: {false}")
    for names, what in ((EMPTY, "without faces"), (DOUBTFUL, "with something like a face")):
        hits = {name: detector.detect(sample(name)) for name in names}
        told = ", ".join(f"{k} {[round(d.score, 2) for d in v]}" for k, v in hits.items() if v)
        console.print(f"{len(names)} pictures {what}: {told or 'nothing found'}")


def best_ms(call: Callable[[], object], repeats: int) -> float:
    """Best of a few runs, milliseconds."""
    call()
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        spent.append(time.perf_counter() - start)
    return min(spent) * 1e3


def tiles(shape: tuple[int, ...], min_face: int) -> int:
    """Tiles of 192x192 that cover the same scales, overlapping by the largest face of each."""
    total, smallest = 0, 24
    for scale in scales(shape[0], shape[1], min_face):
        sides = [math.ceil(side * scale) for side in shape[:2]]
        step = 192 - 2 * smallest
        total += math.prod(1 + math.ceil(max(0, side - 192) / step) for side in sides)
    return total


def times(console: Console) -> None:
    """Print milliseconds of searches and of a whole 12-megapixel JPEG, on one thread and on all."""
    astronaut = Image.fromarray(images.read(PORTRAITS[0][0]))
    vga = np.asarray(astronaut.resize((640, 480)))
    large = astronaut.resize((4000, 3000), Image.Resampling.BICUBIC)
    jpeg = io.BytesIO()
    large.save(jpeg, "JPEG", quality=92)
    photo = np.asarray(large)
    cases = (
        ("640x480, min_face 64", vga, 64),
        ("640x480, min_face 40", vga, 40),
        ("1920x1440, min_face 40", np.asarray(astronaut.resize((1920, 1440))), 40),
        ("12 MP, min_face 40", photo, 40),
    )
    table = Table("search", "threads", "passes", "ms", "units", "ms tiled", "tiled / ours",
                  title="time of a search")  # fmt: skip
    for threads in (1, 0):
        detector = RetinaFace(threads=threads)
        unit = np.zeros((1, 192, 192, 3), np.uint8)
        unit_ms = best_ms(lambda u=unit, d=detector: d.session.run(None, {"pictures": u}), 20)
        for name, picture, min_face in cases:
            ms = best_ms(lambda p=picture, m=min_face, d=detector: d.detect(p, min_face=m), 5)
            count = tiles(picture.shape, min_face)
            stack = np.zeros((count, 192, 192, 3), np.uint8)
            tiled = best_ms(lambda s=stack, d=detector: d.session.run(None, {"pictures": s}), 2)
            passes = " ".join(
                f"{w}x{h}" for h, w in detector.passes(picture.shape, min_face=min_face)
            )
            table.add_row(name, str(threads or "all"), passes, f"{ms:.1f}", f"{ms / unit_ms:.1f}",
                          f"{tiled:.1f} ({count})", f"{tiled / ms:.2f}")  # fmt: skip
        whole = best_ms(lambda d=detector: d.detect(images.read(jpeg.getvalue())), 3)
        table.add_row("12 MP JPEG, decoded and searched", str(threads or "all"), "", f"{whole:.1f}",
                      f"{whole / unit_ms:.1f}", "", "")  # fmt: skip
    console.print(table)


def main() -> None:
    """Print both tables."""
    console = Console(width=120)
    found_by_size(RetinaFace(), console)
    times(console)


if __name__ == "__main__":
    main()
