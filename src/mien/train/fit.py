"""A run from recipe to final weights: build, resume, loop over epochs, keep records."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from mien.data.dataset import Dataset
from mien.data.sketch import sketch
from mien.measure.metrics import confusion
from mien.train import augment, kernels, optim, run, samples, starts, teacher, weights
from mien.train.batch import BatchMaker
from mien.train.loop import State, choose_precision, train_epoch
from mien.train.network import Network, check_sizes, layers_upto
from mien.train.recipe import Recipe
from mien.train.samples import Samples
from mien.train.scoring import predict_valid, score, validate
from mien.train.watch import Watcher, stoppable

NONFACES = 1000
RECENT = 5  # epochs by whose speed the time left is told: one alone may have met other work


def fit(
    recipe: Recipe, data: Dataset, folder: Path, *, watch: Watcher, held: Dataset | None = None,
    valid: Dataset | None = None,
) -> Network:  # fmt: skip
    """Train by ``recipe``, or resume; returns the averaged network.

    ``folder`` receives ``recipe.toml``, ``run.json``, ``history.csv``, ``checkpoint.pt`` at the end
    of every epoch and ``weights.safetensors`` at the end. The last epoch's averaged weights are
    kept; there is no best-epoch selection, unless the recipe asks for early stopping.

    Args:
        recipe: what decides the training.
        data: what is learnt from.
        folder: of the run.
        watch: is told how it goes.
        held: scored after each epoch, instead of what ``data.holdout`` keeps out.
        valid: a validation split, whose accuracy and macro F1 stand in each row; at the end its
            confusion matrix goes to ``confusion.csv`` and ``confusion.png``. Decides nothing.

    Raises:
        ValueError: the folder holds another recipe or other data, or its checkpoint is damaged.
        FloatingPointError: the loss or a weight is no longer a number; the last checkpoint is
            intact.
        OSError: a checkpoint cannot be written; the last one is intact. Or another process trains
            in the folder.
        Stopped: a signal asked for the end; the last checkpoint is intact.
    """
    learn, held = split(recipe, data) if held is None else (samples.trainable(data), held)
    if valid is not None:
        valid = valid.take(valid.emotion >= 0) if (valid.emotion >= 0).any() else None
    state, origin = start(recipe, learn, watch)
    main = state.accelerator.is_main_process
    with run.locked(folder, when=main):
        if main:
            facts = {
                "data": learn.fingerprint(), "sketch": sketch(learn.images), "images": len(learn),
                "voted": int(learn.has_votes.sum()), "start": origin,
                "precision": "bf16" if state.bf16 else "float32",
            }  # fmt: skip
            if recipe.targets.taught:
                facts["teacher"] = teacher.facts(recipe.targets.teacher)
            run.claim(folder, recipe, facts)
        state.accelerator.wait_for_everyone()
        state.make = taught(recipe, state.make, watch)
        run.resume(folder, state)
        with stoppable() as check:
            while state.epoch < recipe.epochs and not optim.enough(recipe, state.history):
                fit_epoch(state, folder, held=held, valid=valid, watch=watch, check=check)
        network = finish(state, folder)
        if valid is not None:
            scores = predict_valid(state, valid, size=recipe.network.size)
            if main:
                run.write_confusion(folder, confusion(valid.emotion, scores))
        return network


def fit_epoch(
    state: State, folder: Path, *, held: Dataset | None, valid: Dataset | None, watch: Watcher,
    check: Callable[[], None],
) -> None:  # fmt: skip
    """Train the next epoch, score it, write its checkpoint and report it; as ``fit``."""
    recipe = state.recipe
    prepare_epoch(state)
    images, began = state.per_epoch * recipe.batch_size, time.monotonic()
    watch.begin(state.epoch, recipe.epochs, images)

    def on_batch(count: int) -> None:
        watch.advance(count)
        check()

    losses = train_epoch(state, on_batch=on_batch)
    seconds = time.monotonic() - began
    row = {
        "epoch": state.epoch + 1, "size": recipe.size_at(state.epoch),
        **{name: round(value, 5) for name, value in losses.items()},
        "seconds": round(seconds, 1), "images_per_second": round(images / seconds, 1),
    }  # fmt: skip
    if held is not None:
        row |= score(state, held)
    if valid is not None:
        row |= validate(state, valid)
    run.check_finite(state.kept, state.epoch)
    state.history.append(row)
    if state.accelerator.is_main_process:
        run.keep(folder, state)
    state.accelerator.wait_for_everyone()
    watch.end(row, optim.best_row(state.history), time_left(state))


def start(recipe: Recipe, learn: Dataset, watch: Watcher) -> tuple[State, str]:
    """The state of a run before its first epoch, and where its weights come from.

    Raises:
        ValueError: the recipe cannot be trained on these pictures or in so many processes.
        FileNotFoundError: the start is not there.
    """
    rows = samples.from_dataset(learn)
    torch.manual_seed(recipe.seed)
    network, origin = starts.begin(recipe.network, rows.images)
    check_sizes(network, {recipe.network.size, *map(recipe.size_at, range(recipe.epochs))})
    for last in recipe.transfer.freeze.values():
        layers_upto(network.trunk, last)  # report a wrong name now, not hours later
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
    if len(rows) < recipe.batch_size:
        raise ValueError(f"{len(rows)} pictures do not fill a batch of {recipe.batch_size}")
    if not rows.voted.any() and not recipe.targets.taught:
        rows = samples.label_as_vote(rows, smoothing=recipe.targets.smoothing)
    network.to(accelerator.device)  # before the optimiser's state, which is loaded to where it is
    if recipe.kernels == "auto" and accelerator.device.type == "cpu":
        advice = kernels.accelerate(network)
        if advice and accelerator.is_main_process:
            watch.note(advice)
    optimizer = optim.build_optimizer(
        network, **recipe.optimizer.model_dump(exclude={"clip"}),
        layer_decay=recipe.transfer.layer_decay,
    )  # fmt: skip
    state = State(
        recipe, network, optimizer,
        ema=ModelEmaV3(network, decay=recipe.ema) if recipe.ema else None,
        make=batch_maker(recipe, rows, accelerator.device), accelerator=accelerator,
        bf16=choose_precision(recipe.precision) == "bf16",
        row_weight=samples.row_weights(rows.label, recipe.balance.sampling),
    )  # fmt: skip
    return state, origin


def prepare_epoch(state: State) -> None:
    """Freeze layers by the recipe from the next epoch on, compile, synchronise."""
    recipe, network, epoch = state.recipe, state.network, state.epoch
    if epoch in recipe.freezing_epochs:
        _settle(network, state.kept, recipe.frozen_at(epoch))
        state.model = None
    if state.model is not None and epoch != recipe.frozen_epochs:
        return
    network.hold(
        trunk=epoch < recipe.frozen_epochs, norms=recipe.transfer.frozen_norms,
        upto=recipe.frozen_at(epoch),
    )  # fmt: skip
    model: nn.Module = network
    if state.accelerator.num_processes > 1:
        model = state.accelerator.prepare_model(network)
    state.model = torch.compile(model) if recipe.compile else model  # type: ignore[assignment]


def finish(state: State, folder: Path) -> Network:
    """Write the final weights, and return their network."""
    kept, recipe = state.kept, state.recipe
    if recipe.stopping.patience and (folder / run.BEST_WEIGHTS).is_file():
        best = weights.read(folder / run.BEST_WEIGHTS).state
        weights.fit_into(kept, best, source=run.BEST_WEIGHTS, whole=True, heads=True)
    state.network.hold()
    if state.accelerator.is_main_process:
        told = {"origin": run.lineage(recipe, run.read_facts(folder)), "run": recipe.name}
        weights.write(kept, folder / weights.FILE, facts=told)
    return kept.eval()


def split(recipe: Recipe, data: Dataset) -> tuple[Dataset, Dataset | None]:
    """What is learnt from and, where the recipe holds some out, what is scored after each epoch."""
    data, held = samples.trainable(data), None
    if recipe.data.holdout:
        learn, out = samples.holdout_split(data.group, recipe.data.holdout, seed=recipe.seed)
        data, held = data.take(learn), data.take(out)
    if recipe.data.share < 1:
        data = data.take(samples.sample_groups(data.group, recipe.data.share, seed=recipe.seed))
    return data, held


def batch_maker(recipe: Recipe, rows: Samples, device: torch.device | str = "cpu") -> BatchMaker:
    """How the recipe turns rows into batches; pixels are kept and changed on ``device``."""
    nonface_count = round(recipe.data.nonfaces * recipe.batch_size)
    bank = augment.made_bank(NONFACES, seed=recipe.seed).to(device) if nonface_count else None
    return BatchMaker(
        replace(rows, images=rows.images.to(device)), recipe.augment.model_dump(exclude={"mixup"}),
        crop=recipe.network.crop, bank=bank, nonface_count=nonface_count,
        smoothing=recipe.targets.smoothing, mixup=recipe.augment.mixup,
        teacher_weight=recipe.targets.teacher_weight,
        teacher=live_teacher(recipe),
        label_weight=samples.label_weights(rows.label, recipe.balance.weights),
        strength=samples.strengths(rows.label, recipe.balance.augment),
    )  # fmt: skip


def time_left(state: State) -> float:
    """Estimated seconds of the remaining epochs, at the median speed of the last few.

    A batch at another size takes as much longer as it has more pixels.
    """
    pixels = median(row["seconds"] / row["size"] ** 2 for row in state.history[-RECENT:])
    left = range(state.epoch, state.recipe.epochs)
    return float(sum(pixels * state.recipe.size_at(epoch) ** 2 for epoch in left))


def taught(recipe: Recipe, make: BatchMaker, watch: Watcher) -> BatchMaker:
    """The same with the scores of the recipe's teacher, where it is asked once a picture."""
    if not recipe.targets.teacher or not recipe.targets.teacher_views:
        return make
    # One process asks, and the others wait at its lock: a barrier would end after half an hour.
    views = teacher.ask(
        recipe.targets.teacher, make.samples.images.cpu().numpy(),
        cache=run.runs_folder() / "teachers", count=recipe.targets.teacher_views,
        track=watch.asked,
    )  # fmt: skip
    scores = teacher.targets(views, recipe.targets.temperature)
    return replace(make, samples=replace(make.samples, teacher=scores))


def live_teacher(recipe: Recipe) -> Callable[[Tensor], Tensor] | None:
    """The recipe's teacher where it is asked about each batch."""
    if not recipe.targets.teacher or recipe.targets.teacher_views:
        return None
    return teacher.on_batches(recipe.targets.teacher, recipe.targets.temperature)


@torch.no_grad()
def _settle(network: Network, average: Network, last: str) -> None:
    """Give the layers that are about to be frozen their averaged weights, which are less noisy."""
    layers, state = layers_upto(network.trunk, last), average.trunk.state_dict()
    for name, value in network.trunk.state_dict().items():
        if name.rpartition(".")[0] in layers:
            value.copy_(state[name])
