"""A run from recipe to final weights: build, resume, loop over epochs, keep records."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from mien.data.dataset import Dataset
from mien.data.sketch import sketch
from mien.train import (
    balance,
    keep,
    nonfaces,
    optim,
    pace,
    precision,
    run,
    starts,
    teacher,
    weights,
)
from mien.train.batch import BatchMaker
from mien.train.loop import predict_sharded, train_epoch
from mien.train.network import Network, check_sizes, layers_upto
from mien.train.recipe import Recipe
from mien.train.run import runs_folder
from mien.train.samples import (
    Samples,
    batches,
    from_dataset,
    holdout_split,
    label_as_vote,
    thin,
    trainable,
)
from mien.train.signals import stoppable
from mien.train.watch import Watcher

NONFACES = 1000


def fit(
    recipe: Recipe, data: Dataset, folder: Path, *, watch: Watcher, held: Dataset | None = None
) -> Network:
    """Train, or go on training, what ``recipe`` says; returns the averaged network.

    ``folder`` receives ``recipe.toml``, ``run.json``, ``history.csv``, ``checkpoint.pt`` at the end
    of every epoch and ``weights.safetensors`` at the end. The last epoch's averaged weights are
    kept: no epoch is ever picked, unless the recipe asks for early stopping.

    Args:
        recipe: what decides the training.
        data: what is learnt from.
        folder: of the run.
        watch: is told how it goes.
        held: scored after each epoch, instead of what ``data.holdout`` keeps out.

    Raises:
        ValueError: the folder holds another recipe or other data, or its checkpoint is damaged.
        FloatingPointError: the loss or a weight is no longer a number; the last checkpoint is
            intact.
        OSError: a checkpoint cannot be written; the last one is intact.
        Stopped: a signal asked for the end; the last checkpoint is intact.
    """
    learn, held = split(recipe, data) if held is None else (trainable(data), held)
    samples = from_dataset(learn)
    torch.manual_seed(recipe.seed)
    network, origin = starts.begin(recipe.network, samples.images)
    check_sizes(network, {recipe.network.size, *map(recipe.size_at, range(recipe.epochs))})
    for last in recipe.transfer.freeze.values():
        layers_upto(network.trunk, last)  # a wrong name is told now, not hours later
    arithmetic = precision.choose(recipe.precision)
    # Without a GPU several processes are one job only where accelerate is told of the CPU. Autocast
    # is the loop's: the precision here is set once a process.
    alone = "LOCAL_RANK" not in os.environ or torch.accelerator.is_available()
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)  # a classifier's own norm
    accelerator = Accelerator(cpu=not alone, mixed_precision="no", kwargs_handlers=[unused])
    if recipe.batch_size % accelerator.num_processes:
        raise ValueError(
            f"batch_size={recipe.batch_size} does not divide over "
            f"{accelerator.num_processes} processes"
        )
    per_epoch = len(samples) // recipe.batch_size
    if not per_epoch:
        raise ValueError(f"{len(samples)} pictures do not fill a batch of {recipe.batch_size}")
    if accelerator.is_main_process:
        facts = {
            "data": learn.fingerprint(), "sketch": sketch(learn.images), "images": len(learn),
            "voted": int(learn.has_votes.sum()), "start": origin,
        }  # fmt: skip
        run.claim(folder, recipe, facts | {"precision": arithmetic})
    accelerator.wait_for_everyone()
    if not samples.voted.any() and not recipe.targets.taught:
        samples = label_as_vote(samples, smoothing=recipe.targets.smoothing)
    samples = _taught(recipe, samples, watch)
    network.to(accelerator.device)  # before the optimiser's state, which is loaded to where it is
    optimizer = optim.build_optimizer(
        network, **recipe.optimizer.model_dump(exclude={"clip"}),
        layer_decay=recipe.transfer.layer_decay,
    )  # fmt: skip
    ema = ModelEmaV3(network, decay=recipe.ema) if recipe.ema else None
    first, history = keep.resume(folder / run.CHECKPOINT, network, optimizer, ema)
    kept: Network = network if ema is None else ema.module
    make = batch_maker(recipe, samples)
    row_weight = balance.row_weights(samples.label, recipe.balance.sampling)
    model: nn.Module | None = None
    with stoppable() as check:
        for epoch in range(first, recipe.epochs):
            if pace.enough(recipe, history):
                break
            if epoch in map(int, recipe.transfer.freeze):
                _settle(network, kept, recipe.frozen_at(epoch))
                model = None
            if model is None or epoch == recipe.transfer.frozen_epochs:
                model = _trainable(recipe, network, accelerator, epoch)
            began = time.monotonic()
            watch.begin(epoch, recipe.epochs, per_epoch * recipe.batch_size)
            losses = train_epoch(
                model, batches(len(samples), recipe.batch_size, seed=recipe.seed, epoch=epoch,
                               weight=row_weight),
                make=make, accelerator=accelerator, optimizer=optimizer,
                set_step=partial(pace.set_step, recipe, optimizer, history, per_epoch, epoch),
                after_step=partial(_average, ema, network, recipe.ema, epoch * per_epoch),
                weights=(recipe.targets.label, recipe.targets.ballot), clip=recipe.optimizer.clip,
                size=recipe.size_at(epoch), seed=recipe.seed, epoch=epoch,
                bf16=arithmetic == "bf16", on_batch=partial(_advance, watch, check),
            )  # fmt: skip
            seconds = time.monotonic() - began
            row = {
                "epoch": epoch + 1, "size": recipe.size_at(epoch),
                **{name: round(value, 5) for name, value in losses.items()},
                "seconds": round(seconds, 1),
                "images_per_second": round(per_epoch * recipe.batch_size / seconds, 1),
            }  # fmt: skip
            if held is not None:
                row |= score(kept, held, recipe=recipe, accelerator=accelerator)
            keep.check_finite(kept, epoch)
            history.append(row)
            if accelerator.is_main_process:
                keep.keep(folder, recipe, network, optimizer, ema, history)
            accelerator.wait_for_everyone()
            watch.end(row)
    if recipe.stopping.patience and (folder / keep.BEST).is_file():
        weights.fit_into(
            kept, weights.read(folder / keep.BEST).state, source=keep.BEST, whole=True, heads=True
        )
    network.hold()
    if accelerator.is_main_process:
        weights.write(kept, folder / weights.FILE, facts={"origin": origin, "run": recipe.name})
    return kept.eval()


def split(recipe: Recipe, data: Dataset) -> tuple[Dataset, Dataset | None]:
    """What is learnt from and, where the recipe holds some out, what is scored after each epoch."""
    data, held = trainable(data), None
    if recipe.data.holdout:
        learn, out = holdout_split(data.group, recipe.data.holdout, seed=recipe.seed)
        data, held = data.take(learn), data.take(out)
    if recipe.data.share < 1:
        data = data.take(thin(data.group, recipe.data.share, seed=recipe.seed))
    return data, held


def batch_maker(recipe: Recipe, samples: Samples) -> BatchMaker:
    """How the recipe turns rows into batches."""
    nonface_count = round(recipe.data.nonfaces * recipe.batch_size)
    return BatchMaker(
        samples, recipe.augment.model_dump(exclude={"mixup"}), crop=recipe.network.crop,
        bank=nonfaces.made_bank(NONFACES, seed=recipe.seed) if nonface_count else None,
        nonface_count=nonface_count,
        smoothing=recipe.targets.smoothing, mixup=recipe.augment.mixup,
        teacher_weight=recipe.targets.teacher_weight,
        teacher=live_teacher(recipe),
        label_weight=balance.label_weights(samples.label, recipe.balance.weights),
        strength=balance.strengths(samples.label, recipe.balance.augment),
    )  # fmt: skip


def score(
    network: Network, held: Dataset, *, recipe: Recipe, accelerator: Accelerator
) -> dict[str, float]:
    """Held-out accuracy of the label head and of the ballot's favourite, flips averaged."""
    label, ballot = predict_sharded(
        network, torch.from_numpy(held.images), accelerator=accelerator,
        size=recipe.network.size, crop=recipe.network.crop,
    )  # fmt: skip
    truth, votes = torch.from_numpy(held.emotion), torch.from_numpy(held.votes)
    row = {pace.SCORE: _share(label.argmax(1) == truth)}
    clear = votes.max(dim=1).values > 5
    if clear.any():
        row["held_ballot"] = _share(ballot.argmax(1)[clear] == votes.argmax(1)[clear])
    return row


def _share(hits: Tensor) -> float:
    return round(hits.float().mean().item(), 4)


def _taught(recipe: Recipe, samples: Samples, watch: Watcher) -> Samples:
    if not recipe.targets.teacher or not recipe.targets.teacher_views:
        return samples
    # One process asks, and the others wait at its lock: a barrier would end after half an hour.
    views = teacher.ask(
        recipe.targets.teacher, samples.images.numpy(), cache=runs_folder() / "teachers",
        count=recipe.targets.teacher_views, track=watch.asked,
    )  # fmt: skip
    return replace(samples, teacher=teacher.targets(views, recipe.targets.temperature))


def live_teacher(recipe: Recipe) -> Callable[[Tensor], Tensor] | None:
    """The recipe's teacher where it is asked about each batch."""
    if not recipe.targets.teacher or recipe.targets.teacher_views:
        return None
    return teacher.on_batches(recipe.targets.teacher, recipe.targets.temperature)


def _trainable(recipe: Recipe, network: Network, accelerator: Accelerator, epoch: int) -> nn.Module:
    """What is called in training: held still as the recipe says, compiled, synchronised."""
    network.hold(
        trunk=epoch < recipe.transfer.frozen_epochs, norms=recipe.transfer.frozen_norms,
        upto=recipe.frozen_at(epoch),
    )  # fmt: skip
    model: nn.Module = network
    if accelerator.num_processes > 1:
        model = accelerator.prepare_model(network)
    return torch.compile(model) if recipe.compile else model  # type: ignore[return-value]


@torch.no_grad()
def _settle(network: Network, average: Network, last: str) -> None:
    """Give layers that will stand still their averaged weights, which vary less than the last."""
    layers, state = layers_upto(network.trunk, last), average.trunk.state_dict()
    for name, value in network.trunk.state_dict().items():
        if name.rpartition(".")[0] in layers:
            value.copy_(state[name])


def _average(
    ema: ModelEmaV3 | None, network: Network, decay: float, before: int, number: int
) -> None:
    """Take a step into the averaged weights, the more of it the fewer there were before it.

    Otherwise the random start would still be half of the average after ln 2 / (1 - decay) steps,
    which a small data set takes many epochs to reach. Source: TensorFlow's
    ``ExponentialMovingAverage(num_updates=…)``.
    """
    if ema is not None:
        step = before + number
        ema.decay = min(decay, (1 + step) / (10 + step))
        ema.update(network)


def _advance(watch: Watcher, check: Callable[[], None], images: int) -> None:
    watch.advance(images)
    check()
