"""The networks that a pipeline can train, and how fast they train on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mien.workflows.settings import FAMILIES, Options

if TYPE_CHECKING:
    from mien.data.dataset import Dataset
    from mien.train.recipe import Recipe

OFFLINE = {"resnet18": "face_resnet"}
"""What a recipe gives way to where the weights of ImageNet cannot be fetched: its network would
have to begin at random, and few epochs are not enough for that."""
SIZES = (48, 64, 80, 96, 112)
"""Sides of pictures to choose from, pixels."""
SECONDS = 2.5
"""How long one network at one size is timed, after its first steps."""
WARM_UP = 2
BATCHES = 16
"""Least steps of an epoch: few images are learnt in smaller batches, as one step teaches little."""
TIMED = 4096
"""Pictures of the epoch that is timed: more than go through in its seconds on two cores."""


OWN = "leave it out"
DECIDED = {
    "epochs": "give a --budget, or train alone with: mien train",
    "sizes": "give network.size for one size from first to last",
    "seed": "give --seed",
    "name": OWN,
}
"""Keys of a recipe that the plan sets, and what to give instead."""


@dataclass(frozen=True)
class Member:
    """A network of the pipeline: name, recipe, and trunk if that differs from the recipe's."""

    name: str
    recipe: str
    trunk: str = ""


class _TimeIsUp(Exception):  # noqa: N818
    """Ends a timed epoch."""


def has_gpu() -> bool:
    """Whether trainings run on a GPU here."""
    import torch

    return torch.accelerator.is_available()


def find(name: str) -> Member:
    """The member that a family, a recipe or a network of timm means.

    Raises:
        ValueError: none of these; the message lists families and recipes.
    """
    import timm

    from mien.library import names
    from mien.registries import hub_has

    known = names()
    recipe = FAMILIES.get(name, name)
    if recipe in OFFLINE and not hub_has("resnet18"):
        recipe = OFFLINE[recipe]
    if recipe in known:
        return Member(name, recipe)
    if timm.is_model(name):
        return Member(name, "resnet18", trunk=name)
    raise ValueError(
        f"--families {name}: no family ({', '.join(FAMILIES)}), recipe ({', '.join(known)}) or "
        "timm network has this name"
    )


def load(
    member: str, recipe: str, folder: Path, options: Options, changed: Sequence[str], *, images: int
) -> Recipe:
    """A recipe as the pipeline trains it: on the images of ``folder``, taught by the teacher."""
    from mien.train.recipe import load as read
    from mien.train.recipe import toml_value, vary

    trunk = find(member).trunk
    keys = [f"name={toml_value(member)}", f"data.path={toml_value(str(folder))}",
            f"targets.teacher={toml_value(options.teacher)}"]  # fmt: skip
    keys += ["targets.teacher_weight=0.5", "targets.teacher_views=2"] if options.teacher else []
    keys += [f"network.trunk={toml_value(trunk)}", "network.stem=stock"] if trunk else []
    made = read(recipe, [*keys, *changed, *options.overrides])
    fitting = 2 ** max(1, (images // BATCHES).bit_length() - 1)
    asked = "batch_size" in map(key_of, options.overrides)
    return made if asked or made.batch_size <= fitting else vary(made, {"batch_size": fitting})


def key_of(override: str) -> str:
    """``optimizer.lr`` of ``optimizer.lr=1e-3``."""
    return override.partition("=")[0].strip()


def check(options: Options) -> None:
    """Raise ValueError where an override names what the plan decides."""
    for key in map(key_of, options.overrides):
        if key.partition(".")[0] in DECIDED or key == "data.path":
            raise ValueError(f"--recipe {key}: the pipeline decides it; {DECIDED.get(key, OWN)}")


def speeds(
    member: Member, options: Options, *, images: int, tell: Callable[[str, int, int], None]
) -> dict[int, float]:
    """Images a second by picture size, each timed for some seconds of training on noise.

    In batches as ``images`` pictures are trained in, which decide how fast a small network is.
    Sizes that are larger or far smaller than the recipe's are left out.
    """
    recipe = load(member.name, member.recipe, Path(), options, [], images=images)
    usual = recipe.network.size
    sizes = [size for size in SIZES if 0.65 * usual <= size <= usual] or [usual]
    if "network.size" in map(key_of, options.overrides):
        sizes = [usual]
    found = {}
    for number, size in enumerate(sizes):
        tell(f"timing {member.name}", number, len(sizes))
        changed = [f"network.size={size}", "sizes={}", "epochs=1", "targets.teacher=''"]
        changed.append("network.start=random")  # as fast as any weights, and at hand at once
        trial = load(member.name, member.recipe, Path(), options, changed, images=images)
        found[size] = images_per_second(trial, noise(TIMED))
    tell(f"timing {member.name}", len(sizes), len(sizes))
    return found


def noise(count: int) -> Dataset:
    """``count`` pictures of noise, which time a training as well as faces would."""
    import numpy as np

    from mien.data.dataset import Dataset
    from mien.emotions import BALLOT, EMOTIONS

    rng = np.random.default_rng(0)
    return Dataset(
        id=np.array([f"{number}" for number in range(count)]),
        images=rng.integers(0, 256, (count, 48, 48), dtype=np.uint8),
        emotion=np.arange(count) % len(EMOTIONS),
        votes=rng.multinomial(10, np.full(len(BALLOT), 1 / len(BALLOT)), count),
        split=np.full(count, "train"),
        group=np.arange(count),
    )


def images_per_second(recipe: Recipe, train: Dataset) -> float:
    """The speed of a training on this machine, without its first steps."""
    from mien.train.fit import prepare_epoch, start
    from mien.train.loop import train_epoch
    from mien.train.watch import Silent

    state, _ = start(recipe, train, Silent())
    prepare_epoch(state)
    began, done, steps = 0.0, 0, 0

    def on_batch(images: int) -> None:
        nonlocal began, done, steps
        steps += 1
        now = time.monotonic()
        if steps == min(WARM_UP, state.per_epoch):
            began, done = now, 0
            return
        done += images
        if began and now - began > SECONDS:
            raise _TimeIsUp

    before = time.monotonic()
    with suppress(_TimeIsUp):
        train_epoch(state, on_batch=on_batch)
    now = time.monotonic()
    return done / (now - began) if done and began else recipe.batch_size / (now - before)
