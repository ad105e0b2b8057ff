"""Pictures of a prepared folder as they stand in its report."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mien.atomic import read_csv
from mien.data import manifest as tables
from mien.data.layout import encode
from mien.data.packed import EXCLUDED, read_packed

Line = dict[str, str]


@dataclass(frozen=True)
class Tile:
    """A crop in a contact sheet: a data URI, what to write below it, and whether it stayed."""

    picture: str
    title: str
    emotion: str
    note: str = ""
    kept: bool = True


@dataclass
class Gallery:
    """The tables of a prepared folder and its pictures, read on demand."""

    out: Path
    kept: list[Line] = field(default_factory=list)
    lost: list[Line] = field(default_factory=list)
    flags: list[Line] = field(default_factory=list)
    pairs: list[Line] = field(default_factory=list)

    @classmethod
    def read(cls, out: Path) -> Gallery:
        """Read the tables.

        Raises:
            FileNotFoundError: the folder was not prepared.
        """
        if not (out / tables.MANIFEST).exists():
            raise FileNotFoundError(f"{out}: no {tables.MANIFEST}; run mien data prepare first")
        names = (tables.MANIFEST, tables.EXCLUSIONS, tables.FLAGS, tables.DUPLICATES)
        return cls(out, *(read_csv(out / name) for name in names))

    def pictures(self, ids: Iterable[str]) -> dict[str, bytes]:
        """PNG bytes of the pictures, kept or not."""
        wanted = set(ids)
        found = {
            line["id"]: (self.out / line["path"]).read_bytes()
            for line in self.kept
            if line["id"] in wanted
        }
        if wanted - found.keys():
            packed = read_packed(self.out / EXCLUDED)
            for row, name in enumerate(packed["id"].tolist()):
                if name in wanted:
                    found[name] = encode(packed["images"][row])
        return found

    def sheet(self, lines: list[Line], *, kept: bool, note: str = "score") -> list[Tile]:
        """A tile for each line of the exclusions or flags."""
        pictures = self.pictures(line["id"] for line in lines)
        return [
            Tile(
                picture=_uri(pictures.get(line["id"])),
                title=f"{line['id']} {line['detail']}".strip(),
                emotion=line["emotion"],
                note=line[note] if note != "score" else f"{float(line[note]):.2f}",
                kept=kept,
            )
            for line in lines
        ]

    def groups(self) -> dict[str, list[Line]]:
        """Members of each group of copies with more than one, kept first."""
        members: dict[str, list[Line]] = defaultdict(list)
        for line in (*self.kept, *self.lost):
            if line["group"]:
                members[line["group"]].append(line)
        return {g: lines for g, lines in members.items() if len(lines) > 1}

    def astride(self) -> int:
        """Sets of copies, by group or by equal pixels, whose kept pictures lie in several splits.

        None should; it is counted so that the report says what is rather than what should be.
        """
        return max(
            sum(len(splits) > 1 for splits in _splits(self.kept, by).values())
            for by in ("group", "sha256")
        )

    def strips(self, groups: list[list[Line]]) -> list[list[Tile]]:
        """A row of tiles for each group."""
        pictures = self.pictures(line["id"] for lines in groups for line in lines)
        return [
            [
                Tile(
                    picture=_uri(pictures.get(line["id"])),
                    title=line["id"],
                    emotion=line["emotion"],
                    note=line.get("split") or line["reason"],
                    kept="path" in line,
                )
                for line in lines
            ]
            for lines in groups
        ]


def _splits(lines: list[Line], by: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        if line[by]:
            found[line[by]].add(line["split"])
    return found


def _uri(png: bytes | None) -> str:
    return "data:image/png;base64," + base64.b64encode(png or b"").decode()


def best(lines: list[Line], most: int) -> list[Line]:
    """The lines with the highest scores, then by id."""
    return sorted(lines, key=lambda line: (-float(line["score"]), line["id"]))[:most]


def distinct(lines: list[Line]) -> int:
    """How many labels the members of a group have; a class that is left out is none."""
    return len({line["emotion"] for line in lines} - {""})
