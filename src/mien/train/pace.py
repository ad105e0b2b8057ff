"""The pace of a run by its recipe: each batch's learning rate, and when it is enough."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer

from mien.train import optim, schedule
from mien.train.recipe import Recipe

SCORE = "held_label"
"""The held-out score that plateau, early stopping and tuning go by."""
History = list[dict[str, Any]]


def set_step(
    recipe: Recipe, optimizer: Optimizer, history: History,
    per_epoch: int, epoch: int, number: int,
) -> None:  # fmt: skip
    """Set the rates of one batch; the schedule starts where the trunk is unfrozen."""
    plan, frozen = recipe.schedule, recipe.transfer.frozen_epochs
    shape: dict[str, Any] = {"name": plan.name, "warmup": plan.warmup, "floor": plan.floor}
    if epoch < frozen:
        steps = frozen * per_epoch
        factor = schedule.lr_factor(
            epoch * per_epoch + number, steps, **shape | {"name": "constant"}
        )
    else:
        step, steps = (epoch - frozen) * per_epoch + number, (recipe.epochs - frozen) * per_epoch
        factor = schedule.lr_factor(step, steps, **shape)
        if plan.name == "plateau":
            scores = [row[SCORE] for row in history[frozen:]]
            factor *= schedule.plateau_factor(scores, patience=plan.patience, factor=plan.factor)
    optim.set_lr(optimizer, factor)


def enough(recipe: Recipe, history: History) -> bool:
    """Whether early stopping ends the run here; epochs with a frozen trunk do not count."""
    patience = recipe.stopping.patience
    if not patience:
        return False
    rows = history[recipe.transfer.frozen_epochs :]
    return schedule.stale_epochs([row[SCORE] for row in rows]) >= patience


def kept_row(recipe: Recipe, history: History) -> dict[str, Any]:
    """The epoch whose weights are kept: the last, or under early stopping the first of the best."""
    rows = history[recipe.transfer.frozen_epochs :] if recipe.stopping.patience else []
    return max(rows, key=lambda row: row[SCORE]) if rows else history[-1]
