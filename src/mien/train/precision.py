"""Which arithmetic a run takes, where the recipe leaves it open."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch


def choose(asked: str) -> str:
    """``float32`` or ``bf16`` for ``asked``, which may be ``auto``.

    auto takes bf16 on a GPU that has it, and on a CPU where it was measured to pay: with AMX, or
    with the bf16 of AVX-512. A CPU without either is slower in bf16.
    """
    if asked != "auto":
        return asked
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "float32"
    return "bf16" if {"amx_bf16", "avx512_bf16"} & cpu_features() else "float32"


@lru_cache
def cpu_features() -> frozenset[str]:
    """The flags of the CPU in Linux's words; none on other systems."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.split())
