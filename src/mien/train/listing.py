"""Runs side by side: what each is, how far it came, and in what their recipes differ."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mien.train import run, weights
from mien.train.pace import kept_row

COLUMNS = (
    "run", "trunk", "pixels", "epochs", "minutes", "images/s", "loss", "held label", "held ballot",
    "label", "votes",
)  # fmt: skip
"""``label`` and ``votes`` are accuracies that `mien evaluate` has measured, in percent."""
DASH = "–"


def find_runs(root: Path) -> list[Path]:
    """Folders of runs right below ``root``, by name."""
    return sorted(path.parent for path in root.glob(f"*/{run.RECIPE}"))


def find_run(name: str | Path) -> Path:
    """The folder of a run given by its folder, or by its name below ``$MIEN_RUNS``.

    Raises:
        FileNotFoundError: neither; the message lists the runs that are there.
    """
    root = run.runs_folder()
    for folder in (Path(name), root / name):
        if (folder / run.RECIPE).is_file():
            return folder
    known = ", ".join(folder.name for folder in find_runs(root)) or "none yet"
    raise FileNotFoundError(f"{name}: no {run.RECIPE} there; runs in {root}: {known}")


def row(folder: Path) -> dict[str, str]:
    """One run as text by ``COLUMNS``; a damaged one says so in its place.

    Raises:
        FileNotFoundError: not the folder of a run.
    """
    cells = dict.fromkeys(COLUMNS, DASH) | {"run": folder.name}
    try:
        recipe, history = run.read_recipe(folder), run.read_history(folder)
    except ValueError as error:
        return cells | {"trunk": f"damaged: {str(error).removeprefix(str(folder) + '/')}"}
    cells["trunk"], cells["pixels"] = recipe.network.trunk, str(recipe.network.size)
    done = (folder / weights.FILE).is_file()
    cells["epochs"] = f"{len(history)}/{recipe.epochs}" + (" done" if done else "")
    if history:
        last, kept = history[-1], kept_row(recipe, history)
        seconds = sum(r.get("seconds", 0.0) for r in history)
        cells["minutes"] = f"{seconds / 60:.1f}"
        cells["images/s"] = f"{last.get('images_per_second', 0):.0f}"
        cells["loss"] = f"{kept['loss']:.3f}"
        for column, key in (("held label", "held_label"), ("held ballot", "held_ballot")):
            if key in kept:
                cells[column] = f"{100 * kept[key]:.1f}"
    for head, value in measured(folder).items():
        cells[head] = f"{100 * value:.1f}"
    return cells


def measured(folder: Path) -> dict[str, float]:
    """Accuracy of each head by the run's ``metrics.json``; empty where it was not evaluated."""
    path = folder / "metrics.json"
    if not path.is_file():
        return {}
    try:
        heads = json.loads(path.read_text(encoding="utf-8"))["heads"]
        return {head: float(parts["all"]["accuracy"]["value"]) for head, parts in heads.items()}
    except (ValueError, KeyError, TypeError):
        return {}


def differences(folders: Sequence[Path]) -> dict[str, list[str]]:
    """Recipe keys in which runs differ, each with a value a run."""
    flat = [
        _flatten(run.read_recipe(folder).model_dump(exclude={"tune", "name"})) for folder in folders
    ]
    keys = dict.fromkeys(key for recipe in flat for key in recipe)
    table = {key: [str(recipe.get(key, DASH)) for recipe in flat] for key in keys}
    return {key: values for key, values in table.items() if len(set(values)) > 1}


def _flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        nested = isinstance(value, dict) and value
        flat |= _flatten(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return flat
