"""How a graph is opened: threads, memory, and the GPU when there is one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mien.cores import cores

if TYPE_CHECKING:
    import onnxruntime

GPU = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
BATCH = {CPU: 8, GPU: 256}
"""Most crops that one run of a graph sees: on a CPU, as many as its caches hold the maps of."""


def open_session(graph: Path, *, threads: int = 0) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session of a graph.

    Args:
        graph: an ``.onnx`` file.
        threads: of one run on the CPU; 0 for all cores.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or cores()
    # else the detector's threads spin on while the classifier's work, and a photo takes longer
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_mem_pattern = False  # patterns are kept for every size of batch or picture seen
    return onnxruntime.InferenceSession(graph, sess_options=options, providers=providers())


def only_asked_for() -> onnxruntime.RunOptions:
    """Options of a run that leaves out what its outputs do not need, as maps nobody asked for."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.only_execute_path_to_fetches = True
    return options


def best_batch(session: onnxruntime.InferenceSession) -> int:
    """Most crops to give one run of a session, by what it really runs on."""
    return BATCH[session.get_providers()[0]]


def providers() -> list[str]:
    """What graphs run on, best first.

    A GPU where the installed ONNX Runtime knows one (``pip install onnxruntime-gpu`` in place of
    ``onnxruntime``), unless the environment says ``MIEN_DEVICE=cpu``.
    """
    import onnxruntime

    wanted = os.environ.get("MIEN_DEVICE", "").lower() != "cpu"
    return [GPU, CPU] if wanted and GPU in onnxruntime.get_available_providers() else [CPU]
