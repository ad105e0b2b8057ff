"""Compiled loops on the threads that torch's own layers run on.

Other threads would find the cores taken: torch's wait for their next layer awake. So a loop is
handed to torch's OpenMP library, where that is GNU's, as its layers are.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from llvmlite import ir  # type: ignore[import-untyped]
from numba import carray, cfunc, types  # type: ignore[attr-defined]
from numba.extending import intrinsic
from numpy.typing import NDArray

Array = NDArray[Any]
# What OpenMP calls on each thread: its share of the rows, and each array behind its address.
TEXT = """
def work(numbers):
    rows, parts = numbers[0], numbers[1]
    for part in range(thread(), parts, threads()):
        loop({arrays}, rows * part // parts, rows * (part + 1) // parts)
"""
AXES = 4
ARRAY = "carray(pointer(numbers[{}]), ({},), {})"


@lru_cache
def library() -> ctypes.CDLL | None:
    """Torch's OpenMP library, or None where it has not brought GNU's."""
    home = Path(torch.__file__).parent
    found = sorted([*home.glob("lib/libgomp*.so*"), *home.glob("../torch.libs/libgomp*.so*")])
    if len(found) != 1:
        return None
    lib = ctypes.CDLL(str(found[0]))
    for name in ("omp_get_thread_num", "omp_get_num_threads"):
        getattr(lib, name).argtypes, getattr(lib, name).restype = [], ctypes.c_int
    lib.GOMP_parallel.argtypes = [
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint
    ]  # fmt: skip
    lib.GOMP_parallel.restype = None
    return lib


def share(loop: Any, *arrays: Array) -> None:
    """Call a compiled ``loop(*arrays, first, last)`` for equal runs of rows, one a thread.

    Rows are the first axis of the first array. Each run gets the arrays whole, but of one with
    three axes, (parts, 1, width), a (width,) of its own, and of one with a single value that value.

    Raises:
        RuntimeError: torch's OpenMP library is not GNU's.
    """
    lib = library()
    if lib is None:
        raise RuntimeError("torch has not brought GNU's OpenMP; use the stock layer")
    parts = torch.get_num_threads()
    work = _compiled(loop, tuple((a.ndim, a.size == 1, a.dtype.name) for a in arrays))
    numbers = [len(arrays[0]), parts]
    for array in arrays:
        numbers += [array.ctypes.data, *array.shape, *[1] * (AXES - array.ndim)]
    lib.GOMP_parallel(work.address, (ctypes.c_int64 * len(numbers))(*numbers), parts, 0)


@intrinsic
def _pointer(typing: Any, address: Any) -> Any:
    """The pointer of an address."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.int64), code


@lru_cache
def _compiled(loop: Any, kinds: tuple[tuple[int, bool, str], ...]) -> Any:
    """``loop`` for arrays of such axes, single values or not, and dtypes, for OpenMP to call."""
    lib = library()
    assert lib is not None
    views = []
    for number, (axes, single, dtype) in enumerate(kinds):
        at = 2 + number * (1 + AXES)
        shape = ", ".join(f"numbers[{at + axis}]" for axis in range(1, 1 + axes))
        own = "[0]" if single and axes == 1 else "[part, 0]" if axes == 3 else ""
        views.append(ARRAY.format(at, shape, dtype) + own)
    names: dict[str, Any] = {
        "carray": carray, "loop": loop, "pointer": _pointer, "thread": lib.omp_get_thread_num,
        "threads": lib.omp_get_num_threads,
        **{name: getattr(np, name) for name in ("uint16", "int64", "float32", "float64")},
    }  # fmt: skip
    exec(TEXT.format(arrays=", ".join(views)), names)
    numbers = types.CPointer(types.int64)  # type: ignore[no-untyped-call]
    return cfunc(types.void(numbers))(names["work"])
