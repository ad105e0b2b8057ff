"""The jobs that ``faults`` disturbs: their commands, and what each leaves, item by item."""

import csv
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tests.infer.footage import crossing, write
from tests.tiny import make_bundle, write_recipe

from mien.bundle import sha256
from mien.emotions import EMOTIONS

LIMIT = 600
"""Seconds after which a command counts as hung."""
Items = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """A command that writes into ``out``, and what it left there by name."""

    name: str
    argv: Callable[[Path], list[object]]
    read: Callable[[Path], Items]


def start(job: Job, out: Path, *, file_limit: int | None = None) -> subprocess.Popen:
    """The command, in a group of its own; no file may grow above ``file_limit`` bytes."""

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

    out.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"MIEN_RUNS": str(out / "runs"), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "mien", *map(str, job.argv(out))],
        env=environment, start_new_session=True, text=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, preexec_fn=None if file_limit is None else full,
    )  # fmt: skip


def end(running: subprocess.Popen) -> str:
    """Wait for it; what it said of errors.

    Raises:
        RuntimeError: it hangs, or shows a traceback.
    """
    try:
        said = running.communicate(timeout=LIMIT)[1]
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        raise RuntimeError(f"hangs: {running.args}") from None
    if "Traceback" in said:
        raise RuntimeError(f"a traceback from {running.args}:\n{said}")
    return said


def finish(job: Job, out: Path) -> Items:
    """Run the command to its end; what it left."""
    running = start(job, out)
    said = end(running)
    if running.returncode:
        raise RuntimeError(f"{job.name} ends with {running.returncode}: {said}")
    return job.read(out)


def lost(wanted: Items, found: Items) -> int:
    """Items that are missing, new or different."""
    return sum(wanted.get(key) != found.get(key) for key in {*wanted, *found})


def make_place(root: Path) -> list[Job]:
    """Faces, a prepared folder, a run, a film and a bundle below ``root``, and the jobs on them."""
    rng = np.random.default_rng(0)
    for number in range(1500):
        pixels = rng.integers(0, 170, (48, 48)).astype(np.uint8)
        kind = number % len(EMOTIONS)
        top, left = divmod(kind, 3)
        pixels[16 * top : 16 * top + 16, 16 * left : 16 * left + 16] += 80
        path = root / "faces" / EMOTIONS[kind] / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        if number < 280:
            few = root / "few" / EMOTIONS[kind] / path.name
            few.parent.mkdir(parents=True, exist_ok=True)
            few.write_bytes(path.read_bytes())
    write(root / "film.mp4", [crossing(n / 40) for n in range(40)], [n / 8 for n in range(40)])
    bundle = make_bundle(root / "bundle")
    recipe, data = write_recipe(root / "tiny.toml", epochs=4, trial_epochs=2), root / "prepared"
    look = ["--bundle", "none", "--no-detector"]
    predict = ["predict", root / "faces", "--crops", "--model", bundle, "--threads", 1]
    prepare = Job("data prepare", lambda out: ["data", "prepare", root / "few", out / "d", *look],
                  lambda out: table(out / "d" / "manifest.csv", "id"))  # fmt: skip
    finish(Job("", lambda out: ["data", "prepare", root / "few", data, *look], lambda out: {}),
           root / "made")  # fmt: skip
    train = Job("train", lambda out: ["train", recipe, data, "name=run"], weights)
    finish(train, root / "made")
    run = root / "made" / "runs" / "run"
    return [
        Job("predict --csv", lambda out: [*predict, "--csv", out / "o.csv"],
            lambda out: table(out / "o.csv", "source")),
        Job("predict --jsonl", lambda out: [*predict, "--jsonl", out / "o.jsonl"],
            lambda out: jsonl(out / "o.jsonl")),
        Job("predict --parquet", lambda out: [*predict, "--parquet", out / "o"],
            lambda out: parquet(out / "o")),
        prepare,
        train,
        Job("tune", lambda out: ["tune", recipe, data, "--trials", 3, "--study", "s"], trials),
        Job("export", lambda out: ["export", run, "--out", out / "b", "--data", data], exported),
        Job("video", lambda out: ["video", root / "film.mp4", "--csv", out / "o.csv", "--out",
                                  out / "o.mp4", "--overwrite", "--model", bundle], film),
    ]  # fmt: skip


def gather(rows: list[dict[str, Any]], key: str) -> Items:
    """Rows by a column; one that stands twice is another item than one that stands once."""
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(str(row[key]), []).append(sorted(row.items(), key=str))
    return {name: str(value) for name, value in found.items()}


def table(path: Path, key: str) -> Items:
    with path.open(newline="", encoding="utf-8") as file:
        return gather(list(csv.DictReader(file)), key)


def jsonl(path: Path) -> Items:
    return gather([json.loads(line) for line in path.read_text("utf-8").splitlines()], "source")


def parquet(folder: Path) -> Items:
    import pyarrow.parquet as pq

    return gather(pq.read_table(folder).to_pylist(), "source")


def weights(out: Path) -> Items:
    return {"weights": sha256(out / "runs" / "run" / "weights.safetensors")}


def trials(out: Path) -> Items:
    """Whether three trials ended, and whether any is left as running."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    (file,) = out.rglob("*.db")
    (study,) = optuna.get_all_study_names(f"sqlite:///{file}")
    states = [trial.state.name for trial in
              optuna.load_study(study_name=study, storage=f"sqlite:///{file}").trials]  # fmt: skip
    ended = sum(state in ("COMPLETE", "PRUNED") for state in states)
    return {"ended": ended >= 3, "running": states.count("RUNNING")}


def exported(out: Path) -> Items:
    """The scores of a bundle."""
    import mien

    crops = np.random.default_rng(1).integers(0, 256, (4, 48, 48), np.uint8)
    scores = mien.load(out / "b", threads=1).classify(crops).label.round(5)
    return {"scores": scores.tolist()}


def film(out: Path) -> Items:
    """The rows of a film, and how many frames its drawn copy has."""
    import av

    with av.open(str(out / "o.mp4")) as drawn:
        frames = sum(1 for _ in drawn.decode(video=0))
    return table(out / "o.csv", "frame") | {"frames drawn": frames}
