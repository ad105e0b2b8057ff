"""A trunk's plain 3x3 convolutions, and the kind that a CPU trains faster."""

from __future__ import annotations

from torch import nn

from mien.train import unfolded, winograd


def speed_up(trunk: nn.Module) -> None:
    """Turn them into the kind that pays on this processor, in place; into none if none does."""
    if winograd.pays():
        turn(trunk, winograd.Winograd)
    elif unfolded.pays():
        turn(trunk, unfolded.Unfolded)


def turn(trunk: nn.Module, kind: type[nn.Conv2d]) -> None:
    """Turn the stock dense 3x3 convolutions of stride 1 into ``kind``, in place."""
    for module in trunk.modules():
        if (
            type(module) is nn.Conv2d
            and module.kernel_size == (3, 3)
            and module.stride == module.dilation == module.padding == (1, 1)
            and module.groups == 1
            and module.padding_mode == "zeros"
        ):
            module.__class__ = kind
