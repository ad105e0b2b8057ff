"""Dynamic batching: crops of concurrent requests share runs of the graph."""

import heapq
import itertools
from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mien.infer.results import Scores
from mien.web.workers import Workers

Crops = NDArray[np.uint8]


class Classifier(Protocol):
    """What ``mien.Model.classify`` is."""

    def __call__(self, crops: Crops, *, cam: bool = False) -> Scores:
        """Score crops (N, 48, 48)."""
        ...


@dataclass(slots=True, eq=False)
class _Job:
    crops: Crops
    cam: bool
    request: Hashable
    answer: "Future[Scores]" = field(default_factory=Future)


class Batcher(Workers):
    """A queue and a few threads that run all that waits, together.

    Requests are batched dynamically, with no added delay: a free thread takes what is there, so one
    request alone is as fast as without a queue, and batches grow only while all threads are
    busy. How much may wait is bounded by whoever submits (``mien.web.gate``). The queue is fair
    between requests as ``mien.web.fair`` is: one crop need not wait for all of many.

    Args:
        classify: scores crops; called from the threads.
        threads: runs at a time.
        batch_size: most crops of different requests in one run; 1 turns sharing off.
    """

    def __init__(self, classify: Classifier, *, threads: int = 1, batch_size: int = 64) -> None:
        super().__init__("batch", threads)
        self.classify = classify
        self.batch_size = batch_size
        self.runs = 0
        self._jobs: list[tuple[float, int, _Job]] = []  # a heap by the virtual time of the end
        self._count = itertools.count()
        self._clock = 0.0
        self._had: dict[Hashable, float] = {}

    def submit(
        self, crops: Crops, *, cam: bool = False, request: Hashable = None
    ) -> "Future[Scores]":
        """Queue crops (N, 48, 48); the future gives their scores, or the error of their run.

        Crops of one ``request`` share its turns; without one, these have their own.

        Raises:
            RuntimeError: after ``close``.
        """
        job = _Job(crops, cam, object() if request is None else request)
        with self._change:
            if self._closing:
                raise RuntimeError("the batcher is closed")
            due = max(self._clock, self._had.get(job.request, 0.0)) + len(crops)
            self._had[job.request] = due
            heapq.heappush(self._jobs, (due, next(self._count), job))
            self._change.notify()
        return job.answer

    def _take(self) -> list[_Job]:
        """The next jobs that fit in one run; empty when closing and nothing waits."""
        with self._change:
            while not self._jobs and not self._closing:
                self._change.wait()
            share = -(-len(self._jobs) // self.threads)  # the rest is for the other threads
            taken: list[_Job] = []
            crops = 0
            while len(taken) < share and (
                not taken or crops + len(self._jobs[0][2].crops) <= self.batch_size
            ):
                due, _, job = heapq.heappop(self._jobs)
                self._clock = max(self._clock, due - len(job.crops))
                if self._had[job.request] <= due:  # its last one
                    del self._had[job.request]
                taken.append(job)
                crops += len(job.crops)
            return taken

    def _work(self) -> None:
        while jobs := self._take():
            live = [job for job in jobs if job.answer.set_running_or_notify_cancel()]
            if live:
                self._run(live)

    def _run(self, jobs: list[_Job]) -> None:
        try:
            together = jobs[0].crops if len(jobs) == 1 else np.concatenate([j.crops for j in jobs])
            scores = self.classify(together, cam=any(job.cam for job in jobs))
        except Exception as error:  # whatever it was, it belongs to those who wait
            for job in jobs:
                job.answer.set_exception(error)
            return
        self.runs += 1
        at = 0
        for job in jobs:
            part = slice(at, at + len(job.crops))
            at = part.stop
            job.answer.set_result(
                replace(
                    scores,
                    label=scores.label[part],
                    ballot=scores.ballot[part],
                    cam=scores.cam[part] if job.cam and scores.cam is not None else None,
                )
            )
