"""Returns memory that ONNX Runtime and the C library keep after use."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnxruntime

_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h
_SIDE = 64  # of the picture that a run is given whose only purpose is its end
_TYPES = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}


def shrink(session: onnxruntime.InferenceSession) -> None:
    """Empty a session's pool, which else keeps what its largest picture took.

    ONNX Runtime does so at the end of a run only; it is asked for by a run of zeros. Graphs whose
    inputs are neither bytes nor floats, and sessions on other devices, are left as they are.
    """
    import onnxruntime

    if session.get_providers()[0] != "CPUExecutionProvider":
        return
    inputs = {}
    for given in session.get_inputs():
        if given.type not in _TYPES:
            return
        free = [1] + [_SIDE] * (len(given.shape) - 1)
        shape = [
            side if isinstance(side, int) else unset
            for side, unset in zip(given.shape, free, strict=True)
        ]
        inputs[given.name] = np.zeros(shape, _TYPES[given.type])
    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    session.run(None, inputs, options)


@cache
def _libc(name: str) -> Callable[..., int] | None:
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError, TypeError):  # not glibc
        return None
    return found


def few_arenas() -> None:
    """Let glibc's threads share two heaps: each thread's own keeps holes that others cannot use."""
    if (mallopt := _libc("mallopt")) is not None:
        mallopt(_ARENA_MAX, 2)


def trim(*sessions: Any) -> None:
    """Give free memory back; of the C library's only where that is glibc."""
    for session in sessions:
        shrink(session)
    gc.collect()  # a connection that was cut off is a cycle, with its unsent bytes
    if (malloc_trim := _libc("malloc_trim")) is not None:
        malloc_trim(0)
