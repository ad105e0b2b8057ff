"""Training, read on one screen: one epoch, and scoring."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn
from torch.optim import Optimizer

from mien.train.batch import BatchMaker
from mien.train.losses import masked_cross_entropy
from mien.train.network import Network, upsample
from mien.train.samples import generator


def train_epoch(
    network: nn.Module,
    order: Iterable[Tensor],
    *,
    make: BatchMaker,
    accelerator: Accelerator,
    optimizer: Optimizer,
    set_step: Callable[[int], None],
    after_step: Callable[[int], None],
    weights: tuple[float, float],
    clip: float,
    size: int,
    seed: int,
    epoch: int,
    bf16: bool,
    on_batch: Callable[[int], None],
) -> dict[str, float]:
    """One epoch over global batches of row numbers; returns the mean losses.

    Raises:
        FloatingPointError: the loss is no longer a number.
    """
    network.train()
    world, rank = accelerator.num_processes, accelerator.process_index
    total, number = torch.zeros(3), -1
    for number, rows in enumerate(order):
        set_step(number)
        random = generator(seed, epoch, number)
        torch.manual_seed(random.initial_seed() + rank)  # dropout inside the network
        part = len(rows) // world
        shard = slice(rank * part, (rank + 1) * part)
        batch = make.make(rows, random, size=size, shard=shard).to(accelerator.device)
        with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=bf16):
            label, ballot = network(batch.grey)
        label_loss = masked_cross_entropy(
            label, batch.label, batch.labelled, batch.label_norm.clamp(min=1e-6) / world
        )
        ballot_loss = masked_cross_entropy(
            ballot, batch.ballot, batch.voted, batch.ballot_norm.clamp(min=1e-6) / world
        )
        loss = weights[0] * label_loss + weights[1] * ballot_loss
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss.item()} in epoch {epoch + 1}, batch {number + 1}; the last "
                "checkpoint is intact. Lower optimizer.lr or set optimizer.clip=1"
            )
        optimizer.zero_grad(set_to_none=True)
        accelerator.backward(loss)
        if clip:
            accelerator.clip_grad_norm_(network.parameters(), clip)
        optimizer.step()
        after_step(number)
        total += torch.stack([loss, label_loss, ballot_loss]).detach().cpu()
        on_batch(len(rows))
    mean = (total / max(number + 1, 1)).tolist()
    return dict(zip(("loss", "label_loss", "ballot_loss"), mean, strict=True))


@torch.no_grad()
def predict(
    network: Network, images: Tensor, *, size: int, crop: int = 48, flip: bool = True,
    batch_size: int = 256,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Probabilities of ``label`` (N, 7) and ``ballot`` (N, 10), averaged over mirror views."""
    network.eval()
    device = next(network.parameters()).device
    outputs: tuple[list[Tensor], list[Tensor]] = ([torch.zeros(0, 7)], [torch.zeros(0, 10)])
    for start in range(0, len(images), batch_size):
        grey = upsample(images[start : start + batch_size].to(device), size=size, crop=crop)
        views = [grey, grey.flip(-1)] if flip else [grey]
        for k, head in enumerate(zip(*(network(view) for view in views), strict=True)):
            outputs[k].append(torch.stack([x.softmax(1) for x in head]).mean(0).cpu())
    return torch.cat(outputs[0]), torch.cat(outputs[1])


def predict_sharded(
    network: Network, images: Tensor, *, accelerator: Accelerator, size: int, crop: int
) -> tuple[Tensor, Tensor]:
    """As ``predict``, each process scoring its own rows; all of them get the whole.

    Scores are gathered with their row numbers, so no shard is padded and no row counts twice.
    """
    rows = torch.arange(len(images))[accelerator.process_index :: accelerator.num_processes]
    label, ballot = predict(network, images[rows], size=size, crop=crop)
    gathered = gather_object([(rows, label, ballot)])
    order = torch.cat([part[0] for part in gathered]).argsort()
    return (
        torch.cat([part[1] for part in gathered])[order],
        torch.cat([part[2] for part in gathered])[order],
    )
