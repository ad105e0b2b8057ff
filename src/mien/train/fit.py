"""A run from recipe to final weights: build, resume, loop over epochs, keep records."""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from safetensors.torch import save_file
from timm.utils import ModelEmaV3

from mien.data.dataset import Dataset
from mien.train import augment, checkpoint, nonfaces, optim, starts
from mien.train.loop import predict, train_epoch
from mien.train.network import Network, build, upsample
from mien.train.recipe import Recipe
from mien.train.samples import Samples, from_dataset, holdout_split, trainable

CALIBRATION_IMAGES = 512


class Watcher(Protocol):
    """What a run tells while it goes on."""

    def begin(self, epoch: int, epochs: int, images: int) -> None:
        """An epoch starts."""

    def advance(self, images: int) -> None:
        """A batch is done."""

    def end(self, row: dict[str, Any]) -> None:
        """An epoch is done and its checkpoint written; ``row`` as in ``history.csv``."""


def runs_folder() -> Path:
    """Where runs are kept: ``$MIEN_RUNS``, else ``runs/``."""
    return Path(os.environ.get("MIEN_RUNS", "runs"))


def fit(recipe: Recipe, data: Dataset, folder: Path, *, watch: Watcher) -> Network:
    """Train, or go on training, what ``recipe`` says; returns the averaged network.

    ``folder`` receives ``recipe.toml``, ``run.json``, ``history.csv``, ``checkpoint.pt`` at the end
    of every epoch and ``weights.safetensors`` at the end. The schedule is fixed and the last
    epoch's averaged weights are kept: no epoch is ever picked.

    Raises:
        ValueError: the folder holds another recipe or other data, or its checkpoint is damaged.
        FloatingPointError: the loss is no longer a number; the last checkpoint is intact.
        OSError: a checkpoint cannot be written; the last one is intact.
    """
    accelerator = Accelerator(mixed_precision={"float32": "no", "bf16": "bf16"}[recipe.precision])
    if recipe.batch_size % accelerator.num_processes:
        raise ValueError(
            f"batch_size={recipe.batch_size} does not divide over "
            f"{accelerator.num_processes} processes"
        )
    learn, held = split(recipe, data)
    samples = from_dataset(learn)
    torch.manual_seed(recipe.seed)
    network, origin = start(recipe, samples)
    if accelerator.is_main_process:
        claim(folder, recipe, learn, origin)
    accelerator.wait_for_everyone()
    optimizer = optim.build_optimizer(
        network, **recipe.optimizer.model_dump(exclude={"clip"}),
    )  # fmt: skip
    ema = ModelEmaV3(network, decay=recipe.ema) if recipe.ema else None
    first, history = _resume(folder / "checkpoint.pt", network, optimizer, ema)
    model, optimizer = accelerator.prepare(network, optimizer)
    if ema is not None:
        ema.to(accelerator.device)
    kept = network if ema is None else ema.module
    per_epoch = len(samples) // recipe.batch_size
    settings = recipe.augment.model_dump()

    def set_step(epoch: int, number: int) -> None:
        step = epoch * per_epoch + number
        factor = optim.lr_factor(step, recipe.epochs * per_epoch, **recipe.schedule.model_dump())
        optim.set_lr(optimizer, factor)

    for epoch in range(first, recipe.epochs):
        began = time.monotonic()
        watch.begin(epoch, recipe.epochs, per_epoch * recipe.batch_size)
        losses = train_epoch(
            model, samples, accelerator=accelerator, optimizer=optimizer,
            set_step=partial(set_step, epoch), ema=ema,
            draw=lambda count, random: augment.draw(count, generator=random, **settings),
            bank=nonfaces.made_bank(1000, seed=recipe.seed), nonface_share=recipe.data.nonfaces,
            weights=(recipe.targets.label, recipe.targets.ballot),
            smoothing=recipe.targets.smoothing, clip=recipe.optimizer.clip,
            size=recipe.size_at(epoch), crop=recipe.network.crop, batch_size=recipe.batch_size,
            seed=recipe.seed, epoch=epoch, on_batch=watch.advance,
        )  # fmt: skip
        seconds = time.monotonic() - began
        row = {
            "epoch": epoch + 1, "size": recipe.size_at(epoch),
            **{name: round(value, 5) for name, value in losses.items()},
            "seconds": round(seconds, 1),
            "images_per_second": round(per_epoch * recipe.batch_size / seconds, 1),
        }  # fmt: skip
        if accelerator.is_main_process:
            if held is not None:
                row |= score(kept, held, size=recipe.network.size, crop=recipe.network.crop)
            history.append(row)
            state = {
                "epoch": epoch + 1, "history": history, "network": network.state_dict(),
                "optimizer": optimizer.state_dict(),
                "ema": None if ema is None else ema.module.state_dict(),
            }  # fmt: skip
            checkpoint.save(state, folder / "checkpoint.pt")
            write_history(folder / "history.csv", history)
        accelerator.wait_for_everyone()
        watch.end(row)
    if accelerator.is_main_process:
        weights = {k: v.contiguous() for k, v in kept.state_dict().items()}
        save_file(weights, folder / "weights.safetensors")
    return kept


def split(recipe: Recipe, data: Dataset) -> tuple[Dataset, Dataset | None]:
    """What is learnt from and, where the recipe holds some out, what is scored after each epoch."""
    data = trainable(data)
    if not recipe.data.holdout:
        return data, None
    learn, held = holdout_split(data.group, recipe.data.holdout, seed=recipe.seed)
    return data.take(learn), data.take(held)


def start(recipe: Recipe, samples: Samples) -> tuple[Network, str]:
    """The network at its start, and where its weights come from."""
    settings = recipe.network
    kind, _, where = settings.start.partition(":")
    mean, std = settings.mean, settings.std
    if kind == "faceres":
        mean, std = mean or starts.FACERES_MEAN, std or starts.UNIT_STD
    network = build(
        settings.trunk, trunk_args=settings.trunk_args, pretrained=kind == "imagenet",
        mean=mean, std=std, dropout=settings.dropout,
    )  # fmt: skip
    if kind in ("random", "imagenet"):
        return network, kind
    found = (
        starts.from_faceres(Path(where))
        if kind == "faceres"
        else starts.from_file(Path(settings.start))
    )
    if found.network is not None:
        network.load_state_dict(found.network)
    elif found.trunk is not None:
        missing, unexpected = network.trunk.load_state_dict(found.trunk, strict=False)
        if unexpected or (len(missing) and not found.biases):
            raise ValueError(
                f"{settings.start}: does not fit {settings.trunk}: {unexpected or missing}"
            )
    if found.biases:
        grey = upsample(
            samples.images[:: max(1, len(samples) // CALIBRATION_IMAGES)], size=settings.size
        )
        starts.unfold_norms(network.trunk, found.biases, (grey - network.mean) / network.std)
    return network, found.origin


def score(network: Network, held: Dataset, *, size: int, crop: int) -> dict[str, float]:
    """Held-out accuracy of the label head and of the ballot's favourite, flips averaged."""
    label, ballot = predict(network, torch.from_numpy(held.images), size=size, crop=crop)
    truth = torch.from_numpy(held.emotion)
    row = {"held_label": (label.argmax(1) == truth).float().mean().item()}
    votes = torch.from_numpy(held.votes)
    clear = votes.max(dim=1).values > 5
    if clear.any():
        agree = ballot.argmax(1)[clear] == votes.argmax(1)[clear]
        row["held_ballot"] = agree.float().mean().item()
    return {name: round(value, 4) for name, value in row.items()}


def claim(folder: Path, recipe: Recipe, learn: Dataset, origin: str) -> None:
    """Make the run folder ours, or make sure that it already is.

    Raises:
        ValueError: the folder holds another recipe or other data.
    """
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"data": learn.fingerprint(), "images": len(learn), "start": origin}
    text = recipe.to_toml()
    note, facts_file = folder / "recipe.toml", folder / "run.json"
    if note.exists() and note.read_text(encoding="utf-8") != text:
        raise ValueError(f"{folder}: holds a run of another recipe; give name=OTHER or delete it")
    if facts_file.exists() and json.loads(facts_file.read_text())["data"] != facts["data"]:
        raise ValueError(f"{folder}: was trained on other data; give name=OTHER or delete it")
    note.write_text(text, encoding="utf-8")
    facts_file.write_text(json.dumps(facts, indent=2) + "\n")


def write_history(path: Path, history: list[dict[str, Any]]) -> None:
    """Rewrite the table of epochs whole, so that a replayed epoch stands there once."""
    part = path.with_name(path.name + ".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[-1]))
        writer.writeheader()
        writer.writerows(history)
    part.replace(path)


def _resume(
    path: Path, network: Network, optimizer: torch.optim.Optimizer, ema: ModelEmaV3 | None
) -> tuple[int, list[dict[str, Any]]]:
    if not path.exists():
        return 0, []
    state = checkpoint.load(path)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    if ema is not None:
        ema.module.load_state_dict(state["ema"])
    return int(state["epoch"]), list(state["history"])
