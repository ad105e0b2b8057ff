"""Crops through one graph: few in one run on all threads, many in runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mien.bundle import Bundle, BundleError
from mien.cores import cores
from mien.emotions import BALLOT, EMOTIONS
from mien.infer.session import (
    CPU,
    SessionProperty,
    best_batch,
    only_asked_for,
    open_session,
    refused,
)

if TYPE_CHECKING:
    import onnxruntime

_OPTIONS = {"label": len(EMOTIONS), "ballot": len(BALLOT)}
MANY = 8
"""Full runs' worth of crops that pay for opening the graph a second time, for one thread a run."""


class Lanes:
    """A graph of faces; safe to share between threads.

    Threads that share a run wait for each other after every layer, and a small network has many
    short ones. Where there are crops enough, each thread therefore has runs of its own.

    Args:
        graph: an ``.onnx`` file, or what stands in it; of a bundle, whose card says what its graph
            must be, the bundle.
        threads: of one run; 0 for all cores.
        name: what to call it in an error, where it is no path.
    """

    def __init__(self, graph: Path | Bundle | bytes, *, threads: int = 0, name: str = "") -> None:
        self.graph = graph
        self.threads = threads
        self.name = name

    @SessionProperty
    def shared(self) -> onnxruntime.InferenceSession:
        """The session whose runs take all threads, made on first use."""
        return self._open(self.threads)

    @SessionProperty
    def lone(self) -> onnxruntime.InferenceSession:
        """The session whose runs take one thread each, made on first use."""
        return self._open(1)

    def _open(self, threads: int) -> onnxruntime.InferenceSession:
        """A session of what was checked; the graph keeps its contract, or is refused."""
        if not isinstance(self.graph, Bundle):
            return open_session(self.graph, threads=threads, name=self.name)
        session = open_session(self.graph.read(), threads=threads, name=str(self.graph.graph))
        inputs = [(value.name, value.type) for value in session.get_inputs()]
        outputs = {value.name for value in session.get_outputs()}
        if inputs != [("faces", "tensor(uint8)")] or not {"label", "ballot"} <= outputs:
            raise BundleError(
                f"{self.graph.graph}: not a graph of mien (it takes no uint8 faces, or gives no "
                "label and ballot); fetch or export the bundle again"
            )
        return session

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
            try:
                scores: list[NDArray[np.float32]] = session.run(names, feed, options)
            except Exception as error:
                raise BundleError(f"{self._where}: {refused(error)}") from None
            return scores

        if beside:
            with ThreadPoolExecutor(workers) as pool:
                parts = list(pool.map(part, starts))
        else:
            parts = [part(at) for at in starts]
        arrays = [np.concatenate(column) for column in zip(*parts, strict=True)]
        for name, array in zip(names, arrays, strict=True):
            if name in _OPTIONS and array.shape != (len(faces), _OPTIONS[name]):
                raise BundleError(
                    f"{self._where}: gives {name} of shape {array.shape}, not (N, "
                    f"{_OPTIONS[name]}); fetch or export the bundle again"
                )
        return arrays

    @property
    def _where(self) -> Path | str:
        if isinstance(self.graph, bytes):
            return self.name
        return self.graph.graph if isinstance(self.graph, Bundle) else self.graph
