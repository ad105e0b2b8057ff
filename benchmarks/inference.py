"""Speed and memory of the embedded model, each against a baseline in the same run.

    python -m benchmarks.inference            # make bench

Faces a second against a loop that scores one face after another, and against torch in eager mode
where torch and a run are given (--run); photos end to end with the number of detector passes; cold
start of the command against a bare interpreter; peak memory.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from benchmarks.spent import spent
from PIL import Image
from rich.console import Console
from rich.table import Table

import mien
from mien.infer.session import best_batch, only_asked_for

PHOTO = Path(__file__).parents[1] / "examples" / "astronaut.jpg"


def median_ms(call: Callable[[], object], *, least: float = 1.0, runs: int = 5) -> float:
    """Median of at least ``runs`` calls lasting at least ``least`` seconds together, in ms."""
    call()
    times: list[float] = []
    while len(times) < runs or sum(times) < least:
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def faces(table: Table, crops: np.ndarray, run: Path | None) -> None:
    for threads in (1, 0):
        model = mien.load(threads=threads)
        naive = median_ms(lambda m=model: [m.classify(crops[i : i + 1]) for i in range(8)]) / 8
        for batch in (1, 32, 64, 256):
            part = crops[:batch]
            ms = median_ms(lambda m=model, p=part: m.classify(p)) / batch
            row = [
                f"{ms:.2f} ms a face, {1000 / ms:.0f} faces/s",
                f"{naive / ms:.2f}x a loop over faces",
                f"{shared_ms(model, part) / ms:.2f}x runs that share all threads",
            ]
            if run is not None:
                eager = eager_ms(run, part, threads, model.bundle.card.views > 1)
                row.append(f"{eager / ms:.2f}x torch eager")
            table.add_row(f"batch {batch}, {threads or 'all'} thread(s)", *row)


def shared_ms(model: mien.Model, part: np.ndarray) -> float:
    """Milliseconds a face where no two runs of the graph are side by side."""
    size = best_batch(model.session)
    runs = [{"faces": part[at : at + size]} for at in range(0, len(part), size)]
    names, options = ["label", "ballot"], only_asked_for()
    return median_ms(lambda: [model.session.run(names, run, options) for run in runs]) / len(part)


def eager_ms(run: Path, part: np.ndarray, threads: int, flip: bool) -> float:
    import torch

    from mien.train.ship.graph import Graph
    from mien.train.ship.shipping import member

    torch.set_num_threads(threads or torch.get_num_threads())
    graph = Graph([member(run)], flip=flip).eval()
    images = torch.from_numpy(part)
    with torch.inference_mode():
        return median_ms(lambda: graph(images)) / len(part)


def photos(table: Table) -> None:
    model = mien.load()
    portrait = Image.open(PHOTO)
    canvas = Image.new("RGB", (640, 480), (96, 108, 96))
    canvas.paste(portrait.resize((480, 480)), (80, 0))
    large = canvas.resize((4000, 3000), Image.Resampling.BICUBIC)
    for name, picture, smallest in (
        ("640x480", canvas, 64), ("640x480", canvas, 40), ("12 megapixels", large, 40),
    ):  # fmt: skip
        array = np.asarray(picture)
        passes = len(model.detector.passes(array.shape, min_face=smallest))
        whole = median_ms(lambda a=array, s=smallest: model.analyze(a, min_face=s))
        alone = median_ms(lambda a=array, s=smallest: model.detector.detect(a, min_face=s))
        table.add_row(
            f"{name}, one face, min_face {smallest}", f"{whole:.1f} ms",
            f"{whole / alone:.2f}x detection alone", f"{passes} passes",
        )  # fmt: skip


def cold(table: Table) -> None:
    command = [sys.executable, "-m", "mien", "predict", str(PHOTO)]
    times = {
        name: median_ms(lambda c=c: subprocess.run(c, check=True, capture_output=True), least=0)
        for name, c in (("mien", command), ("bare", [sys.executable, "-c", "import numpy, PIL"]))
    }
    table.add_row(
        "cold `mien predict` on one photo", f"{times['mien'] / 1000:.2f} s",
        f"{times['mien'] / times['bare']:.1f}x an interpreter with numpy and Pillow",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, help="run folder, to compare with torch in eager mode")
    run = parser.parse_args().run
    table = Table("what", "measured", "against", "", title="mien: speed", title_justify="left")
    crops = np.random.default_rng(0).integers(0, 256, (256, 48, 48), dtype=np.uint8)
    faces(table, crops, run)
    photos(table)
    cold(table)
    peak = spent([sys.executable, "-m", "mien", "predict", str(PHOTO)]).peak
    bare = spent([sys.executable, "-c", "import numpy, PIL"]).peak
    table.add_row(
        "peak memory of `mien predict` on it", f"{peak:.0f} MB",
        f"{peak / bare:.1f}x an interpreter with numpy and Pillow",
    )  # fmt: skip
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
