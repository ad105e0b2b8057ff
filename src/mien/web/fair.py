"""Threads for pictures, shared fairly: between clients, between requests, and in megapixels."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from mien.web.workers import Workers

T = TypeVar("T")

LARGE = 8_000_000
"""Pixels from which a picture is large."""
_EACH = 250_000  # pixels' worth of time that any job takes


@dataclass(slots=True, eq=False)
class _Job(Generic[T]):
    work: Callable[[], T]
    pixels: int
    answer: Future[T] = field(default_factory=Future)


@dataclass(slots=True, eq=False)
class _Flow:
    """Jobs of one request, or requests of one client.

    ``had`` is the virtual time of its last job's end; ``clock`` that within a client.
    """

    had: float
    clock: float = 0.0
    jobs: deque[_Job[Any]] = field(default_factory=deque)
    requests: dict[Hashable, _Flow] = field(default_factory=dict)

    def due(self) -> float:
        """Virtual time at which its next job would end: small jobs come first among equals."""
        if self.jobs:
            return self.had + self.jobs[0].pixels + _EACH
        nexts = [flow.jobs[0].pixels for flow in self.requests.values() if flow.jobs]
        return self.had + min(nexts, default=0) + _EACH


class FairPool(Workers):
    """A pool of threads whose queue is fair.

    Jobs are taken by virtual finish, as in weighted fair queueing, with the clock of start-time
    fair queueing (Goyal et al. 1996).
    The next job comes from the client that has had the least work, and there from the request that
    has had the least; work is counted in pixels. So a request of many large pictures delays one of
    a small picture by what is in progress at most. Large pictures leave one thread to small ones,
    where there are two or more, and are decoded within a budget of pixels.

    Args:
        threads: jobs at a time.
        decoding: pixels of large pictures at a time; one that is larger runs alone.
    """

    def __init__(self, threads: int, decoding: int) -> None:
        super().__init__("picture", threads)
        self.decoding = decoding
        self.waiting = 0
        self.finished = 0
        self._clock = 0.0
        self._clients: dict[Hashable, _Flow] = {}
        self._large = 0
        self._large_pixels = 0

    def submit(
        self, work: Callable[[], T], *, client: Hashable, request: Hashable, pixels: int = 0
    ) -> Future[T]:
        """Queue a job; cancelling its future before it begins takes it out.

        Raises:
            RuntimeError: after ``close``.
        """
        job = _Job(work, pixels)
        with self._change:
            if self._closing:
                raise RuntimeError("the pool is closed")
            of = self._clients.setdefault(client, _Flow(self._clock))
            of.requests.setdefault(request, _Flow(of.clock)).jobs.append(job)
            self.waiting += 1
            self._change.notify()
        return job.answer

    def _take(self) -> _Job[Any] | None:
        with self._change:
            while (job := self._next()) is None:
                if self._closing and not self._clients:
                    return None
                self._change.wait()
            if job.pixels > LARGE:
                self._large += 1
                self._large_pixels += job.pixels
            return job

    def _next(self) -> _Job[Any] | None:
        """Take the fairest job that may run now out of the queue."""
        large_may = True
        for name, client in sorted(self._clients.items(), key=lambda item: item[1].due()):
            for key, flow in sorted(client.requests.items(), key=lambda item: item[1].due()):
                while flow.jobs and flow.jobs[0].answer.cancelled():
                    flow.jobs.popleft()
                    self.waiting -= 1
                if not flow.jobs:
                    del client.requests[key]
                    continue
                job = flow.jobs[0]
                if job.pixels > LARGE:
                    # the first that does not fit holds back the others: it would never get in
                    large_may = large_may and self._fits(job.pixels)
                    if not large_may:
                        continue
                flow.jobs.popleft()
                self.waiting -= 1
                self._clock = max(self._clock, client.had)
                client.clock = max(client.clock, flow.had)
                client.had += job.pixels + _EACH
                flow.had += job.pixels + _EACH
                if not flow.jobs:
                    del client.requests[key]
                if not client.requests:
                    del self._clients[name]
                return job
            if not client.requests:
                del self._clients[name]
        return None

    def _fits(self, pixels: int) -> bool:
        if self._large == 0:
            return True
        room = self._large_pixels + pixels <= self.decoding
        return room and self._large < max(1, self.threads - 1)

    def _work(self) -> None:
        while (job := self._take()) is not None:
            self._run(job)
            self.finished += 1
            if job.pixels > LARGE:
                with self._change:
                    self._large -= 1
                    self._large_pixels -= job.pixels
                    self._change.notify_all()
            del job  # else its picture stays until the next one comes

    @staticmethod
    def _run(job: _Job[Any]) -> None:
        if not job.answer.set_running_or_notify_cancel():
            return
        try:
            job.answer.set_result(job.work())
        except BaseException as error:  # whatever it was, it belongs to those who wait
            job.answer.set_exception(error)
