"""What people decided about single pictures: ``decisions.csv``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mien.data.cells import read_table, write_csv
from mien.emotions import EMOTIONS, Emotion, parse

KEEP, DROP, RELABEL = "keep", "drop", "relabel"
FILE = "decisions.csv"


@dataclass(frozen=True)
class Decision:
    """Keep a picture whatever the stages say, drop it, or give it another label."""

    action: str
    emotion: Emotion | None = None

    @classmethod
    def parse(cls, action: str, emotion: str = "") -> Decision:
        """A checked decision.

        Raises:
            ValueError: unknown action, or a relabel without one of the seven emotions.
        """
        if action not in (KEEP, DROP, RELABEL):
            raise ValueError(f"{action!r} is not a decision; choose {KEEP}, {DROP} or {RELABEL}")
        named = parse(emotion) if action == RELABEL else None
        if action == RELABEL and named is None:
            raise ValueError(
                f"{emotion!r} is not an emotion to relabel to; use {', '.join(EMOTIONS)}"
            )
        return cls(action, named)


def read_decisions(path: Path) -> dict[str, Decision]:
    """Decisions by picture id; none where the file is missing.

    Raises:
        ValueError: a line that is no decision, with its number, or no header.
    """
    decisions: dict[str, Decision] = {}
    header, lines = read_table(path)
    if header and not {"id", "action"} <= set(header):
        raise ValueError(f"{path}: its first line is not a header; it needs id,action,emotion")
    for number, line in enumerate(lines, start=2):
        try:
            decisions[line["id"]] = Decision.parse(line["action"], line.get("emotion") or "")
        except KeyError as error:
            raise ValueError(f"{path}: no column {error}; it needs id, action, emotion") from None
        except ValueError as error:
            raise ValueError(f"{path}: line {number}: {error}") from None
    return decisions


def read_given(path: Path) -> dict[str, Decision]:
    """Decisions from a file that somebody named, so that a slip in its name is not "none".

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: see ``read_decisions``.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file of decisions; correct --decisions")
    return read_decisions(path)


def write_decisions(path: Path, decisions: Mapping[str, Decision]) -> None:
    """Write them sorted by id."""
    rows = ((i, d.action, d.emotion or "") for i, d in sorted(decisions.items()))
    write_csv(path, ("id", "action", "emotion"), rows)
