"""What a study has found: a table, the usual plots, and the best recipe as a file."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.train.recipe import Recipe, vary
from mien.train.run import write_text

if TYPE_CHECKING:
    from optuna import Study

BEST = "best.toml"
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
        text = f"# mien train {BEST} {data}\n# The best of {len(rows)} trials: {summary(study)}\n"
        write_text(folder / BEST, text + best.to_toml())
        written.append(folder / BEST)
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
