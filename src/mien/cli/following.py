"""Progress of a long run over frames, and stopping it without losing results."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mien.cli.plain import say

if TYPE_CHECKING:
    from rich.console import Console

NARROW = 60
"""Columns below which there is no room for a bar."""
PAUSE, PAUSE_IN_LOGS = 10.0, 60.0
"""Seconds between two lines on a terminal that cannot move its cursor, and elsewhere."""


class Frames:
    """Counts frames: a bar on a terminal, or a line now and then where that cannot move.

    Args:
        console: standard error's.
        total: frames in all; None where it is not known.
    """

    def __init__(self, console: Console, total: int | None) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        self.console = console
        self.total = total
        self.count = 0
        self.begun = time.perf_counter()
        self.said = self.begun
        self.moves = console.is_terminal and not console.is_dumb_terminal
        self.pause = PAUSE if console.is_terminal else PAUSE_IN_LOGS
        text = TextColumn("{task.fields[text]}", markup=False)
        bar = BarColumn(bar_width=None if console.width >= NARROW else 12)
        self.progress = Progress(
            bar, text, console=console, transient=True, disable=not self.moves, expand=True
        )
        self.task = self.progress.add_task("", total=total, text="reading")

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.perf_counter() - self.begun

    def advance(self) -> None:
        """One more frame."""
        self.count += 1
        if self.moves:
            self.progress.update(self.task, completed=self.count, text=self.text())
        elif time.perf_counter() - self.said >= self.pause:
            self.said = time.perf_counter()
            say(self.text(), self.console)

    def text(self) -> str:
        """Progress, speed and time left."""
        rate = self.count / max(self.seconds, 1e-9)
        parts = [f"{self.count:,}", f"{rate:,.0f}/s"]
        if self.total:
            minutes, seconds = divmod(round(max(0, self.total - self.count) / max(rate, 1e-9)), 60)
            parts = [f"{self.count:,} of {self.total:,}", f"{rate:,.0f}/s",
                     f"{minutes}:{seconds:02} left"]  # fmt: skip
        if self.console.width >= NARROW:
            parts[0], parts[1] = f"{parts[0]} frames", f"{rate:,.0f} frames/s"
        return "  ".join(parts)


class Stop:
    """Whether the run was asked to stop: ``signal`` is the number of what asked, or 0."""

    def __init__(self) -> None:
        self.signal = 0

    def ask(self, number: int, _: Any) -> None:
        """Stop after this frame; asked again, at once."""
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Let Ctrl-C, SIGTERM and SIGHUP stop after the current frame."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, stop.ask) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
