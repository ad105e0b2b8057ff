"""Very many pictures: how close to ideal, how much memory, what a kill costs; Ray beside it.

    python -m benchmarks.many                  # 20,000 pictures of 320x240, about 20 minutes
    python -m benchmarks.many --count 2000     # a look
    python -m benchmarks.many --ray --count 5000   # one and two workers of a local Ray cluster

The ideal is cores / (decode + detect + classify time of a picture, each measured alone on one core
in the same run). CPU time of the stages against that of the whole run says what the pipeline itself
costs, even on a busy machine. Pictures are made: a portrait on a textured ground, 200 files under
many names.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from benchmarks.montage import montage
from benchmarks.spent import Spent, spent
from PIL import Image
from rich.console import Console
from rich.table import Table

import mien
from mien.cores import cores
from mien.images import read
from mien.infer.many import on_one_thread

DISTINCT = 200
MIN_FACE = 64


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=20_000)
    options.add_argument("--ray", action="store_true", help="Ray instead")
    chosen = options.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        pictures(place / "all", chosen.count)
        if chosen.ray:
            table = Table("what", "figure")
            for row in on_ray(place / "all", place):
                table.add_row(*row)
            console.print(table)
            return
        pictures(place / "tenth", chosen.count // 10)
        stages, busy = alone(sorted((place / "all").iterdir())[:DISTINCT])
        ideal = cores() / (sum(stages.values()) / 1000)
        table = Table("what", "figure")
        for name, ms in stages.items():
            table.add_row(
                f"{name} alone, one core", f"{ms:.2f} ms a picture ({busy[name]:.2f} of CPU)"
            )
        table.add_row(f"ideal on {cores()} cores", f"{ideal:.1f} pictures a second")
        small = predict(place / "tenth", place / "tenth.csv")
        large = predict(place / "all", place / "all.csv")
        speed = chosen.count / large.seconds
        table.add_row(f"{chosen.count:,} pictures", f"{speed:.1f} a second, start included")
        table.add_row("of the ideal", f"{speed / ideal:.0%}")
        each = 1000 * large.cpu / chosen.count
        table.add_row("CPU time", f"{each:.2f} ms a picture, start included")
        table.add_row("of it in the three stages", f"{sum(busy.values()) / each:.0%}")
        table.add_row(f"peak memory at {chosen.count // 10:,}", f"{small.peak:.0f} MB")
        table.add_row(f"peak memory at {chosen.count:,}", f"{large.peak:.0f} MB")
        table.add_row("killed halfway and resumed", killed(place))
        console.print(table)


def pictures(folder: Path, count: int) -> None:
    """``count`` names of ``DISTINCT`` files."""
    folder.mkdir()
    for i in range(min(DISTINCT, count)):
        made = montage([70 + i % 40], i, (320, 240))
        Image.fromarray(made.picture).save(folder / f"{i:06}.jpg", quality=90)
    for i in range(DISTINCT, count):
        os.link(folder / f"{i % DISTINCT:06}.jpg", folder / f"{i:06}.jpg")


def alone(paths: list[Path]) -> tuple[dict[str, float], dict[str, float]]:
    """Milliseconds a picture of each stage, one after another on one core: by clock, of CPU."""
    model = on_one_thread(mien.load(threads=1))
    images = [read(path) for path in paths]
    crops = [model.find(image, min_face=MIN_FACE)[1] for image in images]
    faces = np.concatenate(crops)

    def decode() -> None:
        for path in paths:
            read(path)

    def detect() -> None:
        for image in images:
            model.find(image, min_face=MIN_FACE)

    def classify() -> None:
        for at in range(0, len(faces), 32):
            model.classify(faces[at : at + 32])

    clock, busy = {}, {}
    for name, stage in (("decode", decode), ("detect and crop", detect), ("classify", classify)):
        began, spent = time.perf_counter(), time.process_time()
        stage()
        clock[name] = 1000 * (time.perf_counter() - began) / len(paths)
        busy[name] = 1000 * (time.process_time() - spent) / len(paths)
    return clock, busy


def command(folder: Path, out: Path) -> list[str]:
    return [sys.executable, "-c", "from mien.cli import main; main()", "predict", str(folder),
            "--csv", str(out), "--min-face", str(MIN_FACE)]  # fmt: skip


def predict(folder: Path, out: Path) -> Spent:
    """What ``mien predict`` costs."""
    return spent(command(folder, out))


def killed(place: Path) -> str:
    """Kill a run over the tenth in its middle, go on, and compare."""
    whole, out = place / "tenth.csv", place / "killed.csv"
    half = whole.stat().st_size // 2
    process = subprocess.Popen(command(place / "tenth", out), stderr=subprocess.DEVNULL)
    while process.poll() is None and (not out.exists() or out.stat().st_size < half):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = out.read_bytes().count(b"\n")
    predict(place / "tenth", out)
    same = sorted(out.read_text().splitlines()) == sorted(whole.read_text().splitlines())
    return f"rows {'the same' if same else 'DIFFERENT'}, {before:,} lines stood at the kill"


def on_ray(folder: Path, place: Path) -> list[tuple[str, str]]:
    """Pictures a second of one and of two workers, from the call to the last part written.

    A first run, which is not counted, starts Ray and imports what it needs.
    """
    import ray

    from mien.infer.ray_engine import run

    first = place / "first"
    first.mkdir()
    shutil.copy(next(folder.iterdir()), first)
    run([str(first)], str(place / "warm"), workers=1)
    results = {
        workers: run([str(folder)], str(place / f"ray{workers}"), min_face=MIN_FACE,
                     workers=workers)
        for workers in (1, 2)
    }  # fmt: skip
    ray.shutdown()
    return [
        (
            f"Ray, {workers} worker(s), {result.pictures:,} pictures",
            f"{result.speed:.1f} a second, {result.seconds:.1f} s",
        )
        for workers, result in results.items()
    ] + [("two workers to one", f"{results[1].seconds / results[2].seconds:.2f}x")]


if __name__ == "__main__":
    main()
