"""What the review page asks of a prepared folder: entries, crops, decisions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from mien.data.dataset import pixel_hash
from mien.data.decisions import FILE, Decision, read_decisions, write_decisions
from mien.data.gallery import Gallery, Line
from mien.data.layout import encode
from mien.data.packed import EXCLUDED, read_packed
from mien.data.wording import REASONS
from mien.images import read

FLAGGED, LEFT_OUT = "to look at", "left out"


@dataclass
class Review:
    """The flagged and excluded pictures of a prepared folder, and what is decided about them.

    ``entries`` one dict a picture and reason, the most doubtful first; ``decisions`` by picture
    id. Each change is written to ``decisions.csv`` at once.
    """

    out: Path
    entries: list[dict[str, object]]
    decisions: dict[str, Decision]
    _named: dict[str, str] = field(repr=False)
    _paths: dict[str, str] = field(repr=False)
    _lost: dict[str, int] = field(repr=False)
    _images: NDArray[np.uint8] = field(repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @classmethod
    def open(cls, out: Path) -> Review:
        """Read a prepared folder.

        Raises:
            FileNotFoundError: it was not prepared.
        """
        gallery = Gallery.read(out)
        packed = read_packed(out / EXCLUDED)
        entries = _entries(gallery)
        return cls(
            out=out,
            entries=entries,
            decisions=read_decisions(out / FILE),
            _named={str(entry["sha256"]): str(entry["id"]) for entry in entries},
            _paths={line["id"]: line["path"] for line in gallery.kept},
            _lost={name: row for row, name in enumerate(packed["id"].tolist())},
            _images=packed["images"],
        )

    def png(self, name: str) -> bytes:
        """The crop of a picture.

        Raises:
            KeyError: no such picture here.
        """
        if name in self._lost:
            return encode(self._images[self._lost[name]])
        return (self.out / self._paths[name]).read_bytes()

    def crop(self, sha256: str) -> bytes:
        """The crop of an entry with these pixels: whatever is prepared later, it is no other.

        Raises:
            KeyError: no such entry here.
            ValueError: another picture took its place since this folder was opened.
        """
        png = self.png(self._named[sha256])
        if pixel_hash(read(png)[..., 0]) != sha256:
            raise ValueError(f"{self.out}: was prepared again; restart mien data review")
        return png

    def decide(self, changes: Iterable[tuple[str, str, str]]) -> None:
        """Apply (id, action, emotion); the action "" takes a decision back.

        Raises:
            KeyError: no such picture; nothing is changed then.
            ValueError: no such action or emotion; nothing is changed then.
        """
        with self._lock:
            # Read again: another page or an editor may have written since, and nothing is lost.
            decisions = read_decisions(self.out / FILE)
            for name, action, emotion in changes:
                if name not in self._lost and name not in self._paths:
                    raise KeyError(name)
                if action:
                    decisions[name] = Decision.parse(action, emotion)
                else:
                    decisions.pop(name, None)
            write_decisions(self.out / FILE, decisions)
            self.decisions = decisions


def _entries(gallery: Gallery) -> list[dict[str, object]]:
    pixels = {line["id"]: line["sha256"] for line in (*gallery.kept, *gallery.lost)}

    def entry(line: Line, state: str) -> dict[str, object]:
        return {
            "id": line["id"],
            "sha256": pixels[line["id"]],
            "reason": line["reason"],
            "title": REASONS[line["reason"]][0],
            "state": state,
            "score": float(line["score"]),
            "detail": line["detail"],
            "emotion": line["emotion"],
            "suggestion": line.get("suggestion", ""),
            "split": line.get("split", ""),
        }

    entries = [entry(line, FLAGGED) for line in gallery.flags]
    entries += [entry(line, LEFT_OUT) for line in gallery.lost]
    order = list(REASONS)
    # Wrong labels and suspects first: copies are many and seldom worth a look.
    urgent = dict.fromkeys(("mislabelled", "conflicting-labels", "not-a-face"), -1)
    entries.sort(
        key=lambda e: (
            e["state"] != FLAGGED,
            urgent.get(str(e["reason"]), order.index(str(e["reason"]))),
            -float(str(e["score"])),
            str(e["id"]),
        )
    )
    return entries
