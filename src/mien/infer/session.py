"""How a graph is opened: threads, memory, and the GPU when there is one."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from mien.card import BundleError
from mien.cores import cores

if TYPE_CHECKING:
    import onnxruntime

GPU = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
BEST_BATCH = {CPU: 8, GPU: 256}
"""Maximum batch size of one inference call: on a CPU, as many crops as its caches hold maps of."""


class SessionProperty:
    """An attribute that holds a session, opened on first use; of a class, as ``cached_property``.

    Sessions stay out of the object itself, so that it can be pickled, and are opened again in a
    process that was forked: one that it inherited has lost its threads, and waits for them for
    ever when it runs or is destroyed.
    """

    def __init__(self, opener: Callable[[Any], onnxruntime.InferenceSession]) -> None:
        self.opener = opener
        self.__doc__ = opener.__doc__

    def __get__(self, instance: Any, owner: type | None = None) -> onnxruntime.InferenceSession:
        """The session of an object, opened if it is not."""
        if instance is None:
            return self
        with _lock:
            opened = _sessions.setdefault(instance, {})
            if self not in opened:
                opened[self] = self.opener(instance)
            return opened[self]


_lock = threading.Lock()
_sessions: WeakKeyDictionary[Any, dict[SessionProperty, Any]] = WeakKeyDictionary()


def _leave_inherited_sessions() -> None:
    """In a forked child: forget the parent's sessions, and never destroy them."""
    global _lock, _sessions
    for opened in list(_sessions.values()):
        for session in opened.values():
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))
    _lock, _sessions = threading.Lock(), WeakKeyDictionary()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_inherited_sessions)


def open_session(
    graph: Path | bytes, *, threads: int = 0, name: str = ""
) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session of a graph.

    Args:
        graph: an ``.onnx`` file, or what stands in it.
        threads: of one run on the CPU; 0 for all cores.
        name: what to call it in an error, where it is no path.

    Raises:
        BundleError: ONNX Runtime cannot load it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or cores()
    # else the detector's threads spin on while the classifier's work, and a photo takes longer
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_mem_pattern = False  # patterns are kept for every size of batch or picture seen
    options.log_severity_level = 4  # what it refuses is said once, in a sentence
    try:
        return onnxruntime.InferenceSession(graph, sess_options=options, providers=providers())
    except Exception as error:
        raise BundleError(f"{name or graph!s}: {refused(error)}") from None


def is_shortage(error: Exception) -> bool:
    """Whether an error of ONNX Runtime or numpy says that memory was short."""
    return isinstance(error, MemoryError) or "alloc" in str(error)


def refused(error: Exception) -> str:
    """What ONNX Runtime's error means, in a sentence."""
    reason = " ".join(str(error).split())
    if is_shortage(error):
        return "not enough memory for it; free some, or use fewer threads"
    return f"ONNX Runtime cannot run it ({reason[:160]}); fetch or export the bundle again"


def only_asked_for() -> onnxruntime.RunOptions:
    """Options of a run that leaves out what its outputs do not need, as maps nobody asked for."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.only_execute_path_to_fetches = True
    return options


def best_batch(session: onnxruntime.InferenceSession) -> int:
    """Most crops to give one run of a session, by what it really runs on."""
    return BEST_BATCH[session.get_providers()[0]]


def providers() -> list[str]:
    """What graphs run on, best first.

    A GPU where the installed ONNX Runtime knows one (``pip install onnxruntime-gpu`` in place of
    ``onnxruntime``), unless the environment says ``MIEN_DEVICE=cpu``.
    """
    import onnxruntime

    wanted = os.environ.get("MIEN_DEVICE", "").lower() != "cpu"
    return [GPU, CPU] if wanted and GPU in onnxruntime.get_available_providers() else [CPU]
