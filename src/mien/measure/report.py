"""One self-contained page that says how good a system is, as HTML and as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.emotions import EMOTIONS
from mien.measure.caveats import limits, method
from mien.measure.compare import compare
from mien.measure.figures import figures
from mien.measure.predictions import Predictions
from mien.measure.summary import sentences
from mien.measure.tables import (
    Table,
    abstention,
    calibration,
    flattered,
    p_value,
    per_class,
    rare,
    scores,
    spell,
)
from mien.measure.worst import describe, worst

MISTAKES = 18
_COSTS = {
    "parameters": "Parameters",
    "multiply_adds": "Multiply-adds a face",
    "bytes": "Size of the graph",
    "ms_per_face": "Time a face, one thread",
}


@dataclass(frozen=True)
class Report:
    """The same report twice, each one file's text."""

    html: str
    markdown: str


def build(
    table: Predictions,
    result: dict[str, Any],
    *,
    others: Sequence[Predictions] = (),
    card: dict[str, Any] | None = None,
    pictures: NDArray[np.uint8] | None = None,
    extra: Sequence[Table] = (),
) -> Report:
    """Write the report of one system.

    Args:
        table: its predictions.
        result: what ``evaluate`` said of them.
        others: systems to compare it with, on the pictures that both scored.
        card: of its bundle, for cost, origin and data; sections without facts are left out.
        pictures: (N, H, W) or (N, H, W, 3) uint8, one a row of ``table``; None leaves
            placeholders in the contact sheet, for reports that may not show the faces.
        extra: tables to show beside the comparison, such as how the system was made.
    """
    card = {"start": "", "licence": "", **(card or {})}
    rows = worst(table, n=MISTAKES)
    shown = None if pictures is None else list(pictures[rows])
    tables: dict[str, Any] = {"scores": scores(result), "calibration": calibration(result)}
    if "heads" in result:
        tables["classes"] = per_class(result)
    if "heads" in result and not result.get("names_only"):
        tables |= {"coverage": abstention(result), "rare": rare(result)}
    facts = {
        "system": table.system or "unnamed system",
        "result": result,
        "summary": sentences(result),
        "limits": limits(result),
        "method": method(result),
        "tiles": tiles(result, card),
        "tables": tables,
        "figures": {} if result.get("names_only") else figures(table, result),
        "confusion": shares_of_rows(result["confusion"]) if "confusion" in result else None,
        "confusions": confusions(result["confusion"]) if "confusion" in result else [],
        "emotions": [e.value for e in EMOTIONS],
        "mistakes": describe(table, rows, pictures=shown),
        "has_votes": bool(table.has_votes.any()),
        "comparison": against(table, others, draws=result["interval"]["draws"]),
        "extra": extra,
        "cost": cost(card),
        "card": card,
        "spell": spell,
    }
    html = _render("report.html.j2", facts).replace(" %", "\u00a0%")  # a number keeps its unit
    return Report(html, _render("report.md.j2", facts))


def tiles(result: dict[str, Any], card: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The figures at the top: value, what it is, its interval or context."""
    found = []
    if "heads" in result:
        accuracy = result["heads"]["label"]["all"]["accuracy"]
        found.append((*_split(spell(accuracy, percent=True)), "accuracy"))
    if "votes" in result:
        votes = result["votes"]["all"]
        worth = "equivalent annotators" + (", calibrated here" if flattered(result) else "")
        found.append((*_split(spell(votes["worth_annotators"])), worth))
        found.append((*_split(spell(votes["ferplus_majority"], percent=True)), "FER+ majority"))
    if "label" in result["calibration"] and not result.get("names_only"):
        after = result["calibration"]["label"]["after"]
        high = after["if_perfect"]["high"]
        found.append(
            (f"{after['ece']:.3f}", f"perfect shows up to {high:.3f}", "calibration error")
        )
    costs = card.get("cost", {})
    if "ms_per_face" in costs:
        found.append((f"{costs['ms_per_face']:.2g} ms", "one thread", "a face"))
    elif "bytes" in costs:
        found.append((_bytes(costs["bytes"]), "one file", "to install"))
    return [(value, name, note) for value, note, name in found]


def shares_of_rows(confusion: list[list[int]]) -> list[dict[str, Any]]:
    """Each row of a confusion matrix: its emotion, its pictures, and cells of count and share."""
    rows = []
    for emotion, counts in zip(EMOTIONS, confusion, strict=True):
        n = sum(counts)
        cells = [{"n": c, "share": c / n if n else 0.0} for c in counts]
        rows.append({"emotion": emotion.value, "n": n, "cells": cells})
    return rows


def confusions(table: list[list[int]], *, n: int = 6) -> list[tuple[str, str, float, int]]:
    """The n most frequent mistakes as shares of their row: label, answer, share, pictures."""
    found = [
        (EMOTIONS[i].value, EMOTIONS[j].value, count / sum(row), count)
        for i, row in enumerate(table)
        for j, count in enumerate(row)
        if i != j and count
    ]
    return sorted(found, key=lambda entry: -entry[2])[:n]


def against(table: Predictions, others: Sequence[Predictions], *, draws: int) -> Table | None:
    """One row a system, with the paired difference and McNemar's p; None without others."""
    if not others:
        return None
    rows = []
    for other in others:
        found = compare(other, table, draws=draws)
        accuracy = found["metrics"].get("accuracy")
        worth = found["metrics"].get("worth_annotators")
        gain = "-"
        if accuracy:
            d = {k: 100 * v for k, v in accuracy["difference"].items()}
            gain = f"{d['value']:+.1f} ({d['low']:+.1f} to {d['high']:+.1f})"
        rows.append(
            (
                other.system,
                spell(accuracy["first"], percent=True) if accuracy else "-",
                gain,
                p_value(found["mcnemar"]["p_mid"]) if found["mcnemar"] else "-",
                spell(worth["first"]) if worth else "-",
                f"{found['n']:,}",
            )
        )
    name = table.system or "this system"
    columns = (
        "Other system",
        "Its accuracy",
        f"{name} is better by",
        "McNemar",
        "Its equivalent annotators",
        "n",
    )
    note = (
        "Points of accuracy with the 95 % interval of a paired bootstrap; McNemar's test, mid-p, "
        "both on the n pictures that both systems scored."
    )
    return Table(f"{name} against others", columns, tuple(rows), note=note)


def cost(card: dict[str, Any]) -> list[tuple[str, str]]:
    """What the card says about cost, in units that people read."""
    spelled: dict[str, Callable[[float], str]] = {
        "parameters": lambda v: f"{v / 1e6:.1f} million",
        "multiply_adds": lambda v: f"{v / 1e6:,.0f} million",
        "bytes": _bytes,
        "ms_per_face": lambda v: f"{v:.2f} ms",
    }
    found = card.get("cost", {})
    return [(title, spelled[key](found[key])) for key, title in _COSTS.items() if key in found]


def _bytes(n: float) -> str:
    return f"{n / 1e6:.1f} MB"


def _split(text: str) -> tuple[str, str]:
    value, _, rest = text.partition(" (")
    return value, rest.removesuffix(")")


def _render(name: str, facts: dict[str, Any]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    pages: Any = Environment(
        loader=PackageLoader("mien.measure"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template: Any = pages.get_template(name)
    return str(template.render(facts))
