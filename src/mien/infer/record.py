"""How results were made, remembered beside them: a later run goes on only with its own kind."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien import __version__
from mien.atomic import write_bytes
from mien.mix import Mix

if TYPE_CHECKING:
    from mien.infer.model import Model


@dataclass(frozen=True, slots=True)
class Made:
    """What decides the rows of an output.

    ``model`` and ``head`` stand in every row too; ``sha256`` of the graph tells a bundle from one
    that was trained again under its name, and ``mix`` how ``expression`` was made.
    """

    model: str
    head: str = "expression"
    sha256: str = ""
    unclear_threshold: float = 0.5
    crops: bool = False
    min_face: int = 40
    mix: str = Mix().told()

    @classmethod
    def by(cls, model: Model, *, crops: bool, min_face: int) -> Made:
        """What a model makes of pictures with these options."""
        card = model.bundle.card
        return cls(
            card.name, model.head, card.sha256, card.unclear_threshold, crops, min_face,
            model.mix.told(),
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; ``min_face`` is None where nothing is searched for."""
        return asdict(self) | ({"min_face": None} if self.crops else {})

    def columns(self) -> dict[str, str]:
        """What every row says of how it was made."""
        return {
            "model": self.model,
            "head": self.head,
            "model_sha256": self.sha256,
            "mien_version": __version__,
        }

    def to_json(self) -> str:
        """The record's text."""
        return json.dumps(self.to_dict()) + "\n"

    def check(self, path: str | Path, text: str) -> None:
        """Refuse to mix results.

        Args:
            path: the output, for the message.
            text: its record; what a record of another version does not hold is not compared.

        Raises:
            ValueError: the record tells of another model or of other options.
        """
        try:
            theirs = dict(json.loads(text))
        except (TypeError, ValueError):
            raise ValueError(
                f"{path}: its record is damaged; pass --overwrite, or remove the record to resume "
                "without its check"
            ) from None
        ours = self.to_dict()
        differ = [key for key in ours if theirs.get(key, ours[key]) != ours[key]]
        if differ:
            raise ValueError(
                f"{path}: holds results made with {_listed(theirs, differ)}, not with "
                f"{_listed(ours, differ)}; name another file, or pass --overwrite"
            )

    def same_run(self, path: str | Path, row: dict[str, Any]) -> None:
        """Refuse to mix results, by what every row holds: older outputs have no record.

        Raises:
            ValueError: ``row`` was made with another model or head.
        """
        theirs = (row.get("model"), row.get("head"))
        if theirs != (self.model, self.head):
            raise ValueError(
                f"{path}: holds results of model {theirs[0]!r}, head {theirs[1]!r}, not of "
                f"{self.model!r}, {self.head!r}; name another file, or pass --overwrite"
            )


def beside(path: Path) -> Path:
    """Where the record of a file of results lies."""
    return path.with_name(path.name + ".mien.json")


def keep(path: Path, made: Made, *, begun: bool) -> None:
    """Check the record of a file that holds results already; write that of one that begins.

    A file that holds results without a record, as earlier versions wrote it, stays without one:
    nobody knows how all of it was made.

    Raises:
        ValueError: see ``Made.check``.
    """
    record = beside(path)
    if not begun:
        write_bytes(record, made.to_json().encode())
    elif record.exists():
        made.check(path, record.read_text(encoding="utf-8", errors="replace"))


def lock(descriptor: int, path: Path) -> None:
    """Keep other runs off an output for as long as the descriptor is open.

    Raises:
        ValueError: another run is writing it.
    """
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows, where nothing keeps a second run off
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ValueError(
            f"{path}: another run is writing it; wait for that, or name another place"
        ) from None
    except OSError:  # a file system without locks
        return


def _listed(values: dict[str, Any], keys: list[str]) -> str:
    return ", ".join(f"{key} {str(values[key])[:12]}" for key in keys)
