"""Pooled features of faces: what the heads read, taken out of a bundle's graph as it is."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mien.bundle import Bundle, BundleError
from mien.infer.session import (
    SessionProperty,
    best_batch,
    only_asked_for,
    open_session,
    refused,
)
from mien.onnxfile import linear_inputs, with_outputs

if TYPE_CHECKING:
    import onnxruntime


class Features:
    """A second session of a bundle's graph, which also gives what the ballot head reads.

    Args:
        bundle: its file stays as it is; outputs are added in memory.
        threads: of one run; 0 for all cores.
    """

    def __init__(self, bundle: Bundle, *, threads: int = 0) -> None:
        self.bundle = bundle
        self.threads = threads

    @cached_property
    def names(self) -> list[str]:
        """Tensors of pooled features, one a network.

        Raises:
            BundleError: the graph has none.
        """
        found = linear_inputs(self.bundle.read(), "ballot")
        if not found or "faces" in found:
            raise BundleError(
                f"{self.bundle.graph}: gives no embeddings (no linear layer makes its ballot); "
                "choose another model"
            )
        return found

    @SessionProperty
    def session(self) -> onnxruntime.InferenceSession:
        """Made on first use."""
        graph = with_outputs(self.bundle.read(), self.names)
        return open_session(graph, threads=self.threads, name=str(self.bundle.graph))

    def run(
        self, faces: NDArray[np.uint8], *, batch_size: int | None = None
    ) -> NDArray[np.float32]:
        """Features (N, D) of faces (N, 48, 48)."""
        size = batch_size or best_batch(self.session)
        parts = [self._part(faces[at : at + size]) for at in range(0, max(len(faces), 1), size)]
        return np.concatenate(parts)

    def _part(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        # a run of no face tells of no width, so one face stands in
        given = faces if len(faces) else np.zeros((1, *faces.shape[1:]), np.uint8)
        try:
            arrays = self.session.run(self.names, {"faces": given}, only_asked_for())
        except Exception as error:
            raise BundleError(f"{self.bundle.graph}: {refused(error)}") from None
        # mirror views follow the faces in one longer batch
        views = [array.reshape(-1, len(given), array.shape[-1]).mean(axis=0) for array in arrays]
        found: NDArray[np.float32] = np.concatenate(views, axis=1)[: len(faces)]
        return found.astype(np.float32, copy=False)
