"""Everything a preparation writes besides the report, from tables to the packed file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.atomic import write_csv, write_json
from mien.data import manifest as tables
from mien.data.decisions import Decision
from mien.data.duplicates import Copies
from mien.data.fates import Fates
from mien.data.groups import SPLIT_NAMES
from mien.data.layout import FACTS, write_pictures
from mien.data.listing import NO_LABEL, Listing
from mien.data.options import Options
from mien.data.packed import EXCLUDED, FACES, write_packed
from mien.data.placing import truly
from mien.data.reading import Crops, Progress, quiet
from mien.emotions import EMOTIONS

MISLABELLED = "mislabelled"


@dataclass(frozen=True)
class Flag:
    """One picture that stays, and why a person should look at it."""

    row: int
    reason: str
    score: float
    detail: str = ""
    suggestion: str = ""


@dataclass
class Flags:
    """Flags in the order they are raised."""

    items: list[Flag] = field(default_factory=list)

    def add(self, row: int, reason: str, score: float, detail: str) -> None:
        """Flag a picture."""
        self.items.append(Flag(row, reason, round(score, 4), detail))

    def add_label(self, row: int, doubt: float, better: int) -> None:
        """Flag a label, with the emotion that the model saw instead."""
        word = EMOTIONS[better].value
        self.items.append(Flag(row, MISLABELLED, round(doubt, 4), f"looks {word}", word))


@dataclass(frozen=True)
class Result:
    """All that one preparation found; ``split`` (N,) index into ``SPLIT_NAMES``, -1 left out."""

    listing: Listing
    crops: Crops
    fates: Fates
    split: NDArray[np.int64]
    copies: Copies
    flags: Flags
    options: Options
    placed: Mapping[str, tables.Placed]
    decisions: Mapping[str, Decision]
    notes: Mapping[str, Any]

    def counts(self) -> dict[str, Any]:
        """Pictures by class before and after, and by reason."""
        before = np.bincount(
            self.listing.emotion[self.listing.emotion != NO_LABEL], minlength=len(EMOTIONS)
        )
        after = {
            name: np.bincount(
                self.fates.emotion[self.split == place], minlength=len(EMOTIONS)
            ).tolist()
            for place, name in enumerate(SPLIT_NAMES)
        }
        reasons = Counter(reason for reason in self.fates.reason if reason)
        flagged = Counter(flag.reason for flag in self.flags.items)
        return {
            "read": len(self.listing),
            "kept": int((self.split >= 0).sum()),
            "before": before.tolist(),
            "after": after,
            "reasons": dict(sorted(reasons.items())),
            "flags": dict(sorted(flagged.items())),
        }


def write_outputs(out: Path, result: Result, progress: Progress = quiet) -> None:
    """Write pictures, tables and packed files; the manifest last, since it pins the next run."""
    state, listing, crops = result.fates, result.listing, result.crops
    kept = np.flatnonzero(result.split >= 0)
    lost = np.flatnonzero(result.split < 0)
    names = [SPLIT_NAMES[s] for s in result.split[kept]]
    ids = [listing.id[r] for r in kept.tolist()]
    emotion, votes = state.emotion[kept], listing.votes[kept]
    paths = tables.name_paths(ids, emotion, names, dict(result.placed))
    path_of = dict(zip(kept.tolist(), paths, strict=True))
    group = _number_groups(state.group)
    origin = [_origin(listing, row) for row in range(len(listing))]

    write_pictures(out, crops.rows, kept, paths, progress)
    tables.write_split_tables(out, paths, emotion, np.array(names), votes)
    write_csv(
        out / tables.EXCLUSIONS,
        tables.EXCLUSION_COLUMNS,
        (
            (
                listing.id[r], state.reason[r], f"{state.score[r]:.4f}", state.detail[r],
                _word(state.emotion[r]), _cell(group[r]), crops.sha256[r].decode(), origin[r],
            )
            for r in lost.tolist()
        ),
    )  # fmt: skip
    _write_flags(out, result, path_of)
    _write_pairs(out, result, group)
    write_packed(
        out / FACES,
        crops.rows,
        kept,
        {
            "id": np.array(ids, dtype=np.str_),
            "emotion": emotion,
            "votes": votes,
            "split": np.array(names, dtype=np.str_),
            # Pictures outside every group stand alone.
            "group": np.where(group[kept] >= 0, group[kept], group.max(initial=-1) + 1 + kept),
        },
    )
    write_packed(
        out / EXCLUDED,
        crops.rows,
        lost,
        {"id": np.array([listing.id[r] for r in lost.tolist()], dtype=np.str_)},
    )
    write_json(out / FACTS, _facts(result))
    write_csv(
        out / tables.MANIFEST,
        tables.MANIFEST_COLUMNS,
        (
            (
                listing.id[r], path_of[r], _word(state.emotion[r]), SPLIT_NAMES[result.split[r]],
                _cell(group[r]), crops.sha256[r].decode(), origin[r],
                *tables.vote_cells(listing.votes[r]),
            )
            for r in kept.tolist()
        ),
    )  # fmt: skip


def _write_flags(out: Path, result: Result, path_of: Mapping[int, str]) -> None:
    order = sorted(result.flags.items, key=lambda f: (result.listing.id[f.row], f.reason))
    rows = (
        (
            result.listing.id[f.row], path_of[f.row], f.reason, f"{f.score:.4f}", f.detail,
            _word(result.fates.emotion[f.row]), f.suggestion, SPLIT_NAMES[result.split[f.row]],
        )
        for f in order
    )  # fmt: skip
    write_csv(out / tables.FLAGS, tables.FLAG_COLUMNS, rows)


def _write_pairs(out: Path, result: Result, group: NDArray[np.int64]) -> None:
    ids, found = result.listing.id, result.copies
    rows = (
        (ids[a], ids[b], f"{c:.4f}", int(m), _cell(group[a]))
        for (a, b), c, m in zip(
            found.pairs.tolist(), found.correlation, found.mirrored, strict=True
        )
    )
    write_csv(out / tables.DUPLICATES, tables.DUPLICATE_COLUMNS, rows)


def _facts(result: Result) -> dict[str, Any]:
    listing, crops, state = result.listing, result.crops, result.fates
    pairs = result.copies.pairs  # a mirrored or darker copy may correlate to 1 as well
    exact = crops.sha256[pairs[:, 0]] == crops.sha256[pairs[:, 1]]
    near = result.copies.pairs[~exact]
    return {
        "source": listing.root.name,
        "options": truly(result.options.to_dict(), result.notes),
        "counts": result.counts(),
        "notes": {
            **result.notes,
            "ignored": listing.ignored,
            "votes": listing.vote_file,
            "with_votes": int((listing.votes[:, 0] >= 0).sum()),
            "resized": int(crops.resized.sum()),
            "colour": int(crops.colour.sum()),
            "exact_groups": _exact_groups(crops, state, listing),
            "near_pairs": len(near),
            "mirrored_pairs": int(result.copies.mirrored[~exact].sum()),
            "conflicting": len(np.unique(state.group[state.conflicting])),
            "relabelled": int((state.relabelled & (result.split >= 0)).sum()),
            "decisions": len(result.decisions),
            "content": crops.key,
        },
    }


def _exact_groups(crops: Crops, state: Fates, listing: Listing) -> dict[str, int]:
    """Sets of identical pixels in the source: how many, their pictures, those with two labels."""
    readable = crops.reason != "unreadable"
    _, number, size = np.unique(crops.sha256[readable], return_inverse=True, return_counts=True)
    emotion = listing.emotion[readable]
    labels = {(int(n), int(e)) for n, e in zip(number, emotion, strict=True) if e != NO_LABEL}
    several = Counter(n for n, _ in labels)
    return {
        "groups": int((size > 1).sum()),
        "pictures": int(size[size > 1].sum()),
        "conflicting": sum(count > 1 for count in several.values()),
    }


def _number_groups(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Groups counted from 0 in order of their first picture; -1 stays."""
    number = np.full(len(group), -1, np.int64)
    inside = group >= 0
    number[inside] = np.unique(group[inside], return_inverse=True)[1]
    return number


def _origin(listing: Listing, row: int) -> str:
    """Where in the source a picture lay: its contest usage, else its split, else the source."""
    return listing.usage[row] or listing.split[row] or listing.root.name


def _word(emotion: int) -> str:
    return "" if emotion == NO_LABEL else EMOTIONS[emotion].value


def _cell(number: int) -> object:
    return "" if number < 0 else int(number)
