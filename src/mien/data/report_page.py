"""``report.html``: what a preparation did, for people; rebuilt from the prepared folder alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.atomic import write_bytes
from mien.data.claim import FACTS
from mien.data.gallery import Gallery, Tile, best, distinct
from mien.data.wording import REASONS, imbalance, sentences, unleaked
from mien.data.writing import MISLABELLED
from mien.emotions import EMOTIONS

FILE = "report.html"
SHEET, STRIPS, STRIP = 60, 12, 9


@dataclass(frozen=True)
class Sheet:
    """One contact sheet: its reason in words, how many there are, and some of them."""

    title: str
    text: str
    count: int
    tiles: list[Tile]


@dataclass(frozen=True)
class ClassRow:
    """One emotion before and after, and its place in each split."""

    name: str
    before: int
    after: int
    splits: tuple[int, int, int]
    share: float


def write_report(out: Path) -> Path:
    """Build the report from the files of a prepared folder; returns its path.

    Raises:
        FileNotFoundError: the folder was not prepared.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    gallery = Gallery.read(out)
    facts = json.loads((out / FACTS).read_text("utf-8"))
    page = Environment(
        loader=PackageLoader("mien.data"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    ).get_template("report.html.j2")  # fmt: skip
    write_bytes(out / FILE, page.render(**_contents(gallery, facts)).encode())
    return out / FILE


def _contents(gallery: Gallery, facts: dict[str, Any]) -> dict[str, Any]:
    counts = facts["counts"]
    groups = sorted(gallery.groups().values(), key=lambda g: (-len(g), g[0]["id"]))
    mixed = [g for g in groups if distinct(g) > 1]
    plain = [g for g in groups if distinct(g) <= 1]
    astride = gallery.astride()
    return {
        "facts": facts,
        "counts": counts,
        "classes": _classes(counts),
        "widest": max(*counts["before"], 1),
        "sentences": sentences(facts, len(groups), len(mixed), astride),
        "astride": astride,
        "unleaked": unleaked(facts),
        "imbalance": imbalance(counts),
        "left_out": [
            _sheet(gallery, reason, count, flagged=False)
            for reason, count in counts["reasons"].items()
        ],
        "flagged": [
            _sheet(gallery, reason, count, flagged=True)
            for reason, count in counts["flags"].items()
        ],
        "groups": len(groups),
        "mixed": len(mixed),
        "plain_strips": gallery.strips([g[:STRIP] for g in plain[:STRIPS]]),
        "mixed_strips": gallery.strips([g[:STRIP] for g in mixed[:STRIPS]]),
        "options": {k: v for k, v in facts["options"].items() if k != "mapping"}
        | {f"map {k}": v for k, v in facts["options"]["mapping"].items()},
    }


def _sheet(gallery: Gallery, reason: str, count: int, *, flagged: bool) -> Sheet:
    lines = [
        line for line in (gallery.flags if flagged else gallery.lost) if line["reason"] == reason
    ]
    title, text = REASONS[reason]
    note = "suggestion" if flagged and reason == MISLABELLED else "score"
    return Sheet(title, text, count, gallery.sheet(best(lines, SHEET), kept=flagged, note=note))


def _classes(counts: dict[str, Any]) -> list[ClassRow]:
    splits = [counts["after"][name] for name in ("train", "valid", "test")]
    total = max(1, counts["kept"])
    return [
        ClassRow(
            name=emotion.value,
            before=counts["before"][i],
            after=sum(s[i] for s in splits),
            splits=(splits[0][i], splits[1][i], splits[2][i]),
            share=sum(s[i] for s in splits) / total,
        )
        for i, emotion in enumerate(EMOTIONS)
    ]
