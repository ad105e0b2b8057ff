"""Which arithmetic a network is trained in, where the recipe leaves it open."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn


def choose(asked: str, network: nn.Module) -> str:
    """``float32`` or ``bf16`` for ``asked``, which may be ``auto``.

    auto takes bf16 on a GPU that has it, and on a CPU with AMX where the network is dense: there
    it doubles dense convolutions' speed and slows depthwise ones; without AMX it slows both.
    """
    if asked != "auto":
        return asked
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "float32"
    return "bf16" if has_amx() and is_dense(network) else "float32"


def has_amx() -> bool:
    """Whether the CPU multiplies bf16 tiles (Linux tells; elsewhere no)."""
    info = Path("/proc/cpuinfo")
    return info.exists() and "amx_bf16" in info.read_text()


def is_dense(network: nn.Module) -> bool:
    """Whether no convolution is depthwise."""
    convs = (m for m in network.modules() if isinstance(m, nn.Conv2d))
    return all(conv.groups == 1 or conv.groups < conv.in_channels for conv in convs)
