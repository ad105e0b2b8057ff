"""Video at 640x480 with two faces: frames a second, and how much less smoothed scores flicker.

    python -m benchmarks.video

A film of two portraits that cross is made, 5 s at 30 frames a second. Ratios are to searching every
frame. CPU time is of the whole process, and says what frames a second an idle machine could reach.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from tests.infer.footage import crossing, write

import mien
from mien.infer.footage import Footage
from mien.infer.smooth import flicker
from mien.infer.video import read_video

SECONDS, RATE = 5, 30


def main() -> None:
    model = mien.load(threads=1)  # searching and scoring are two threads already
    with tempfile.TemporaryDirectory() as scratch:
        times = np.arange(SECONDS * RATE) / RATE
        film = write(Path(scratch) / "film.mp4", [crossing(t / SECONDS) for t in times], times)
        began = time.perf_counter()
        count = sum(1 for _ in Footage(film))
        decoding = count / (time.perf_counter() - began)
        table = Table(
            "search every", "smoothing", "frames/s", "ratio", "CPU ms", "flicker", "people"
        )
        table.add_row("decoding alone", "", f"{decoding:.1f}", "", "", "", "")
        base = None
        for every, smooth in ((1, 0.0), (3, 0.0), (3, 0.2), (5, 0.2)):
            began, spent = time.perf_counter(), time.process_time()
            frames = list(read_video(film, model, every=every, smooth=smooth))
            rate = len(frames) / (time.perf_counter() - began)
            cost = 1000 * (time.process_time() - spent) / len(frames)
            base = base or rate
            scores: dict[int, list[list[float]]] = {}
            for frame in frames:
                for face in frame.faces:
                    scores.setdefault(face.track or 0, []).append([*face.expression.votes.values()])
            shake = np.mean([flicker(np.array(s)) for s in scores.values() if len(s) > RATE])
            table.add_row(
                str(every), f"{smooth} s", f"{rate:.1f}", f"{rate / base:.2f}x", f"{cost:.1f}",
                f"{shake:.4f}",
                str(len(scores)),
            )  # fmt: skip
        Console().print(table)


if __name__ == "__main__":
    main()
