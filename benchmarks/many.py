"""Very many pictures: how close to ideal, how much memory, what a kill costs; Ray beside it.

    python -m benchmarks.many                  # 20,000 pictures of 320x240, about 20 minutes
    python -m benchmarks.many --count 2000     # a look
    python -m benchmarks.many --ray            # also one and two workers of a local Ray cluster

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
from PIL import Image
from rich.console import Console
from rich.table import Table

import mien
from mien.images import read
from mien.infer.many import cores, on_one_thread

DISTINCT = 200
MIN_FACE = 64


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=20_000)
    options.add_argument("--ray", action="store_true", help="also Ray, on a tenth of the pictures")
    chosen = options.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        pictures(place / "all", chosen.count)
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
        speed = chosen.count / large[0]
        table.add_row(f"{chosen.count:,} pictures", f"{speed:.1f} a second, start included")
        table.add_row("of the ideal", f"{speed / ideal:.0%}")
        spent = 1000 * large[2] / chosen.count
        table.add_row("CPU time", f"{spent:.2f} ms a picture, start included")
        table.add_row("of it in the three stages", f"{sum(busy.values()) / spent:.0%}")
        table.add_row(f"peak memory at {chosen.count // 10:,}", f"{small[1]:.0f} MB")
        table.add_row(f"peak memory at {chosen.count:,}", f"{large[1]:.0f} MB")
        table.add_row("killed halfway and resumed", killed(place))
        if chosen.ray:
            for name, figure in on_ray(place / "tenth", place):
                table.add_row(name, figure)
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


def predict(folder: Path, out: Path) -> tuple[float, float, float]:
    """Seconds, peak memory in MB and CPU seconds of ``mien predict``."""
    began = time.perf_counter()
    process = subprocess.Popen(command(folder, out), stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        raise RuntimeError(f"mien predict ended with {status}")
    return seconds, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime


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
    """Pictures a second of one and of two workers, without the start of Ray and of its actors."""
    import ray

    from mien.infer.ray_engine import run

    seconds, rows = {}, {}
    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
        _node_ip_address="127.0.0.1",
    )  # fmt: skip
    first = place / "first"
    first.mkdir()
    shutil.copy(next(folder.iterdir()), first)
    for workers in (1, 2):
        start = run([str(first)], str(place / f"warm{workers}"), workers=workers).seconds
        result = run([str(folder)], str(place / f"ray{workers}"), min_face=MIN_FACE,
                     workers=workers)  # fmt: skip
        seconds[workers] = result.seconds - start
        rows[workers] = result.pictures
    ray.shutdown()
    return [
        (f"Ray, {w} worker(s)", f"{rows[w] / seconds[w]:.1f} pictures a second") for w in (1, 2)
    ] + [("two workers to one", f"{seconds[1] / seconds[2]:.2f}x")]


if __name__ == "__main__":
    main()
