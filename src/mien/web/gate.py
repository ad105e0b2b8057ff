"""Admission: how many requests, and how many bytes of them, are in the house at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

from mien.web.limits import Limits
from mien.web.problems import Problem


class Gate:
    """Counts what is accepted and refuses the rest at once; used from one event loop."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.requests = 0
        self.held = 0

    @property
    def open(self) -> bool:
        """Whether a small request would be let in now."""
        return self.requests < self.limits.requests and self.held < self.limits.held

    @contextmanager
    def admit(self, size: int) -> Iterator[None]:
        """Hold a place for a request of ``size`` bytes.

        Raises:
            Problem: 503 with Retry-After when the house is full.
        """
        if self.requests >= self.limits.requests or self.held + size > self.limits.held:
            raise Problem(
                503,
                f"{self.requests} requests are being worked on; try again in a moment",
                headers={"Retry-After": "1"},
            )
        self.requests += 1
        self.held += size
        try:
            yield
        finally:
            self.requests -= 1
            self.held -= size
