"""Curves of one run or of several in one figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

History = Sequence[Mapping[str, float]]
PANELS = {
    "loss": "training loss",
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
    part = path.with_name(path.name + ".part")
    figure.savefig(part, dpi=120, format="png")
    part.replace(path)
