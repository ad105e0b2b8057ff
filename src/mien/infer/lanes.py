"""Crops through one graph: few in one run on all threads, many in runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mien.cores import cores
from mien.infer.session import CPU, best_batch, only_asked_for, open_session

if TYPE_CHECKING:
    import onnxruntime

MANY = 8
"""Full runs' worth of crops that pay for opening the graph a second time, for one thread a run."""


class Lanes:
    """A graph of faces; safe to share between threads.

    Threads that share a run wait for each other after every layer, and a small network has many
    short ones. Where there are crops enough, each thread therefore has runs of its own.
    """

    def __init__(self, graph: Path, *, threads: int = 0) -> None:
        self.graph = graph
        self.threads = threads

    @cached_property
    def shared(self) -> onnxruntime.InferenceSession:
        """The session whose runs take all threads, made on first use."""
        return open_session(self.graph, threads=self.threads)

    @cached_property
    def lone(self) -> onnxruntime.InferenceSession:
        """The session whose runs take one thread each, made on first use."""
        return open_session(self.graph, threads=1)

    def run(
        self, names: Sequence[str], faces: NDArray[np.uint8], *, batch_size: int | None = None
    ) -> list[NDArray[np.float32]]:
        """The named outputs for ``faces`` (N, 48, 48), each (N, ...).

        ``batch_size`` is the most crops of one run; unless given, what suits the processor.
        """
        session, workers = self.shared, self.threads or cores()
        size = batch_size or best_batch(session)
        beside = workers > 1 and len(faces) >= MANY * size and session.get_providers()[0] == CPU
        if beside:
            session, size = self.lone, min(size, -(-len(faces) // workers))
        starts = range(0, max(len(faces), 1), size)
        options = only_asked_for()

        def part(at: int) -> list[NDArray[np.float32]]:
            feed = {"faces": faces[at : at + size]}
            scores: list[NDArray[np.float32]] = session.run(names, feed, options)
            return scores

        if beside:
            with ThreadPoolExecutor(workers) as pool:
                parts = list(pool.map(part, starts))
        else:
            parts = [part(at) for at in starts]
        return [np.concatenate(column) for column in zip(*parts, strict=True)]
