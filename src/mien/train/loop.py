"""Training, read on one screen: the state of a run and one epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from accelerate import Accelerator
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.optim import Optimizer

from mien.cores import cpu_features
from mien.train import optim
from mien.train.batch import BatchMaker
from mien.train.network import Network
from mien.train.recipe import Recipe
from mien.train.samples import batches, generator


@dataclass
class State:
    """State of a run: network, averaged weights, optimiser, position.

    ``model`` is what is called in training: the network, perhaps compiled and synchronised.
    ``ema`` holds the averaged weights; ``history`` has a row for each epoch that has ended;
    ``row_weight`` (N,) are the chances of rows to be drawn, None where each is visited once.
    """

    recipe: Recipe
    network: Network
    optimizer: Optimizer
    ema: ModelEmaV3 | None
    make: BatchMaker
    accelerator: Accelerator
    bf16: bool = False
    row_weight: Tensor | None = None
    model: nn.Module | None = None
    history: optim.History = field(default_factory=list)

    @property
    def epoch(self) -> int:
        """The epoch that is next, from 0."""
        return len(self.history)

    @property
    def per_epoch(self) -> int:
        """Full batches in an epoch."""
        return len(self.make.samples) // self.recipe.batch_size

    @property
    def kept(self) -> Network:
        """The network whose weights are scored and kept."""
        averaged: Network = self.network if self.ema is None else self.ema.module
        return averaged


def train_epoch(state: State, *, on_batch: Callable[[int], None]) -> dict[str, float]:
    """Train the next epoch; returns the mean losses. ``on_batch`` gets each batch's size.

    Raises:
        FloatingPointError: the loss is no longer a number.
    """
    recipe, accelerator, epoch = state.recipe, state.accelerator, state.epoch
    network = state.model or state.network
    network.train()
    world, rank = accelerator.num_processes, accelerator.process_index
    total = torch.zeros(3, device=accelerator.device)
    order = batches(
        len(state.make.samples), recipe.batch_size, seed=recipe.seed, epoch=epoch,
        weight=state.row_weight,
    )  # fmt: skip
    for number, rows in enumerate(order):
        optim.set_step(recipe, state.optimizer, state.history, state.per_epoch, number)
        random = generator(recipe.seed, epoch, number)
        torch.manual_seed(random.initial_seed() + rank)  # dropout inside the network
        part = len(rows) // world
        shard = slice(rank * part, (rank + 1) * part)
        batch = state.make.make(rows, random, size=recipe.size_at(epoch), shard=shard)
        with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=state.bf16):
            label, ballot = network(batch.grey)
        label_loss = masked_cross_entropy(
            label, batch.label, batch.labelled, batch.label_norm.clamp(min=1e-6) / world
        )
        ballot_loss = masked_cross_entropy(
            ballot, batch.ballot, batch.voted, batch.ballot_norm.clamp(min=1e-6) / world
        )
        loss = recipe.targets.label * label_loss + recipe.targets.ballot * ballot_loss
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss.item()} in epoch {epoch + 1}, batch {number + 1}; the last "
                "checkpoint is intact. Lower optimizer.lr or set optimizer.clip=1"
            )
        state.optimizer.zero_grad(set_to_none=True)
        accelerator.backward(loss)
        if recipe.optimizer.clip:
            accelerator.clip_grad_norm_(network.parameters(), recipe.optimizer.clip)
        state.optimizer.step()
        average(state, epoch * state.per_epoch + number)
        total += torch.stack([loss, label_loss, ballot_loss]).detach()
        on_batch(len(rows))
    mean = (total / max(state.per_epoch, 1)).tolist()
    return dict(zip(("loss", "label_loss", "ballot_loss"), mean, strict=True))


def average(state: State, step: int) -> None:
    """Update the EMA, with a decay that warms up.

    Otherwise the random start would still be half of the average after ln 2 / (1 - decay) steps,
    which a small data set takes many epochs to reach. Source: TensorFlow's
    ``ExponentialMovingAverage(num_updates=…)``.
    """
    if state.ema is not None:
        state.ema.decay = min(state.recipe.ema, (1 + step) / (10 + step))
        state.ema.update(state.network)


def masked_cross_entropy(logits: Tensor, target: Tensor, mask: Tensor, norm: Tensor) -> Tensor:
    """Cross-entropy to soft targets, summed over the masked-in rows and divided by ``norm``.

    Args:
        logits: (N, K).
        target: (N, K) rows that sum to 1.
        mask: (N,) 1 where the row counts.
        norm: scalar; in a process group each process's share of the global count, so that
            averaged gradients equal those of one process.
    """
    rows = -(target * logits.float().log_softmax(dim=1)).sum(dim=1)
    return (rows * mask).sum() / norm


def choose_precision(asked: str) -> str:
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
    quick = "amx_bf16" in features or ("avx512_bf16" in features and "GenuineIntel" not in features)
    return "bf16" if quick else "float32"
