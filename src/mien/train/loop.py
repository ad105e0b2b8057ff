"""Training, read on one screen: one epoch, and scoring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.optim import Optimizer

from mien.emotions import EMOTIONS, NOT_A_FACE
from mien.train import augment, nonfaces
from mien.train.losses import label_targets, masked_cross_entropy
from mien.train.network import Network, upsample
from mien.train.samples import Samples, batches, generator


@dataclass(frozen=True)
class Batch:
    """A global batch, ready for the network: inputs, targets, and which rows have which target."""

    grey: Tensor
    label: Tensor
    ballot: Tensor
    labelled: Tensor
    voted: Tensor


def make_batch(
    samples: Samples,
    rows: Tensor,
    *,
    draw: Callable[[int, torch.Generator], augment.Draws],
    random: torch.Generator,
    bank: Tensor,
    nonface_count: int,
    smoothing: float,
    size: int,
    crop: int,
    shard: slice,
) -> tuple[Batch, Tensor, Tensor]:
    """This process's shard of a global batch, with the global counts of labels and of ballots.

    Everything is drawn for the global batch and then sliced, so that the number of processes does
    not change what is learnt from. The first ``nonface_count`` rows become made non-faces.
    """
    images, ballot = samples.images[rows], samples.ballot[rows].clone()
    labelled, voted = torch.ones(len(rows)), samples.voted[rows].clone()
    if nonface_count:
        made = nonface_count // 2
        spoilt = nonfaces.spoil(images[made:nonface_count], generator=random)
        picked = torch.randint(0, len(bank), (made,), generator=random)
        images = torch.cat([bank[picked], spoilt, images[nonface_count:]])
        ballot[:nonface_count] = 0
        ballot[:nonface_count, NOT_A_FACE] = 1
        labelled[:nonface_count], voted[:nonface_count] = 0, 1
    draws = draw(len(rows), random)
    label = label_targets(samples.label[rows], classes=len(EMOTIONS), smoothing=smoothing)
    batch = Batch(
        grey=augment.apply(images[shard], draws.slice(shard), size=size, crop=crop),
        label=label[shard],
        ballot=ballot[shard],
        labelled=labelled[shard],
        voted=voted[shard],
    )
    return batch, labelled.sum(), voted.sum()


def train_epoch(
    network: nn.Module,
    samples: Samples,
    *,
    accelerator: Accelerator,
    optimizer: Optimizer,
    set_step: Callable[[int], None],
    ema: ModelEmaV3 | None,
    draw: Callable[[int, torch.Generator], augment.Draws],
    bank: Tensor,
    nonface_share: float,
    weights: tuple[float, float],
    smoothing: float,
    clip: float,
    size: int,
    crop: int,
    batch_size: int,
    seed: int,
    epoch: int,
    on_batch: Callable[[int], None],
) -> dict[str, float]:
    """One epoch over the samples; returns the mean losses.

    Raises:
        FloatingPointError: the loss is no longer a number.
    """
    network.train()
    world, rank = accelerator.num_processes, accelerator.process_index
    part = batch_size // world
    shard = slice(rank * part, (rank + 1) * part)
    total = torch.zeros(3)
    for number, rows in enumerate(batches(len(samples), batch_size, seed=seed, epoch=epoch)):
        set_step(number)
        random = generator(seed, epoch, number)
        torch.manual_seed(random.initial_seed() + rank)  # dropout inside the network
        batch, labelled, voted = make_batch(
            samples, rows, draw=draw, random=random, bank=bank, size=size, crop=crop, shard=shard,
            nonface_count=round(nonface_share * batch_size), smoothing=smoothing,
        )  # fmt: skip
        with accelerator.autocast():
            label, ballot = network(batch.grey)
        label_loss = masked_cross_entropy(
            label, batch.label, batch.labelled, labelled.clamp(min=1) / world
        )
        ballot_loss = masked_cross_entropy(
            ballot, batch.ballot, batch.voted, voted.clamp(min=1) / world
        )
        loss = weights[0] * label_loss + weights[1] * ballot_loss
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss.item()} in epoch {epoch + 1}, batch {number + 1}; "
                "lower optimizer.lr or set optimizer.clip=1"
            )
        optimizer.zero_grad(set_to_none=True)
        accelerator.backward(loss)
        if clip:
            accelerator.clip_grad_norm_(network.parameters(), clip)
        optimizer.step()
        if ema is not None:
            ema.update(accelerator.unwrap_model(network))
        total += torch.stack([loss, label_loss, ballot_loss]).detach().cpu()
        on_batch(len(rows))
    mean = (total / (number + 1)).tolist()
    return dict(zip(("loss", "label_loss", "ballot_loss"), mean, strict=True))


@torch.no_grad()
def predict(
    network: Network, images: Tensor, *, size: int, crop: int = 48, flip: bool = True,
    batch_size: int = 256,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Probabilities of ``label`` (N, 7) and ``ballot`` (N, 10), averaged over mirror views."""
    network.eval()
    device = next(network.parameters()).device
    outputs: tuple[list[Tensor], list[Tensor]] = ([], [])
    for chunk in images.split(batch_size):
        grey = upsample(chunk.to(device), size=size, crop=crop)
        views = [grey, grey.flip(-1)] if flip else [grey]
        for k, head in enumerate(zip(*(network(view) for view in views), strict=True)):
            outputs[k].append(torch.stack([x.softmax(1) for x in head]).mean(0).cpu())
    return torch.cat(outputs[0]), torch.cat(outputs[1])
