"""The card of a bundle: what travels with a graph, and what of it is believed."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mien.atomic import write_bytes
from mien.emotions import BALLOT, EMOTIONS
from mien.mix import wrong as wrong_mix

FORMAT = 1
SIDE = 48
LARGEST = 4 << 20
"""Bytes of a card that are read."""


class BundleError(ValueError):
    """A bundle that is missing, damaged or of another make; the message names the remedy."""


@dataclass(frozen=True)
class Card:
    """What travels with a graph.

    ``views`` are the mirror views averaged inside; ``size`` the side of a crop; ``frame`` the
    place of the eyes, nose and mouth in it; ``unclear_threshold`` the share of unknown and NF at
    which a face is called unclear; ``metrics`` figures with split and interval; ``data`` name and
    fingerprint of what it was trained on; ``start`` origin and licence of the starting weights;
    ``lineage`` a line for each training behind it, its teacher's included, with content hashes;
    ``cost`` parameters, multiply-adds, bytes; ``calibration`` what the graph does to its scores:
    a temperature for the label, a scale and an offset for each option of the ballot;
    ``expression`` how the reading shown first is mixed from both heads: ``share`` of the label and
    seven ``offsets``, see ``mien.mix``.
    """

    name: str
    sha256: str
    labels: tuple[str, ...] = tuple(e.value for e in EMOTIONS)
    ballot: tuple[str, ...] = BALLOT
    size: int = SIDE
    views: int = 1
    frame: dict[str, tuple[float, float]] = field(default_factory=dict)
    unclear_threshold: float = 0.5
    network: dict[str, Any] = field(default_factory=dict)
    start: str = ""
    lineage: tuple[str, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    expression: dict[str, Any] = field(default_factory=dict)
    licence: str = "Apache-2.0 (code); weights: see start and data"
    format: int = FORMAT

    @classmethod
    def read(cls, path: Path) -> Card:
        """Parse a card; keys of later versions are ignored.

        Raises:
            BundleError: not a card, or one that this version of mien cannot honour.
        """
        try:
            with path.open("rb") as file:
                data = file.read(LARGEST + 1)
            if len(data) > LARGEST:
                raise ValueError(f"larger than {LARGEST >> 20} MB")
            raw = json.loads(data.decode("utf-8"), parse_constant=_no_number)
        except OSError as error:
            raise BundleError(
                f"{path}: cannot be opened ({error.strerror}); check its permissions"
            ) from None
        except (ValueError, RecursionError) as error:
            raise BundleError(
                f"{path}: not a card of a bundle ({error}); fetch or export the bundle again"
            ) from None
        if not isinstance(raw, dict) or not {"name", "sha256"} <= raw.keys():
            raise BundleError(
                f"{path}: not a card of a bundle (name and sha256 are missing); fetch or export "
                "the bundle again"
            )
        if reason := _wrong(raw):
            raise BundleError(f"{path}: {reason}")
        values = {name: raw[name] for name in cls.__dataclass_fields__ if name in raw}
        for name in ("labels", "ballot", "lineage"):
            if name in values:
                values[name] = tuple(values[name])
        return cls(**values)

    def write(self, path: Path) -> None:
        """Write as readable JSON, whole or not at all."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"
        write_bytes(path, text.encode())


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _wrong(raw: dict[str, Any]) -> str | None:
    """Why a card cannot be honoured; None if it can."""
    card = {name: raw.get(name, default) for name, default in _DEFAULTS.items()}
    if type(card["format"]) is not int or card["format"] != FORMAT:
        return f"its format is {_told(card['format'])}, and this mien reads {FORMAT}; upgrade mien"
    if card["labels"] != [e.value for e in EMOTIONS] or card["ballot"] != list(BALLOT):
        return "its labels stand in another order than this mien's; export the bundle again"
    for key, kind in _KINDS.items():
        if not isinstance(card[key], kind) or isinstance(card[key], bool):
            return f"its {key} is {_told(card[key])}; fetch or export the bundle again"
    if not re.fullmatch("[0-9a-f]{64}", card["sha256"]):
        return f"its sha256 is {_told(card['sha256'])}; fetch or export the bundle again"
    if not card["name"].isprintable() or not 0 < len(card["name"]) <= 200:
        return f"its name {_told(card['name'])} cannot name a model; give it a plain one"
    if card["size"] != SIDE:
        return f"its crops are of size {_told(card['size'])}, not {SIDE}; export the bundle again"
    if not 1 <= card["views"] <= 64:
        return f"its views are {_told(card['views'])}; fetch or export the bundle again"
    threshold = card["unclear_threshold"]
    if not 0 <= threshold <= 1:
        return f"its unclear_threshold is {_told(threshold)}, not 0 to 1; export the bundle again"
    if reason := wrong_mix(card["expression"]):
        return f"its expression cannot be mixed: {reason}; export the bundle again"
    if any(not _is_point(point) for point in card["frame"].values()):
        return "its frame is not a table of points; fetch or export the bundle again"
    return None


def _is_point(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(
            isinstance(v, int | float) and not isinstance(v, bool) and abs(v) < 1e6 for v in value
        )
    )


def _told(value: Any) -> str:
    """A value as an error repeats it: short, and without letters that move a cursor."""
    return ascii(value)[:40]


_OBJECTS = ("network", "data", "metrics", "cost", "calibration", "expression", "frame")
_DEFAULTS: dict[str, Any] = {
    **{name: entry.default for name, entry in Card.__dataclass_fields__.items()},
    **{key: {} for key in _OBJECTS},
    "labels": [e.value for e in EMOTIONS],
    "ballot": list(BALLOT),
    "lineage": [],
}
_KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("name", "sha256", "start", "licence"), str),
    **dict.fromkeys(("size", "views"), int),
    **dict.fromkeys(_OBJECTS, dict),
    "lineage": list,
    "unclear_threshold": (int, float),
}


def is_file(path: Path) -> bool:
    """Whether a file is there; a place that may not be entered holds none."""
    return os.path.isfile(path)  # noqa: PTH113 - Path's raises where a folder above is closed
