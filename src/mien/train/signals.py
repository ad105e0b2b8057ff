"""Ctrl-C and SIGTERM end a run between two batches, so that no write is cut short."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(KeyboardInterrupt):
    """A signal asked the run to end; ``number`` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def stoppable() -> Iterator[Callable[[], None]]:
    """Within the block, a first SIGINT or SIGTERM waits for the yielded check; a second does not.

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
    old = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield check
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
