"""Optimiser and learning-rate schedule from plain numbers."""

from __future__ import annotations

import math

from timm.optim import create_optimizer_v2, list_optimizers
from torch import nn
from torch.optim import Optimizer


def build_optimizer(
    network: nn.Module,
    *,
    name: str,
    lr: float,
    head_lr: float | None,
    weight_decay: float,
    momentum: float,
) -> Optimizer:
    """Any optimiser of timm; the heads may learn at a rate of their own.

    Norms and biases are not decayed. Each group keeps its highest rate under ``peak_lr``.

    Raises:
        ValueError: timm has no such optimiser; the message lists what it has.
    """
    if name not in list_optimizers():
        raise ValueError(f"no optimiser {name!r}; choose from {', '.join(list_optimizers())}")
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for key, parameter in network.named_parameters():
        if parameter.requires_grad:
            head = not key.startswith("trunk.")
            groups.setdefault((head, parameter.ndim > 1), []).append(parameter)
    settings = [
        {
            "params": parameters,
            "lr": head_lr if head and head_lr else lr,
            "weight_decay": weight_decay if decays else 0.0,
        }
        for (head, decays), parameters in groups.items()
    ]
    optimizer: Optimizer = create_optimizer_v2(
        settings, opt=name, lr=lr, weight_decay=weight_decay, momentum=momentum
    )
    for group in optimizer.param_groups:
        group["peak_lr"] = group["lr"]
    return optimizer


def lr_factor(step: int, steps: int, *, name: str, warmup: float, floor: float) -> float:
    """Learning rate at ``step`` of ``steps`` as a share of the highest."""
    warm = int(warmup * steps)
    if step < warm:
        return (step + 1) / (warm + 1)
    if name == "constant":
        return 1.0
    done = (step - warm) / max(steps - warm, 1)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))


def set_lr(optimizer: Optimizer, factor: float) -> None:
    """Put every group at ``factor`` of its highest rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * factor
