"""Curves as inline SVG that takes its colours and its font from the page around it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.emotions import EMOTIONS
from mien.measure.ranking import curves
from mien.measure.reliability import Bins

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

# Drawn in these colours, which are then replaced by the page's own, so that dark mode works.
INK, MUTED, GRID, ONE, TWO, THREE = "#010203", "#010204", "#010205", "#010206", "#010207", "#010208"
_VARIABLE = {
    INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--line)",
    ONE: "var(--one)", TWO: "var(--two)", THREE: "var(--three)",
}  # fmt: skip
_POINTS = 160
"""Points kept of a curve of thousands; the eye sees no difference."""


@dataclass
class Drawing:
    """Axes to draw on, and the SVG text that comes of it."""

    ax: Axes
    svg: str = ""


STYLE: dict[str, Any] = {
    "svg.fonttype": "none", "font.size": 10, "axes.edgecolor": MUTED, "axes.labelcolor": INK,
    "xtick.color": MUTED, "ytick.color": MUTED, "text.color": INK, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": GRID, "grid.linewidth": 0.8,
    "legend.frameon": False,
}  # fmt: skip


@contextmanager
def _drawing(title: str, *, width: float = 4.6, height: float = 3.6) -> Iterator[Drawing]:
    """An empty pair of axes; once the block is done, ``svg`` of the drawing holds it."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {**STYLE, "svg.hashsalt": title}
    with mpl.rc_context(style):
        figure = Figure(figsize=(width, height), layout="constrained")
        drawing = Drawing(figure.add_subplot())
        yield drawing
        out = io.StringIO()
        nothing = {"Date": None, "Creator": None}
        figure.savefig(out, format="svg", transparent=True, metadata=nothing)
    drawing.svg = _inline(out.getvalue(), title)


def _inline(text: str, title: str) -> str:
    """An ``<svg>`` element that scales with its box, without colours or fonts of its own."""
    text = text[text.index("<svg") :]
    for colour, variable in _VARIABLE.items():
        text = text.replace(colour, variable)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"font: (?:bold |700 )?([\d.]+px) [^;\"]*", r"font-size: \1", text)
    text = re.sub(r"font-family: [^;\"]*;?", "", text)
    head = rf'<svg viewBox="\1" role="img" aria-label="{title}">'
    text = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', head, text, count=1)
    return re.sub(r"\n\s*", "\n", text)


def reliability(
    before: Bins, after: Bins, *, errors: tuple[float, float], title: str, x: str, y: str
) -> str:
    """Mean prediction against mean outcome, as delivered and calibrated."""
    with _drawing(title) as drawing:
        ax = drawing.ax
        ax.plot([0, 1], [0, 1], color=MUTED, linestyle="--", linewidth=1, label="perfect")
        for bins, error, colour, marker, name in (
            (before, errors[0], TWO, "s", "as delivered"),
            (after, errors[1], ONE, "o", "calibrated on other folds"),
        ):
            ax.plot(bins.predicted, bins.observed, color=colour, marker=marker, markersize=4,
                    linewidth=1.6, label=f"{name} (error {error:.3f})")  # fmt: skip
        top = min(1.0, 1.08 * float(max(before.predicted.max(), before.observed.max(),
                                        after.predicted.max(), after.observed.max())))  # fmt: skip
        ax.set(xlim=(0, top), ylim=(0, top), xlabel=x, ylabel=y)
        ax.legend(loc="upper left", fontsize=9)
    return drawing.svg


def coverage(ways: dict[str, tuple[Array, Array]], *, title: str) -> str:
    """Accuracy on the pictures that are answered, against their share."""
    with _drawing(title) as drawing:
        ax = drawing.ax
        for (name, (share, accuracy)), colour, dash in zip(
            ways.items(), (ONE, TWO, THREE), ("-", "--", ":"), strict=False
        ):
            enough = share >= 0.1  # the first few answers are all noise
            x, y = _thin(share[enough], accuracy[enough])
            ax.plot(100 * x, 100 * y, color=colour, linestyle=dash, linewidth=1.8, label=name)
        ax.set(xlim=(10, 100), xlabel="answered (% of pictures, most trusted first)",
               ylabel="accuracy (%)")  # fmt: skip
        ax.legend(loc="best", fontsize=9)
    return drawing.svg


def trade(recall: Array, accuracy: Array, chosen: int, *, title: str) -> str:
    """What each offset buys of a rare class's recall and costs of accuracy."""
    with _drawing(title) as drawing:
        ax = drawing.ax
        ax.plot(100 * recall, 100 * (accuracy - accuracy[0]), color=ONE, linewidth=1.8)
        ax.plot(100 * recall[0], 0, "s", color=TWO, label="as delivered")
        ax.plot(100 * recall[chosen], 100 * (accuracy[chosen] - accuracy[0]), "o", color=ONE,
                label="within the budget")  # fmt: skip
        shown = accuracy >= accuracy[0] - 0.05
        ax.set(xlim=(0, min(100, 100 * recall[shown].max() + 5)), ylim=(-5.2, 1),
               xlabel="disgust recall (%)", ylabel="change in accuracy (points)")  # fmt: skip
        ax.legend(loc="lower left", fontsize=9)
    return drawing.svg


def ranking(
    positive: NDArray[np.bool_], score: Array, *, kind: str, title: str, area: float
) -> str:
    """One class's ``roc`` or ``pr`` curve, small, with its area in the corner.

    Raises:
        ValueError: ``kind`` is neither.
    """
    false, recall, precision = curves(positive, score)
    with _drawing(title, width=2.5, height=2.4) as drawing:
        ax = drawing.ax
        if kind == "roc":
            x, y = np.append(0, false), np.append(0, recall)
            ax.plot([0, 1], [0, 1], color=MUTED, linestyle="--", linewidth=1)
            ax.set(xlabel="false positive rate", ylabel="true positive rate")
            corner: dict[str, Any] = {"x": 0.96, "y": 0.06, "ha": "right"}
        elif kind == "pr":
            x, y = recall, precision
            ax.axhline(float(positive.mean()), color=MUTED, linestyle="--", linewidth=1)
            ax.set(xlabel="recall", ylabel="precision")
            corner = {"x": 0.06, "y": 0.32, "ha": "left"}
        else:
            raise ValueError(f"no curve {kind!r}; choose roc or pr")
        ax.plot(*_thin(x, y), color=ONE if kind == "roc" else TWO, linewidth=1.8)
        ax.set(xlim=(0, 1), ylim=(0, 1.02), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        ax.text(**corner, s=f"{area:.3f}", transform=ax.transAxes, fontweight="bold")
    return drawing.svg


def _thin(x: Array, y: Array) -> tuple[Array, Array]:
    # Evenly along the line, not among its points, which crowd where nothing happens.
    way = np.cumsum(np.abs(np.diff(x, prepend=x[0])) + np.abs(np.diff(y, prepend=y[0])))
    keep = np.searchsorted(way, np.linspace(0, way[-1], min(_POINTS, len(x))))
    keep = np.unique(np.append(keep, len(x) - 1))
    return x[keep], y[keep]


def confusion_picture(table: NDArray[np.int64], path: Path) -> None:
    """Write (7, 7) counts, rows are labels, as a PNG: counts, shaded by their share of the row."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [emotion.value for emotion in EMOTIONS]
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(5.6, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, counts in enumerate(table):
        for column, count in enumerate(counts):
            colour = "white" if share[row, column] > 0.5 else "black"
            ax.text(column, row, f"{count:,}", ha="center", va="center", color=colour, fontsize=9)
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right")
    ax.set_yticks(range(len(names)), names)
    ax.set_xlabel("predicted")
    ax.set_ylabel("label")
    figure.savefig(path, dpi=110, format="png")
