"""What a run tells while it goes on, to whoever watches."""

from __future__ import annotations

from typing import Any, Protocol


class Watcher(Protocol):
    """What a run tells while it goes on."""

    def asked(self, done: int, total: int) -> None:
        """The teacher has been asked about so many of the pictures."""

    def begin(self, epoch: int, epochs: int, images: int) -> None:
        """An epoch starts."""

    def advance(self, images: int) -> None:
        """A batch is done."""

    def end(self, row: dict[str, Any]) -> None:
        """An epoch is done and its checkpoint written; ``row`` as in ``history.csv``."""


class Silent:
    """Watches and says nothing."""

    def asked(self, done: int, total: int) -> None:
        """Nothing."""

    def begin(self, epoch: int, epochs: int, images: int) -> None:
        """Nothing."""

    def advance(self, images: int) -> None:
        """Nothing."""

    def end(self, row: dict[str, Any]) -> None:
        """Nothing."""
