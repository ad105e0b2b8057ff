"""Which arithmetic a network is trained in, where the recipe leaves it open."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn


def choose(asked: str, network: nn.Module) -> str:
    """``float32`` or ``bf16`` for ``asked``, which may be ``auto``.

    auto takes bf16 on a GPU that has it, and on a CPU that multiplies it (AMX, AVX-512) where the
    network is dense: there it doubles dense convolutions' speed and slows depthwise ones; on a CPU
    that does not it slows both.
    """
    if asked != "auto":
        return asked
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "float32"
    return "bf16" if multiplies_bf16() and is_dense(network) else "float32"


def multiplies_bf16() -> bool:
    """Whether the CPU multiplies bf16, by tiles or by vectors (Linux tells; elsewhere no)."""
    info = Path("/proc/cpuinfo")
    return info.exists() and any(name in info.read_text() for name in ("amx_bf16", "avx512_bf16"))


def is_dense(network: nn.Module) -> bool:
    """Whether no convolution is depthwise."""
    convs = (m for m in network.modules() if isinstance(m, nn.Conv2d))
    return all(conv.groups == 1 or conv.groups < conv.in_channels for conv in convs)
