"""Observers of a run: progress, TensorBoard events, signals."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from mien.train.optim import SCORE

if TYPE_CHECKING:
    from optuna import Trial


SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
    if hasattr(signal, name)
)
"""What ends a run between two batches; Windows has but two of them."""


class Watcher(Protocol):
    """Callbacks of a running training."""

    def asked(self, done: int, total: int) -> None:
        """The teacher has scored so many of the pictures."""

    def note(self, text: str) -> None:
        """Something that a person should know once."""

    def begin(self, epoch: int, epochs: int, images: int) -> None:
        """An epoch starts."""

    def advance(self, images: int) -> None:
        """A batch is done."""

    def end(self, row: dict[str, Any], best: dict[str, Any], seconds_left: float) -> None:
        """An epoch is done and its checkpoint written.

        ``row`` as in ``history.csv``, ``best`` that of the best epoch so far, and about how many
        seconds the epochs that are left take.
        """


class Silent:
    """Watches and says nothing."""

    def asked(self, done: int, total: int) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def begin(self, epoch: int, epochs: int, images: int) -> None:
        """Nothing."""

    def advance(self, images: int) -> None:
        """Nothing."""

    def end(self, row: dict[str, Any], best: dict[str, Any], seconds_left: float) -> None:
        """Nothing."""


class OutOfTime(Exception):  # noqa: N818
    """The budget is spent in the middle of a trial."""


@dataclass
class TrialWatch:
    """Reports a trial's epochs to the study, and prunes it or ends it when time is up."""

    trial: Trial
    watch: Watcher
    deadline: float
    longest: float

    def asked(self, done: int, total: int) -> None:
        """Pass on."""
        self.watch.asked(done, total)

    def note(self, text: str) -> None:
        """Pass on."""
        self.watch.note(text)

    def begin(self, epoch: int, epochs: int, images: int) -> None:
        """Pass on."""
        self.watch.begin(epoch, epochs, images)

    def advance(self, images: int) -> None:
        """Pass on, unless time is up.

        Raises:
            OutOfTime: the study's budget is spent.
            TrialPruned: the trial's longest time has passed.
        """
        from optuna import TrialPruned

        if time.monotonic() > self.deadline:
            raise OutOfTime
        if time.monotonic() > self.longest:
            raise TrialPruned
        self.watch.advance(images)

    def end(self, row: dict[str, Any], best: dict[str, Any], seconds_left: float) -> None:
        """Report the epoch's score.

        Raises:
            TrialPruned: the other trials were better at this point.
        """
        from optuna import TrialPruned

        self.watch.end(row, best, seconds_left)
        self.trial.report(row[SCORE], int(row["epoch"]))
        if self.trial.should_prune():
            raise TrialPruned


class Events:
    """Writes each epoch's row to ``folder/events`` and passes everything on to ``watch``."""

    def __init__(self, folder: Path, watch: Watcher) -> None:
        self.folder, self.watch = folder / "events", watch

    def asked(self, done: int, total: int) -> None:
        """Pass on."""
        self.watch.asked(done, total)

    def note(self, text: str) -> None:
        """Pass on."""
        self.watch.note(text)

    def begin(self, epoch: int, epochs: int, images: int) -> None:
        """Pass on."""
        self.watch.begin(epoch, epochs, images)

    def advance(self, images: int) -> None:
        """Pass on."""
        self.watch.advance(images)

    def end(self, row: dict[str, Any], best: dict[str, Any], seconds_left: float) -> None:
        """Write the numbers of an epoch, then pass on."""
        from torch.utils.tensorboard import SummaryWriter

        with SummaryWriter(self.folder) as writer:
            for name, value in row.items():
                if name != "epoch":
                    writer.add_scalar(name, value, row["epoch"])
        self.watch.end(row, best, seconds_left)


class Stopped(KeyboardInterrupt):
    """A signal asked the run to end; ``number`` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def stoppable() -> Iterator[Callable[[], None]]:
    """Within the block, a first signal waits for the yielded check; a second does not.

    Those of ``SIGNALS``; one that is ignored, as nohup ignores SIGHUP, stays so.

    The check raises ``Stopped``. Outside the main thread, where Python takes no handlers, the
    signals keep their ways.
    """
    asked: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        if len(asked) > 1:
            raise Stopped(number)

    def check() -> None:
        if asked:
            raise Stopped(asked[0])

    if threading.current_thread() is not threading.main_thread():
        yield check
        return
    old = {
        number: signal.signal(number, handle)
        for number in SIGNALS
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield check
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
