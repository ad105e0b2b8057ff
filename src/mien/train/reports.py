"""What runs and studies have found: tables, differences, curves and plots."""

from __future__ import annotations

import csv
import io
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.atomic import replacing
from mien.train import run, weights
from mien.train.optim import kept_row
from mien.train.recipe import Recipe, vary
from mien.train.run import write_text

if TYPE_CHECKING:
    from optuna import Study

COLUMNS = (
    "run", "trunk", "pixels", "epochs", "minutes", "images/s", "loss", "valid", "valid F1",
    "held label", "held ballot", "label", "votes",
)  # fmt: skip
"""``label`` and ``votes`` are accuracies that `mien evaluate` has measured, in percent."""
SCORED = {
    "valid": "valid_accuracy", "valid F1": "valid_macro_f1",
    "held label": "held_label", "held ballot": "held_ballot",
}  # fmt: skip
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
        for column, key in SCORED.items():
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


History = Sequence[Mapping[str, float]]
PANELS = {
    "loss": "training loss",
    "valid_accuracy": "validation accuracy",
    "valid_macro_f1": "validation macro F1",
    "held_label": "held-out accuracy, label",
    "held_ballot": "held-out agreement, ballot",
    "images_per_second": "images a second",
}
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


def draw(histories: Mapping[str, History], path: Path) -> None:
    """Write a PNG with a panel for each column that any history has.

    Args:
        histories: rows an epoch, as in ``history.csv``, under the name of the run.
        path: of the PNG; replaced whole.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [
        key for key in PANELS if any(key in row for rows in histories.values() for row in rows)
    ]
    figure = Figure(figsize=(4.2 * max(len(shown), 1), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots(1, max(len(shown), 1), squeeze=False)[0]
    for axis, key in zip(axes, shown, strict=False):
        for number, (name, rows) in enumerate(histories.items()):
            points = [(row["epoch"], row[key]) for row in rows if key in row]
            colour = COLOURS[number % len(COLOURS)]
            axis.plot(*zip(*points, strict=True), "o-", color=colour, markersize=3, label=name) if (
                points
            ) else None
        axis.set_title(PANELS[key], loc="left", fontsize=10)
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    if len(histories) > 1:
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    elif histories:
        figure.suptitle(next(iter(histories)), x=0.01, ha="left", fontsize=11)
    with replacing(path) as part:
        figure.savefig(part, dpi=120, format="png")


BEST_RECIPE = "best.toml"
TABLE, PAGE = "trials.csv", "report.md"


def report(study: Study, recipe: Recipe, folder: Path) -> list[Path]:
    """Write ``report.md``, ``trials.csv``, the plots and ``best.toml``; returns what was written.

    Plots that need more finished trials than there are, are left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / TABLE, folder / PAGE]
    keys = sorted({key for trial in study.trials for key in trial.params})
    rows = [_row(trial, keys) for trial in study.trials]
    head = ["trial", *keys, "score", "state", "epochs", "minutes", "why"]
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([head, *rows])
    write_text(folder / TABLE, table.getvalue())
    plots = _plots(study, folder)
    lines = [f"# Study {study.study_name}", "", summary(study), ""]
    lines += [f"![{name}]({path.name})\n" for name, path in plots.items()]
    ranked = sorted(rows, key=lambda r: float(r[len(keys) + 1] or -1), reverse=True)
    lines += ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    lines += ["| " + " | ".join(r) + " |" for r in ranked]
    write_text(folder / PAGE, "\n".join(lines) + "\n")
    best = best_recipe(study, recipe)
    if best is not None:
        data = "DATA" if not best.data.path else best.data.path
        text = f"# mien train {BEST_RECIPE} {data}\n"
        text += f"# The best of {len(rows)} trials: {summary(study)}\n"
        write_text(folder / BEST_RECIPE, text + best.to_toml())
        written.append(folder / BEST_RECIPE)
    return written + list(plots.values())


def best_recipe(study: Study, recipe: Recipe) -> Recipe | None:
    """The recipe with the best trial's values; None before a trial is complete."""
    return tuned(recipe, study.best_params) if _complete(study) else None


def tuned(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with a trial's values, trained on all unless these need a held-out score.

    Raises:
        ValueError: it cannot take them.
    """
    data = {"data.holdout": recipe.data.holdout or recipe.tune.holdout}
    held = vary(recipe, {**data, **changes, "name": f"{recipe.name}-tuned"})
    if held.schedule.name == "plateau" or held.stopping.patience:
        return held
    return vary(held, {"data.holdout": changes.get("data.holdout", recipe.data.holdout)})


def _complete(study: Study) -> list[Any]:
    return [trial for trial in study.trials if trial.state.name == "COMPLETE"]


def summary(study: Study) -> str:
    """How many trials came how far, and the best of them."""
    states = [trial.state.name.lower() for trial in study.trials]
    counted = ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states))
    if not _complete(study):
        return f"{counted}; none complete yet."
    values = ", ".join(f"{key} = {text_of(value)}" for key, value in study.best_params.items())
    return f"{counted}. Best: {100 * study.best_value:.1f} % held-out accuracy with {values}."


def _row(trial: Any, keys: list[str]) -> list[str]:
    score = trial.value
    if score is None and trial.intermediate_values:
        score = trial.intermediate_values[max(trial.intermediate_values)]
    seconds = trial.user_attrs.get("seconds")
    return [
        str(trial.number), *(text_of(trial.params.get(key, "")) for key in keys),
        "" if score is None else f"{score:.4f}", trial.state.name.lower(),
        str(max(trial.intermediate_values, default=0)),
        "" if seconds is None else f"{seconds / 60:.1f}", trial.user_attrs.get("why", ""),
    ]  # fmt: skip


def text_of(value: Any) -> str:
    """A value with three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _plots(study: Study, folder: Path) -> dict[str, Path]:
    """History, importances, parallel coordinates and slices, as PNGs of one width."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from optuna.visualization import matplotlib as draw

    complete = _complete(study)
    if not complete:
        return {}
    kinds: dict[str, tuple[Callable[..., Any], int]] = {
        "history": (draw.plot_optimization_history, 1),
        "importances": (draw.plot_param_importances, 4),
        "parallel": (draw.plot_parallel_coordinate, 2),
        "slices": (draw.plot_slice, 2),
    }
    made: dict[str, Path] = {}
    named = {"target_name": "held-out accuracy"}
    for name, (plot, needed) in kinds.items():
        if len(complete) < needed:
            continue
        with plt.style.context("default"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna marks its matplotlib plots as experimental
            with mpl.rc_context({"figure.figsize": (9, 4.5), "font.size": 9}):
                try:
                    axes: Any = plot(study, **({} if name == "importances" else named))
                except (ValueError, RuntimeError):
                    continue  # all trials scored alike, so there is nothing to weigh
                first = axes if hasattr(axes, "figure") else axes.flat[0]
                if name == "history":
                    first.xaxis.get_major_locator().set_params(integer=True)
                figure = first.figure
                figure.set_size_inches(9, 4.5)
                path = folder / f"{name}.png"
                figure.savefig(path, dpi=110, bbox_inches="tight")
                plt.close(figure)
                made[name] = path
    return made
