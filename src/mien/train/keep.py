"""What an epoch leaves on the disk, and how a run goes on from it."""

from __future__ import annotations

from pathlib import Path

import torch
from timm.utils import ModelEmaV3
from torch.optim import Optimizer

from mien.train import checkpoint, run, weights
from mien.train.network import Network
from mien.train.pace import History, kept_row
from mien.train.recipe import Recipe

BEST = "best.safetensors"
"""Weights of the best epoch by the held-out score; only early stopping writes them."""


def keep(
    folder: Path, recipe: Recipe, network: Network, optimizer: Optimizer,
    ema: ModelEmaV3 | None, history: History,
) -> None:  # fmt: skip
    """Write the checkpoint of the epoch that has just ended, then its row of the table."""
    if recipe.stopping.patience and kept_row(recipe, history) is history[-1]:
        best = network if ema is None else ema.module
        weights.write(best, folder / BEST, facts={"epoch": history[-1]["epoch"]})
    state = {
        "epoch": history[-1]["epoch"], "history": history, "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "ema": None if ema is None else ema.module.state_dict(),
    }  # fmt: skip
    checkpoint.save(state, folder / run.CHECKPOINT)
    run.write_history(folder, history)


def resume(
    path: Path, network: Network, optimizer: Optimizer, ema: ModelEmaV3 | None
) -> tuple[int, History]:
    """Load what ``keep`` wrote; returns the next epoch and the history so far.

    Raises:
        ValueError: the checkpoint is damaged.
    """
    if not path.exists():
        return 0, []
    state = checkpoint.load(path)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    if ema is not None:
        ema.module.load_state_dict(state["ema"])
    return int(state["epoch"]), list(state["history"])


def check_finite(network: Network, epoch: int) -> None:
    """Make sure that every weight is still a number.

    Raises:
        FloatingPointError: one is not.
    """
    for name, value in network.state_dict().items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise FloatingPointError(
                f"{name} is no longer a number after epoch {epoch + 1}; the last checkpoint is "
                "intact. Lower optimizer.lr or set optimizer.clip=1"
            )
