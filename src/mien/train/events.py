"""TensorBoard events beside a run's other records; needs the extra ``tensorboard``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mien.train.watch import Watcher


class Events:
    """Writes each epoch's row to ``folder/events`` and passes everything on to ``watch``."""

    def __init__(self, folder: Path, watch: Watcher) -> None:
        self.folder, self.watch = folder / "events", watch

    def asked(self, done: int, total: int) -> None:
        """Pass on."""
        self.watch.asked(done, total)

    def begin(self, epoch: int, epochs: int, images: int) -> None:
        """Pass on."""
        self.watch.begin(epoch, epochs, images)

    def advance(self, images: int) -> None:
        """Pass on."""
        self.watch.advance(images)

    def end(self, row: dict[str, Any]) -> None:
        """Write the numbers of an epoch, then pass on."""
        from torch.utils.tensorboard import SummaryWriter

        with SummaryWriter(self.folder) as writer:
            for name, value in row.items():
                if name != "epoch":
                    writer.add_scalar(name, value, row["epoch"])
        self.watch.end(row)
