"""A run's folder: whose it is, its history, and its network when it is done."""

from __future__ import annotations

import csv
import io
import json
import os
import tomllib
from pathlib import Path
from typing import Any

from mien.train import starts, weights
from mien.train.network import Network
from mien.train.recipe import Recipe, parse

RECIPE, FACTS, HISTORY, CHECKPOINT = "recipe.toml", "run.json", "history.csv", "checkpoint.pt"


def runs_folder() -> Path:
    """Where runs are kept: ``$MIEN_RUNS``, else ``runs/``."""
    return Path(os.environ.get("MIEN_RUNS", "runs"))


def claim(folder: Path, recipe: Recipe, facts: dict[str, Any]) -> None:
    """Make the run folder ours, or make sure that it already is.

    Recipes are compared as parsed, so a run started by an older mien goes on. Where no epoch has
    ended recipe and data are replaced, as a recipe that diverges at once has to be.

    Raises:
        ValueError: the folder holds another recipe or other data.
        OSError: the folder cannot be written.
    """
    begun = (folder / RECIPE).exists() and (
        (folder / weights.FILE).exists() or any(folder.rglob(CHECKPOINT))  # a fold's, below
    )
    if begun and not read_recipe(folder).same_training(recipe):
        raise ValueError(f"{folder}: holds a run of another recipe; give name=OTHER or delete it")
    if begun and (folder / FACTS).exists() and read_facts(folder)["data"] != facts["data"]:
        raise ValueError(f"{folder}: was trained on other data; give name=OTHER or delete it")
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / RECIPE, recipe.to_toml())
    write_text(folder / FACTS, json.dumps(facts, indent=2) + "\n")


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
        raise ValueError(f"{path}: not TOML ({error}); the run cannot go on") from None


def read_facts(folder: Path) -> dict[str, Any]:
    """What ``run.json`` says: data fingerprint, images, start, precision.

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


def read_history(folder: Path) -> list[dict[str, float]]:
    """A row of numbers an epoch, as ``history.csv`` holds them; none before the first has ended."""
    path = folder / HISTORY
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]


def write_history(folder: Path, history: list[dict[str, Any]]) -> None:
    """Rewrite the table of epochs whole, so that a replayed epoch stands there once."""
    text = io.StringIO()
    columns = list(dict.fromkeys(key for row in history for key in row))
    writer = csv.DictWriter(text, fieldnames=columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_text(folder / HISTORY, text.getvalue())


def write_text(path: Path, text: str) -> None:
    """Write a small file atomically.

    Raises:
        OSError: the disk is full or cannot be written; an older file stays as it was.
    """
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
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
        raise FileNotFoundError(f"{folder}: the run has not ended; `mien train` goes on with it")
    return recipe, starts.restore(recipe.network, folder / weights.FILE)
