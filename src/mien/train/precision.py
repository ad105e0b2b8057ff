"""Which arithmetic a run takes, where the recipe leaves it open."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch

KEYS = ("vendor_id", "flags")
INTEL = "GenuineIntel"


def choose(asked: str) -> str:
    """``float32`` or ``bf16`` for ``asked``, which may be ``auto``.

    auto takes bf16 on a GPU that has it, and on a CPU where it was measured to pay: with AMX, or
    with the bf16 of AVX-512 unless Intel made it, whose cores multiply bf16 at half of float32's
    speed without AMX. A CPU without any bf16 is slower still.
    """
    if asked != "auto":
        return asked
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "float32"
    features = cpu_features()
    known = "amx_bf16" in features or "avx512_bf16" in features
    return "bf16" if known and not slow_in_bf16() else "float32"


def slow_in_bf16() -> bool:
    """Whether Intel made this CPU without AMX: its dense layers are quickest in float32."""
    features = cpu_features()
    return INTEL in features and "amx_bf16" not in features


@lru_cache
def cpu_features() -> frozenset[str]:
    """The maker and the flags of the CPU in Linux's words; none on other systems."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    words = {key: next((line for line in lines if line.startswith(key)), "") for key in KEYS}
    return frozenset(word for line in words.values() for word in line.partition(":")[2].split())
