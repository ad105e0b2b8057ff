"""By which options the pictures of a prepared folder came into their splits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mien.data.claim import FACTS
from mien.data.options import KEEP_SPLIT, OFFICIAL, Options


def placing(split: str, seed: int) -> str:
    """Name of a way to split; the source's own splits need no seed."""
    return split if split in (OFFICIAL, KEEP_SPLIT) else f"{split}, seed {seed}"


def placings(out: Path, options: Options, *, stayed: bool, new: bool) -> dict[str, Any]:
    """What ``prepare.json`` notes about it.

    Args:
        out: the prepared folder, with the ``prepare.json`` of the run before.
        options: of this run.
        stayed: whether pictures stay where an earlier run placed them.
        new: whether this run places any.

    Returns:
        ``asked`` the way asked for; ``placed_by`` the ways that placed pictures, first to last.
    """
    asked = placing(options.split, options.seed)
    ways = _earlier(out) if stayed else []
    if asked not in ways and (new or not ways):
        ways.append(asked)
    return {"asked": asked, "placed_by": ways}


def _earlier(out: Path) -> list[str]:
    try:
        facts = json.loads((out / FACTS).read_bytes())
        before = facts["options"]
        # Versions before this note placed all pictures by the options that they wrote.
        return list(facts["notes"].get("placed_by") or [placing(before["split"], before["seed"])])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def truly(options: Mapping[str, Any], notes: Mapping[str, Any]) -> dict[str, Any]:
    """The options with ``split`` as it was done, where that is not what was asked for."""
    if notes["placed_by"] == [notes["asked"]]:
        return dict(options)
    rest = {name: value for name, value in options.items() if name != "seed"}
    return rest | {"split": "; then ".join(notes["placed_by"])}


def unheard(notes: Mapping[str, Any]) -> str:
    """A sentence where the split asked for does not hold for all pictures, else ""."""
    asked = notes.get("asked", "")
    others = [way for way in notes.get("placed_by", ()) if way != asked]
    if not others:
        return ""
    return (
        f"Pictures placed before ({'; '.join(others)}) stay where they are, so the split asked "
        f"for ({asked}) holds for new ones alone; `mien data prepare` with `--fresh` splits "
        "everything again."
    )
