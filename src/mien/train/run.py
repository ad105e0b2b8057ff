"""A run's folder: its lock, records, checkpoint and final network."""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from mien.atomic import replacing
from mien.emotions import EMOTIONS
from mien.measure import plots
from mien.train import starts, weights
from mien.train.loop import State
from mien.train.network import Network
from mien.train.optim import kept_row
from mien.train.recipe import Recipe, parse
from mien.train.weights import runs_folder as runs_folder

RECIPE, FACTS, HISTORY, CHECKPOINT = "recipe.toml", "run.json", "history.csv", "checkpoint.pt"
LOCK = ".lock"
LINEAGE = "lineage"  # key of ``run.json`` where the weights are no training's own
CONFUSION = "confusion.csv"
BEST_WEIGHTS = "best.safetensors"
"""Weights of the best epoch by the held-out score; only early stopping writes them."""


@contextmanager
def locked(folder: Path, *, when: bool = True) -> Iterator[None]:
    """Lock the run's folder for this process; it is created if missing.

    The system lets go of the lock when the process ends, however it ends.

    Raises:
        OSError: another process holds it, or the folder cannot be written.
    """
    if not when:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise OSError(
            f"{folder}: another process is training here; wait for it, or give name=OTHER"
        ) from None
    try:
        yield
    finally:
        lock.release()


def claim(folder: Path, recipe: Recipe, facts: dict[str, Any]) -> None:
    """Claim the run's folder for this recipe and data, or check that it already is.

    Recipes are compared as parsed, so a run started by an older mien goes on. Where no epoch has
    ended recipe and data are replaced, as a recipe that diverges at once has to be. Of a run that
    goes on the start is kept that its weights came from.

    Raises:
        ValueError: the folder holds another recipe or other data, or the run that it starts from,
            or its teacher, has been trained again since.
        OSError: the folder cannot be written.
    """
    begun = (folder / RECIPE).exists() and (
        (folder / weights.FILE).exists() or any(folder.rglob(CHECKPOINT))  # a fold's, below
    )
    if begun and not read_recipe(folder).same_training(recipe):
        raise ValueError(f"{folder}: holds a run of another recipe; give name=OTHER or delete it")
    if begun and (folder / FACTS).exists():
        before = read_facts(folder)
        if before["data"] != facts["data"]:
            raise ValueError(f"{folder}: was trained on other data; give name=OTHER or delete it")
        if _teacher(before) != _teacher(facts):
            raise ValueError(
                f"{folder}: {recipe.targets.teacher} is another teacher now; give name=OTHER or "
                "delete it"
            )
        own = recipe.network.start.partition(":")[0] not in {"auto", *starts.STARTS}
        if own and before.get("start") != facts.get("start"):
            raise ValueError(
                f"{folder}: {recipe.network.start} has other weights now than when this run began; "
                "give name=OTHER or delete it"
            )
        facts = facts | ({"start": before["start"]} if "start" in before else {})
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / RECIPE, recipe.to_toml())
    write_text(folder / FACTS, json.dumps(facts, indent=2) + "\n")


def _teacher(facts: dict[str, Any]) -> str:
    """The hash of the teacher's graph, "" without one."""
    return str(facts.get("teacher", {}).get("sha256", ""))


def read_recipe(folder: Path) -> Recipe:
    """The resolved recipe of a run.

    Raises:
        FileNotFoundError: not a run's folder.
        ValueError: its recipe is damaged.
    """
    path = folder / RECIPE
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: no {RECIPE} there; not the folder of a run")
    try:
        return parse(tomllib.loads(path.read_text(encoding="utf-8")), source=str(path))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: not TOML ({error}); the run cannot be resumed") from None


def read_facts(folder: Path) -> dict[str, Any]:
    """What ``run.json`` says: data fingerprint, images, start, precision, teacher.

    Raises:
        ValueError: it is damaged.
    """
    path = folder / FACTS
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        facts["data"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: damaged ({error}); give name=OTHER or delete the run") from None
    return facts


def lineage(recipe: Recipe, facts: dict[str, Any]) -> str:
    """How a run's weights came about, in one line that names everything by its content's hash."""
    if LINEAGE in facts:
        return str(facts[LINEAGE])
    teacher = facts.get("teacher")
    taught = f", distilled from {teacher['name']} {teacher['sha256'][:12]}" if teacher else ""
    return (
        f"{recipe.name} (recipe {recipe.digest} on data {facts['data']}{taught}, from "
        f"{facts['start']})"
    )


def read_history(folder: Path) -> list[dict[str, float]]:
    """A row of numbers an epoch, as ``history.csv`` holds them; none before the first has ended."""
    path = folder / HISTORY
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]


def write_history(folder: Path, history: list[dict[str, Any]]) -> None:
    """Rewrite the whole table of epochs, so that a replayed epoch appears once."""
    text = io.StringIO()
    columns = list(dict.fromkeys(key for row in history for key in row))
    writer = csv.DictWriter(text, fieldnames=columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_text(folder / HISTORY, text.getvalue())


def write_confusion(folder: Path, table: NDArray[np.int64]) -> None:
    """Write (7, 7) counts as ``confusion.csv``, and as a picture where matplotlib is installed."""
    text = io.StringIO()
    names = [emotion.value for emotion in EMOTIONS]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["label \\ predicted", *names])
    writer.writerows([name, *counts] for name, counts in zip(names, table.tolist(), strict=True))
    write_text(folder / CONFUSION, text.getvalue())
    if find_spec("matplotlib"):
        with replacing(folder / Path(CONFUSION).with_suffix(".png")) as part:
            plots.confusion_picture(table, part)


def read_confusion(folder: Path) -> list[list[str]]:
    """The cells of ``confusion.csv``, its head first; none where no validation split was scored."""
    path = folder / CONFUSION
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def write_text(path: Path, text: str) -> None:
    """Write a small file atomically.

    Raises:
        OSError: the disk is full or cannot be written; an older file stays as it was.
    """
    try:
        with replacing(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OSError(
            f"{path}: cannot be written ({error.strerror}); what the run has reached is kept. "
            "Free some space and run the same command again."
        ) from error


def load_network(folder: Path) -> tuple[Recipe, Network]:
    """The recipe and the trained network of a finished run, in evaluation mode.

    Raises:
        FileNotFoundError: not a run's folder, or the run has not ended.
        ValueError: its weights are damaged.
    """
    recipe = read_recipe(folder)
    if not (folder / weights.FILE).is_file():
        raise FileNotFoundError(f"{folder}: the run has not finished; `mien train` resumes it")
    return recipe, starts.restore(recipe.network, folder / weights.FILE)


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write beside the old checkpoint, flush to the disk, then take its place.

    Raises:
        OSError: the disk is full or the folder cannot be written; the old checkpoint stays.
    """
    try:
        with replacing(path) as part, part.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:
        # torch reports a failed write of its archive as a RuntimeError
        raise OSError(
            f"{path}: the checkpoint could not be written ({error}); the last good one is kept. "
            "Free some space and run the same command again."
        ) from error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint.

    Raises:
        ValueError: the file is damaged; the message says what to do.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path}: the checkpoint is damaged ({type(error).__name__}); delete it to start the "
            "run again from its first epoch"
        ) from error
    return state


def keep(folder: Path, state: State) -> None:
    """Write the checkpoint of the epoch that has just ended, then its row of the table."""
    history = state.history
    if state.recipe.stopping.patience and kept_row(state.recipe, history) is history[-1]:
        weights.write(state.kept, folder / BEST_WEIGHTS, facts={"epoch": history[-1]["epoch"]})
    saved = {
        "epoch": history[-1]["epoch"], "history": history, "network": state.network.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "ema": None if state.ema is None else state.ema.module.state_dict(),
    }  # fmt: skip
    save_checkpoint(saved, folder / CHECKPOINT)
    write_history(folder, history)


def resume(folder: Path, state: State) -> None:
    """Load what ``keep`` wrote, if there is any.

    Raises:
        ValueError: the checkpoint is damaged.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return
    saved = load_checkpoint(path)
    state.network.load_state_dict(saved["network"])
    state.optimizer.load_state_dict(saved["optimizer"])
    if state.ema is not None:
        state.ema.module.load_state_dict(saved["ema"])
    state.history = list(saved["history"])


def check_finite(network: Network, epoch: int) -> None:
    """Check that every weight is finite.

    Raises:
        FloatingPointError: one is not.
    """
    for name, value in network.state_dict().items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise FloatingPointError(
                f"{name} is no longer a number after epoch {epoch + 1}; the last checkpoint is "
                "intact. Lower optimizer.lr or set optimizer.clip=1"
            )
