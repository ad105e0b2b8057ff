"""Figures in README, cards and docs, made from the bundles' cards: nothing is typed twice.

    python tools/figures.py            # rewrite docs/figures.json and every marked place
    python tools/figures.py --check    # fail where one of them differs

A place is marked ``<!--f:default.label-->74.2 % (72.8–75.6)<!--/-->``; ``default.label~`` leaves
the interval out, and ``default.label|ko`` puts it into Korean. Whole tables stand between
``<!--table:NAME-->`` and ``<!--/table-->``. The cards are filled by ``tools/fill_card.py`` from
what ``mien evaluate`` wrote; figures of other packages come from ``benchmarks/peers.json``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "figures.json"
PEERS = ROOT / "benchmarks" / "peers.json"
CARDS = {
    "default": ROOT / "src/mien/assets/default/card.json",
    "ensemble": ROOT / "models/ensemble/card.json",
    "efficientnet_lite0": ROOT / "models/efficientnet_lite0/card.json",
}
PATHS = {
    "label": "metrics.label.accuracy",
    "label.clean": "metrics.label_without_training_copies.accuracy",
    "balanced": "metrics.label.balanced_accuracy",
    "majority": "metrics.votes.ferplus_majority",
    "majority.clean": "metrics.votes_without_training_copies.ferplus_majority",
    "strict": "metrics.votes.ferplus_strict",
    "strict.clean": "metrics.votes_without_training_copies.ferplus_strict",
    "annotators": "metrics.votes.worth_annotators",
    "annotators.clean": "metrics.votes_without_training_copies.worth_annotators",
    "ece": "metrics.calibration_cross_fitted.label_ece",
    "ece.perfect": "metrics.calibration_cross_fitted.label_ece_if_perfect",
    "classwise": "metrics.calibration_cross_fitted.votes_classwise",
    "parameters": "cost.parameters",
    "multiply_adds": "cost.multiply_adds",
    "bytes": "cost.bytes",
    "ms": "cost.ms_per_face",
}
_PLACE = re.compile(r"(<!--f:([\w.~|]+)-->)(.*?)(<!--/-->)", re.DOTALL)
_TABLE = re.compile(r"(<!--table:(\w+)-->\n)(.*?)(\n?<!--/table-->)", re.DOTALL)


def collect() -> dict[str, Any]:
    """Every figure by model and name, and those of other packages."""
    found: dict[str, Any] = {}
    for model, path in CARDS.items():
        card = json.loads(path.read_text(encoding="utf-8"))
        found[model] = {"sha256": card["sha256"], "split": card["metrics"]["split"]}
        for name, way in PATHS.items():
            value: Any = card
            for key in way.split("."):
                value = value[key]
            found[model][name] = value
    found["peers"] = json.loads(PEERS.read_text(encoding="utf-8"))
    return found


def shown(figures: dict[str, Any], place: str) -> str:
    """The text of a marked place.

    Raises:
        KeyError: no such figure.
    """
    place, _, language = place.partition("|")
    short = place.endswith("~")
    model, _, name = place.rstrip("~").partition(".")
    value = figures[model][name]
    kind = name.split(".")[0]
    if name == "ece.perfect":
        return f"{value['low']:.4f}–{value['high']:.4f}"
    if kind in ("ece", "classwise"):
        return f"{value:.3f}" if short else f"{value:.4f}"
    if kind in ("parameters", "multiply_adds", "bytes"):
        millions = value / 1e6
        text = f"{millions:.0f}" if millions >= 30 else f"{millions:.1f}"
        unit = {"parameters": " million", "multiply_adds": " million", "bytes": " MB"}[kind]
        return text + (" M" if language == "ko" and kind != "bytes" else unit)
    if kind == "ms":
        return f"{value:.1f} ms"
    if kind == "annotators":
        unit = "명" if language == "ko" else ""
        text = f"{value['value']:.1f}{unit}"
        return text if short else f"{text} ({value['low']:.1f}–{value['high']:.1f})"
    low, high = 100 * value["low"], 100 * value["high"]
    text = f"{100 * value['value']:.1f} %"
    return text if short else f"{text} ({low:.1f}–{high:.1f})"


def headline(figures: dict[str, Any]) -> str:
    """The shipped models beside each other."""
    rows = {
        "accuracy, FER-2013's label": "label",
        "the same, excluding test images duplicated in Training": "label.clean",
        "FER+ majority, eight classes, cross-validated": "majority",
        "equivalent number of annotators, cross-validated": "annotators",
        "calibration error (ECE) of `label`, cross-validated": "ece",
        "ECE that a perfectly calibrated model would show": "ece.perfect",
        "class-wise calibration error of `votes`, cross-validated": "classwise",
        "parameters": "parameters",
        "multiply-adds a face": "multiply_adds",
        "size": "bytes",
    }
    names = list(CARDS)
    lines = [f"| on PublicTest (3,589 pictures) | {' | '.join(f'`{n}`' for n in names)} |"]
    lines.append("| --- |" + " --- |" * len(names))
    for title, name in rows.items():
        lines.append(f"| {title} | {' | '.join(shown(figures, f'{n}.{name}') for n in names)} |")
    return "\n".join(lines)


def peers(figures: dict[str, Any]) -> str:
    """The shipped models beside other packages, one row each."""
    lines = [
        "| | label accuracy | FER+ majority | ms a face | size | calibrated |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for model, title in (("default", "**mien**, embedded"), ("ensemble", "**mien**, `ensemble`")):
        cells = [
            shown(figures, f"{model}.{name}") for name in ("label", "majority~", "ms", "bytes")
        ]
        lines.append(f"| {title} | {' | '.join(cells)} | yes |")
    for peer in figures["peers"]["packages"]:
        cells = [f"{100 * peer['accuracy']:.1f} %", "–", f"{peer['ms_per_face']:g} ms", "–", "no"]
        lines.append(f"| {peer['name']} | {' | '.join(cells)} |")
    return "\n".join(lines)


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {"headline": headline, "peers": peers}


def filled(text: str, figures: dict[str, Any]) -> str:
    """A page with every marked figure replaced."""
    text = _PLACE.sub(lambda m: m[1] + shown(figures, m[2]) + m[4], text)
    return _TABLE.sub(lambda m: m[1] + TABLES[m[2]](figures) + "\n<!--/table-->", text)


def pages() -> list[Path]:
    """Every page that may hold figures."""
    return [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]


def main(arguments: list[str]) -> int:
    """Write or check; returns the exit code."""
    figures = collect()
    wanted = {FIGURES: json.dumps(figures, indent=1, ensure_ascii=False) + "\n"}
    wanted |= {page: filled(page.read_text(encoding="utf-8"), figures) for page in pages()}
    stale = [p for p, text in wanted.items()
             if not p.is_file() or p.read_text(encoding="utf-8") != text]  # fmt: skip
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)}: figures differ; run python tools/figures.py")
        return int(bool(stale))
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
