"""Evaluates a model or a table of scores, and keeps what was found beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mien.atomic import write_bytes
from mien.bundle import sha256
from mien.measure.evaluate import evaluate as measure
from mien.measure.predictions import Predictions
from mien.workflows.truth import classify

PREDICTIONS, METRICS = "predictions.npz", "metrics.json"


def evaluate(
    model: str,
    data: Path,
    *,
    split: str = "test",
    out: Path | None = None,
    draws: int = 1000,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> tuple[Path, dict[str, Any]]:
    """Score one split of a data folder with a bundle, and measure the scores.

    Args:
        model: a bundle's name or folder, or a run whose bundle is exported.
        data: the data folder.
        split: which of its splits.
        out: folder to write to; None is the run's own, or one named after the bundle, here.
        draws: bootstrap resamples behind each interval.
        seed: of resampling and folds.
        progress: is told the stage, and how far it is.

    Returns:
        The folder, and what ``measure.evaluate`` found.
    """
    from mien.data.dataset import load

    table, card = classify(model, load(data), split, progress=progress)
    folder = out or folder_of(model, split)
    return folder, keep(table, folder, card=card, draws=draws, seed=seed, progress=progress)


def keep(
    table: Predictions,
    folder: Path,
    *,
    card: dict[str, Any] | None = None,
    draws: int = 1000,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Measure a table, and write ``predictions.npz`` and ``metrics.json`` to a folder."""
    progress("intervals", 0, 0)
    result = measure(table, draws=draws, seed=seed)
    if card:
        result["card"] = card
    folder.mkdir(parents=True, exist_ok=True)
    table.save(folder / PREDICTIONS)
    result["predictions_sha256"] = sha256(folder / PREDICTIONS)
    write_metrics(folder / METRICS, result)
    return result


def write_metrics(path: Path, value: Any) -> None:
    """Write plain JSON types in the order in which they were made."""
    write_bytes(path, json.dumps(value, indent=1, allow_nan=False).encode() + b"\n")


def folder_of(model: str, split: str) -> Path:
    """The run's own folder; a folder named after a bundle, here; below it for other splits."""
    path = Path(model)
    folder = path if (path / "bundle").is_dir() else Path(f"{path.resolve().name}.evaluation")
    return folder if split == "test" else folder / split


def bundle_of(source: str, data: Path, *, tell: Callable[[str], None] = lambda line: None) -> str:
    """The bundle that a name or folder means; a finished run is exported into its folder first.

    ``tell`` is told when a run is exported.

    Raises:
        BundleError: neither a bundle nor a finished run.
    """
    from mien.bundle import GRAPH, WEIGHTS, BundleError, find

    try:
        run = Path(source)
        if find(source) != run / "bundle":  # a bundle by name or folder, not a run's
            return source
    except BundleError as missing:
        try:
            from mien.train.reports import find_run

            run = find_run(source)
        except (ImportError, FileNotFoundError):
            raise missing from None
    graph, trained = run / "bundle" / GRAPH, run / WEIGHTS
    if graph.is_file() and not _newer(trained, graph):
        return str(run)
    out = run / "bundle"
    tell(f"exporting {out}")
    from mien.data.dataset import load
    from mien.infer.crop import FRAME
    from mien.train.ship.shipping import ship

    crops = load(data).images[:64]
    ship({run: 1.0}, out, name=run.name, flip=False, weights="float32", crops=crops, frame=FRAME)
    return str(run)


def _newer(path: Path, other: Path) -> bool:
    return path.is_file() and path.stat().st_mtime > other.stat().st_mtime
