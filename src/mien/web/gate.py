"""Admission control: how many requests run, and how many bytes they hold, at a time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mien.web.limits import Limits
from mien.web.problems import UNAVAILABLE, Problem

LARGE = 4 * 2**20
"""Bytes above which a request may not use the last quarter of what may be held."""


class Hold:
    """The bytes of one request: its body as far as it arrived, then its answer until it is sent.

    While the client is the one who is waited for, ``give_up`` ends the request; then it may have to
    give way to others.
    """

    def __init__(self, gate: "Gate") -> None:
        self.gate = gate
        self.size = 0
        self.evicted = False
        self.give_up: Callable[[], object] | None = None
        self.since = 0.0

    def wait_for_client(self, give_up: Callable[[], object]) -> None:
        """From now on the client is waited for."""
        self.give_up, self.since = give_up, time.monotonic()

    def add(self, size: int) -> None:
        """Charge bytes that have arrived, or that an answer has.

        Raises:
            Problem: 503, there is no room for them.
        """
        if self.evicted:
            raise unavailable()
        self.gate.make_room(size, self)
        self.size += size
        self.gate.held += size

    def release(self) -> None:
        """Give all bytes back; harmless when repeated."""
        self.gate.held -= self.size
        self.gate.freed += self.size
        self.size, self.give_up = 0, None
        self.gate.holds.discard(self)


class Gate:
    """Counts what is accepted and refuses the rest at once; used from one event loop.

    A client that only promises bytes, or sends them slowly, holds no place and is charged for what
    has arrived. When the bytes run out, the request whose client has been waited for longest ends.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.requests = 0
        self.done = 0
        self.held = 0
        self.freed = 0
        self.streams = 0
        self.holds: set[Hold] = set()
        self.closing = False

    @property
    def open(self) -> bool:
        """Whether a small request would be accepted now (readiness)."""
        full = self.requests >= self.limits.requests or self.held >= self.limits.held
        return not (self.closing or full)

    def hold(self) -> Hold:
        """Begin to count the bytes of a request.

        Raises:
            Problem: 503 with Retry-After, at capacity or shutting down.
        """
        if self.closing or self.requests >= self.limits.requests:
            raise unavailable()
        hold = Hold(self)
        self.holds.add(hold)
        return hold

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place for a request whose body has arrived, while it is worked on.

        Raises:
            Problem: 503 with Retry-After.
        """
        if self.closing or self.requests >= self.limits.requests:
            raise unavailable()
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1
            self.done += 1

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Take one of the places for streams.

        Raises:
            Problem: 503 with Retry-After.
        """
        if self.closing or self.streams >= self.limits.streams:
            raise unavailable()
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1
            self.done += 1

    def make_room(self, size: int, asking: Hold) -> None:
        """End requests that wait for their clients until ``size`` more bytes fit.

        Raises:
            Problem: 503, they do not.
        """
        limit = self.limits.held
        if asking.size + size > LARGE:  # so that small requests find room beside large ones
            limit = max(limit * 3 // 4, self.limits.body)
        while self.held + size > limit:
            waiting = [h for h in self.holds if h.give_up and h.size and h is not asking]
            if not waiting:
                raise unavailable()
            oldest = min(waiting, key=lambda hold: hold.since)
            give_up = oldest.give_up
            oldest.evicted = True
            oldest.release()
            if give_up is not None:
                give_up()


def unavailable() -> Problem:
    """The answer to a request that is refused."""
    return Problem(503, UNAVAILABLE, headers={"Retry-After": "1"})
