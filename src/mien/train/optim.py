"""The optimiser, its parameter groups, and how their learning rates move."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from timm.models import group_parameters
from timm.optim import create_optimizer_v2, list_optimizers
from torch import nn
from torch.optim import Optimizer

from mien.train.recipe import Recipe

SCORE = "held_label"
"""The held-out score that plateau, early stopping and tuning go by."""
VALID = "valid_accuracy"
"""The validation split's score. It is shown, and decides nothing."""
History = list[dict[str, Any]]
ONE_CYCLE_START = 1 / 25
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
            f"optimizer.name={name}: not available here ({error}); choose another, such as adamw"
        ) from error
    for group in optimizer.param_groups:
        group["peak_lr"] = group["lr"]
    return optimizer


def layer_depths(trunk: nn.Module) -> dict[str, int]:
    """Number of layers above each parameter's, by timm's grouping of the trunk.

    Raises:
        ValueError: the trunk has none.
    """
    matcher: Any = getattr(trunk, "group_matcher", None)
    if matcher is None:
        raise ValueError(
            f"transfer.layer_decay: {type(trunk).__name__} does not name its layers; set it to 1"
        )
    layer: dict[str, int] = group_parameters(trunk, matcher(coarse=False), reverse=True)
    top = max(layer.values())
    return {key: top - number for key, number in layer.items()}


def set_lr(optimizer: Optimizer, factor: float) -> None:
    """Put every group at ``factor`` of its highest rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * factor


def lr_factor(step: int, steps: int, *, name: str, warmup: float, floor: float) -> float:
    """Learning rate at ``step`` of ``steps`` as a share of the highest.

    one-cycle rises along a cosine from 1/25 over the warm-up and falls along another (Smith 2018);
    cosine rises in a line; plateau and constant stay at the top once warm.
    """
    warm = int(warmup * steps)
    if name == "one-cycle":
        top = warmup * steps - 1
        if step < top:
            return ONE_CYCLE_START + (1 - ONE_CYCLE_START) * _half_cosine(1 - step / top)
        return floor + (1 - floor) * _half_cosine((step - top) / max(steps - 1 - top, 1))
    if step < warm:
        return (step + 1) / (warm + 1)
    if name in ("constant", "plateau"):
        return 1.0
    return floor + (1 - floor) * _half_cosine((step - warm) / max(steps - warm, 1))


def _half_cosine(done: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * done))


def stale_epochs(scores: Sequence[float]) -> int:
    """Epochs since the best score."""
    return len(scores) - 1 - max(range(len(scores)), key=scores.__getitem__) if scores else 0


def plateau_factor(scores: Sequence[float], *, patience: int, factor: float) -> float:
    """Factor of the learning rate that reduce-on-plateau has reached after these scores.

    It falls by ``factor`` whenever ``patience`` epochs in a row have not beaten the best so far. A
    function of the history alone, so a resumed run goes on exactly where it was.
    """
    rate, best, waited = 1.0, -math.inf, 0
    for score in scores:
        if score > best:
            best, waited = score, 0
            continue
        waited += 1
        if waited >= patience:
            rate, waited = rate * factor, 0
    return rate


def set_step(
    recipe: Recipe, optimizer: Optimizer, history: History, per_epoch: int, number: int
) -> None:
    """Set the learning rates for one batch of the next epoch.

    The schedule starts where the trunk is unfrozen.
    """
    plan, frozen, epoch = recipe.schedule, recipe.frozen_epochs, len(history)
    shape: dict[str, Any] = {"name": plan.name, "warmup": plan.warmup, "floor": plan.floor}
    if epoch < frozen:
        steps = frozen * per_epoch
        factor = lr_factor(epoch * per_epoch + number, steps, **shape | {"name": "constant"})
    else:
        step, steps = (epoch - frozen) * per_epoch + number, (recipe.epochs - frozen) * per_epoch
        factor = lr_factor(step, steps, **shape)
        if plan.name == "plateau":
            scores = [row[SCORE] for row in history[frozen:]]
            factor *= plateau_factor(scores, patience=plan.patience, factor=plan.factor)
    set_lr(optimizer, factor)


def enough(recipe: Recipe, history: History) -> bool:
    """Whether early stopping applies now; epochs with a frozen trunk do not count."""
    patience = recipe.stopping.patience
    if not patience:
        return False
    rows = history[recipe.frozen_epochs :]
    return stale_epochs([row[SCORE] for row in rows]) >= patience


def best_row(history: History) -> dict[str, Any]:
    """The first epoch of the best validation accuracy, else of the best held-out score.

    The last one where neither is known.
    """
    for key in (VALID, SCORE):
        rows = [row for row in history if key in row]
        if rows:
            return max(rows, key=lambda row: row[key])
    return history[-1]


def kept_row(recipe: Recipe, history: History) -> dict[str, Any]:
    """The epoch whose weights are kept: the last, or under early stopping the first of the best."""
    rows = history[recipe.frozen_epochs :] if recipe.stopping.patience else []
    return max(rows, key=lambda row: row[SCORE]) if rows else history[-1]
