"""Optimiser and its parameter groups from plain numbers."""

from __future__ import annotations

from typing import Any

from timm.models import group_parameters
from timm.optim import create_optimizer_v2, list_optimizers
from torch import nn
from torch.optim import Optimizer

FUSED = ("sgd", "adam", "adamw", "adagrad")
"""Optimisers of torch that have one kernel for a whole step."""
SECOND_ORDER = ("adahessian",)
"""Optimisers that ask for gradients of gradients, which the loop does not make."""


def build_optimizer(
    network: nn.Module,
    *,
    name: str,
    lr: float,
    head_lr: float | None,
    weight_decay: float,
    momentum: float,
    layer_decay: float = 1.0,
    fused: bool = False,
) -> Optimizer:
    """Any optimiser of timm; the heads may learn at a rate of their own.

    Norms and biases are not decayed. With ``layer_decay`` below 1 each layer of the trunk learns at
    that share of the rate of the layer above it; the topmost learns at ``lr``. Each group keeps its
    highest rate under ``peak_lr``.

    Raises:
        ValueError: timm has no such optimiser (the message lists what it has) or cannot build it
            here, or the trunk is not parted into layers.
    """
    known = [known for known in list_optimizers() if known not in SECOND_ORDER]
    if name not in known:
        raise ValueError(f"no optimiser {name!r}; choose from {', '.join(known)}")
    depth = layer_depths(network.trunk) if layer_decay < 1 else {}  # type: ignore[arg-type]
    groups: dict[tuple[bool, bool, int], list[nn.Parameter]] = {}
    for key, parameter in network.named_parameters():
        if parameter.requires_grad:
            head = not key.startswith("trunk.")
            below = depth.get(key.removeprefix("trunk."), 0)
            groups.setdefault((head, parameter.ndim > 1, below), []).append(parameter)
    settings = [
        {
            "params": parameters,
            "lr": head_lr if head and head_lr else lr * layer_decay**below,
            "weight_decay": weight_decay if decays else 0.0,
        }
        for (head, decays, below), parameters in groups.items()
    ]
    try:
        optimizer: Optimizer = create_optimizer_v2(
            settings, opt=name, lr=lr, weight_decay=weight_decay, momentum=momentum,
            **({"fused": True} if fused and name in FUSED else {}),
        )  # fmt: skip
    except (AssertionError, ImportError, RuntimeError, TypeError) as error:  # bnb*, fused*: a GPU
        raise ValueError(
            f"optimizer.name={name}: not to be had here ({error}); choose another, as adamw"
        ) from error
    for group in optimizer.param_groups:
        group["peak_lr"] = group["lr"]
    return optimizer


def layer_depths(trunk: nn.Module) -> dict[str, int]:
    """How many layers stand above each parameter's, by timm's own grouping of the trunk.

    Raises:
        ValueError: the trunk has none.
    """
    matcher: Any = getattr(trunk, "group_matcher", None)
    if matcher is None:
        raise ValueError(
            f"transfer.layer_decay: {type(trunk).__name__} is not parted into layers; set it to 1"
        )
    layer: dict[str, int] = group_parameters(trunk, matcher(coarse=False), reverse=True)
    top = max(layer.values())
    return {key: top - number for key, number in layer.items()}


def set_lr(optimizer: Optimizer, factor: float) -> None:
    """Put every group at ``factor`` of its highest rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * factor
