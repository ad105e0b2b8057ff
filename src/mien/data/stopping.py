"""A quiet end when a preparation is told to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = ("SIGTERM", "SIGHUP", "SIGQUIT")  # Windows lacks the last two


class Stopped(KeyboardInterrupt):
    """A signal asked the run to end."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Within the block SIGTERM, SIGHUP and SIGQUIT end the run as Ctrl-C does.

    Files are written whole or not at all, so the run may end anywhere; without this, half-written
    files and the lock would stay behind. Outside the main thread, where Python takes no handlers,
    the signals keep their ways; so does one that the parent has set to be ignored (nohup).
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(signal.Signals(number).name)

    old = {}
    if threading.current_thread() is threading.main_thread():
        for name in SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                old[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
