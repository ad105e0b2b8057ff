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
    sizes = carray(numbers, 3)
    rows, width, parts = sizes[0], sizes[1], sizes[2]
    for part in range(thread(), parts, threads()):
        loop({arrays}, rows * part // parts, rows * (part + 1) // parts)
"""
VIEWS = {
    "map": "carray(pointer(numbers[{}]), (rows, width), {})",
    "sums": "carray(pointer(numbers[{}]), (parts, width), {})[part]",
    "line": "carray(pointer(numbers[{}]), (width,), {})",
    "number": "carray(pointer(numbers[{}]), (1,), {})[0]",
}


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

    The first array has the rows, (rows, width), and so have others of two axes; of three axes,
    (parts, 1, width), each run gets a (width,) of its own; of one axis all get (width,), or the
    number where that is the only one.

    Raises:
        RuntimeError: torch's OpenMP library is not GNU's.
    """
    lib = library()
    if lib is None:
        raise RuntimeError("torch has not brought GNU's OpenMP; use the stock layer")
    rows, width = arrays[0].shape
    parts = torch.get_num_threads()
    kinds = tuple((_kind(array), array.dtype.name) for array in arrays)
    work = _compiled(loop, kinds)
    addresses = [array.ctypes.data for array in arrays]
    numbers = (ctypes.c_int64 * (3 + len(arrays)))(rows, width, parts, *addresses)
    lib.GOMP_parallel(work.address, numbers, parts, 0)


def _kind(array: Array) -> str:
    if array.ndim == 3:
        return "sums"
    if array.ndim == 2:
        return "map"
    return "line" if len(array) > 1 else "number"


@intrinsic
def _pointer(typing: Any, address: Any) -> Any:
    """The pointer of an address."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.int64), code


@lru_cache
def _compiled(loop: Any, kinds: tuple[tuple[str, str], ...]) -> Any:
    """``loop`` for arrays of such kinds and dtypes, as a function that OpenMP can call."""
    lib = library()
    assert lib is not None
    views = [VIEWS[kind].format(3 + at, dtype) for at, (kind, dtype) in enumerate(kinds)]
    names: dict[str, Any] = {
        "carray": carray, "loop": loop, "pointer": _pointer, "thread": lib.omp_get_thread_num,
        "threads": lib.omp_get_num_threads, "uint16": np.uint16, "float32": np.float32,
        "float64": np.float64,
    }  # fmt: skip
    exec(TEXT.format(arrays=", ".join(views)), names)
    numbers = types.CPointer(types.int64)  # type: ignore[no-untyped-call]
    return cfunc(types.void(numbers))(names["work"])
