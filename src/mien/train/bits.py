"""Values of float32 or bf16 in compiled loops, which know bf16 by its sixteen bits alone."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from numba import njit, types
from numba.extending import overload
from numpy.typing import NDArray
from torch import Tensor

compiled: Any = partial(njit, nogil=True, fastmath={"contract"})


def as_numpy(x: Tensor) -> NDArray[Any]:
    """A tensor's memory; bf16 comes as its bits, which numpy has no name for."""
    return (x.view(torch.uint16) if x.dtype == torch.bfloat16 else x).numpy()


def widen(value: Any) -> Any:
    """A float32 from itself, or from bf16's sixteen bits; in compiled code alone."""


def narrow(value: Any, like: Any) -> Any:
    """A float32 as ``like`` is: itself, or bf16's sixteen bits, to nearest and then to even."""


@overload(widen, strict=False)
def _widen(value: Any) -> Any:
    if value == types.float32:
        return lambda value: value
    return lambda value: np.uint32(np.uint32(value) << 16).view(np.float32)


@overload(narrow, strict=False)
def _narrow(value: Any, like: Any) -> Any:
    if like == types.float32:
        return lambda value, like: value

    def bits(value, like):  # type: ignore[no-untyped-def]
        word = np.float32(value).view(np.uint32)
        return np.uint16(np.uint32(word + np.uint32(0x7FFF) + (word >> 16 & 1)) >> 16)

    return bits
