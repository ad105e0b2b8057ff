"""The networks that a pipeline can train, and how fast they train on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from mien.workflows.plan import Choice
from mien.workflows.settings import FAMILIES, STUDENT, Options
from mien.workflows.teaching import LARGEST_SHARE

if TYPE_CHECKING:
    from mien.data.dataset import Dataset
    from mien.train.recipe import Recipe

OFFLINE = {"resnet18": "face_resnet"}
"""What a recipe gives way to where the weights of ImageNet cannot be fetched: its network would
have to begin at random, and few epochs are not enough for that."""
SIZES = (48, 64, 80, 96, 112)
"""Sides of pictures to choose from, pixels."""
SECONDS = 3.0
"""How long one network at one size is timed, after its first steps."""
WARM_UP = 2
BATCHES = 16
"""Least steps of an epoch: few images are learnt in smaller batches, as one step teaches little."""
TIMED = 4096
"""Pictures of the epoch that is timed: more than go through in its seconds on two cores."""


STRONG = ("augment.erase", "augment.gamma", "augment.shrink", "schedule.floor")
"""What only pays in long trainings: as strong as the share of a recipe's epochs that is planned."""

OWN = "leave it out"
DECIDED = {
    "epochs": "give a --budget, or train alone with: mien train",
    "sizes": "give network.size for one size from first to last",
    "seed": "give --seed",
    "name": OWN,
}
"""Keys of a recipe that the pipeline sets, and what to give instead."""
PLANNED = ("epochs", "sizes")
"""Those of them that the plan sets."""


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
    """The member that a family, a recipe, a recipe's file or a network of timm means.

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
    if name.endswith(".toml") and Path(name).is_file():
        return Member(Path(name).stem, name)
    if timm.is_model(name):
        return Member(name, "resnet18", trunk=name)
    raise ValueError(
        f"--families {name}: no family ({', '.join(FAMILIES)}), recipe ({', '.join(known)}), "
        "recipe's file or timm network has this name"
    )


def chosen(options: Options) -> list[Member]:
    """What a pipeline trains: the families, then the student where one is asked for.

    Raises:
        ValueError: one is not known, or two have the same name.
    """
    members = [find(name) for name in options.families]
    if options.student:
        found = find(options.student)
        members.append(Member(STUDENT, found.recipe, found.trunk))
    names = [member.name for member in members]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"--families: {', '.join(twice)} is named twice; name it once")
    return members


def whole(member: Member, options: Options) -> Choice:
    """A training by its recipe as it is written, without a plan of its length."""
    recipe = load(member, Path(), options, [], teacher="", images=1 << 30)
    sizes = dict.fromkeys(recipe.size_at(epoch) for epoch in range(recipe.epochs))
    return Choice(member.name, member.recipe, tuple(sizes), recipe.epochs, 0.0)


def load(
    member: Member, folder: Path, options: Options, changed: Sequence[str], *, teacher: str,
    images: int, share: float = LARGEST_SHARE,
) -> Recipe:  # fmt: skip
    """A recipe as the pipeline trains it: on the images of ``folder``, distilled from ``teacher``.

    A student learns from its teacher as its recipe says. Members have a ``share`` of their targets
    from it, which scores two views of each picture.
    """
    from mien.train.recipe import load as read
    from mien.train.recipe import toml_value, vary

    trunk, student = member.trunk, member.name == STUDENT
    teacher = teacher if share or student else ""
    keys = [f"name={toml_value(member.name)}", f"data.path={toml_value(str(folder))}",
            f"targets.teacher={toml_value(teacher)}"]  # fmt: skip
    if teacher and not student:
        keys += [f"targets.teacher_weight={share}", "targets.teacher_views=2"]
    keys += [f"network.trunk={toml_value(trunk)}", "network.stem=stock"] if trunk else []
    made = read(member.recipe, [*keys, *changed, *options.overrides])
    fitting = 2 ** max(1, (images // BATCHES).bit_length() - 1)
    asked = "batch_size" in map(key_of, options.overrides)
    return made if asked or made.batch_size <= fitting else vary(made, {"batch_size": fitting})


def milder(member: Member, epochs: int) -> list[str]:
    """Overrides that weaken what only pays in long trainings, as a plan has fewer epochs.

    In 15 epochs dlib's face ResNet had 70.5 % of held-out pictures without it, 69.4 with what its
    recipe has for 60.
    """
    from mien.train.recipe import load as read

    recipe = read(member.recipe)
    share = epochs / recipe.epochs
    if share >= 1:
        return []
    return [f"{key}={attrgetter(key)(recipe) * share:.3g}" for key in STRONG]


def key_of(override: str) -> str:
    """``optimizer.lr`` of ``optimizer.lr=1e-3``."""
    return override.partition("=")[0].strip()


def check(options: Options) -> None:
    """Raise ValueError where an override names what the plan, or the pipeline, decides."""
    for key in map(key_of, options.overrides):
        section = key.partition(".")[0]
        planned = section in PLANNED and not options.as_written
        if planned or key == "data.path" or (section in DECIDED and section not in PLANNED):
            raise ValueError(f"--recipe {key}: the pipeline decides it; {DECIDED.get(key, OWN)}")


def speeds(
    member: Member, options: Options, *, images: int, tell: Callable[[str, int, int], None]
) -> dict[int, float]:
    """Images a second by picture size, each timed for some seconds of training on noise.

    In batches as ``images`` pictures are trained in, which decide how fast a small network is; with
    a teacher where it answers on each batch; the mean over a training in which early layers are
    frozen from some epoch on.
    Sizes that are larger or far smaller than the recipe's are left out.
    """
    from mien.train.recipe import vary

    teacher = "" if member.name == STUDENT else options.teacher
    recipe = load(member, Path(), options, [], teacher=teacher, images=images)
    if recipe.targets.teacher_views:  # asked once a picture, before the first epoch
        recipe = vary(recipe, {"targets.teacher": ""})
    frozen = [layer for epoch in range(recipe.epochs) if (layer := recipe.frozen_at(epoch))]
    share = len(frozen) / recipe.epochs
    usual = recipe.network.size
    sizes = [size for size in SIZES if 0.65 * usual <= size <= usual] or [usual]
    if "network.size" in map(key_of, options.overrides):
        sizes = [usual]
    found, pictures = {}, noise(TIMED)
    for number, size in enumerate(sizes):
        tell(f"timing {member.name}", number, len(sizes))
        # random weights are as fast as any, and at hand at once
        trial = {"network.size": size, "sizes": {}, "epochs": 1, "network.start": "random",
                 "transfer.frozen_epochs": 0}  # fmt: skip
        seconds = 0.0
        for part, layer in ((1 - share, ""), (share, frozen[-1] if frozen else "")):
            if part:
                freeze = {"0": layer} if layer else {}
                timed = vary(recipe, trial | {"transfer.freeze": freeze})
                seconds += part / images_per_second(timed, pictures)
        found[size] = 1 / seconds
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
