"""Threads that serve a queue: started together, and closed when all that waits is done."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod


class Workers(ABC):
    """The threads of one queue, which ``_change`` guards and ``_closing`` ends.

    Args:
        name: of the threads.
        threads: how many.
    """

    def __init__(self, name: str, threads: int) -> None:
        self.name = name
        self.threads = threads
        self._change = threading.Condition()
        self._closing = False
        self._running: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads."""
        self._closing = False
        for i in range(self.threads):
            thread = threading.Thread(target=self._work, name=f"{self.name}-{i}", daemon=True)
            thread.start()
            self._running.append(thread)

    def close(self) -> None:
        """Finish what was submitted, then stop the threads."""
        with self._change:
            self._closing = True
            self._change.notify_all()
        while self._running:
            self._running.pop().join()

    @abstractmethod
    def _work(self) -> None:
        """What a thread does until the queue is closed and empty."""
