"""Face detection: what is found at which size, and what a search costs.

    python -m benchmarks.detect [--truth FOLDER] [--times]

Needs scikit-image and matplotlib for their public-domain pictures.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from benchmarks import before
from benchmarks.montage import PORTRAITS, match, montage, sample
from PIL import Image
from rich.console import Console
from rich.table import Table

from mien import images
from mien.infer.boxes import turned_back
from mien.infer.detect import Detector, default_detector

SIZES = [40, 40, 48, 48, 56, 64, 80, 100, 130, 170, 220, 300]
EMPTY = ("brick", "gravel", "grass", "page", "text", "moon", "rocket", "coffee", "horse", "retina",
         "motorcycle_left", "chessboard_GRAY", "color", "hubble_deep_field", "ihc", "cell",
         "clock_motion", "phantom")  # fmt: skip
DOUBTFUL = ("chelsea", "coins", "logo")  # a cat, heads on coins, a drawn face


def found_by_size(detector: Detector, console: Console) -> None:
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
    """Best of a few runs, milliseconds of CPU time: other programs hardly change it."""
    call()
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        spent.append(time.process_time() - start)
    return min(spent) * 1e3


def recall(folder: Path, console: Console) -> None:
    """Print the share of faces found by size on FOLDER/photos, of which FOLDER/truth.json knows.

    ``truth.json`` maps files to boxes [x0, y0, x1, y1, kind]: F a face, I one to ignore.
    """
    truth = json.loads((folder / "truth.json").read_text())
    detector = default_detector(threads=1)
    table = Table("turned by", "40 px and more", "20 to 40", "below 20", "false, or unlisted")
    for quarters in range(4):
        sizes: dict[int, list[int]] = {0: [], 1: [], 2: []}
        extra = 0
        for name, boxes in truth.items():
            image = images.read(folder / "photos" / name)
            height, width = image.shape[:2]
            found = detector.detect(np.ascontiguousarray(np.rot90(image, quarters)))
            rows = np.array([[*f.box, *f.landmarks.ravel(), f.score] for f in found], np.float32)
            rows = turned_back(rows.reshape(-1, 15), quarters, height, width)
            left = [tuple(row[:4]) for row in rows]
            for *box, kind in sorted(boxes, key=lambda b: -(b[2] - b[0])):
                hit = next((b for b in left if match([tuple(box)], [b], 0.35)[0]), None)
                if hit is not None and kind != "X":
                    left.remove(hit)
                if kind == "F":
                    side = ((box[2] - box[0]) * (box[3] - box[1])) ** 0.5
                    sizes[0 if side >= 40 else 1 if side >= 20 else 2].append(hit is not None)
            extra += len(left)
        cells = (f"{sum(v)}/{len(v)} = {sum(v) / max(len(v), 1):.1%}" for v in sizes.values())
        table.add_row(f"{90 * quarters} degrees", *cells, str(extra))
    console.print(table)


def times(console: Console) -> None:
    """Print milliseconds of searches on one thread, BlazeFace's beside today's, taken in turn."""
    astronaut = Image.fromarray(images.read(PORTRAITS[0][0]))
    gravel = Image.fromarray(sample("gravel")).convert("RGB")
    cases = {
        "640x480, one face": np.asarray(astronaut.resize((640, 480))),
        "1100x825, one face": np.asarray(astronaut.resize((1100, 825))),
        "1920x1440, one face": np.asarray(astronaut.resize((1920, 1440))),
        "12 MP, one face": np.asarray(astronaut.resize((4000, 3000))),
        "640x480, no face": np.asarray(gravel.resize((640, 480))),
    }
    old, new = before.module("infer.detect").BlazeFace(threads=1), default_detector(threads=1)
    table = Table("search, min_face 40", "BlazeFace, ms", "today, ms", "ratio",
                  title="CPU time on one thread, least of many runs")  # fmt: skip
    for name, picture in cases.items():
        repeats = 25 if picture.size < 4e6 else 5
        calls = [lambda p=picture, d=d: d.detect(p) for d in (old, new)]
        rounds = [[best_ms(call, repeats // 5) for call in calls] for _ in range(5)]
        was, now = np.min(rounds, axis=0)
        table.add_row(name, f"{was:.1f}", f"{now:.1f}", f"{now / was:.2f}")
    console.print(table)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--truth", type=Path, help="folder of photos/ and truth.json")
    parser.add_argument("--times", action="store_true", help="only measure times")
    args = parser.parse_args()
    console = Console(width=120)
    if args.truth:
        recall(args.truth, console)
    if not args.times:
        found_by_size(default_detector(), console)
    times(console)


if __name__ == "__main__":
    main()
