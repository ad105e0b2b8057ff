"""Options of a pipeline, and callbacks of its progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mien.workflows.plan import Plan

if TYPE_CHECKING:
    from mien.train.watch import Watcher

FAMILIES = {
    "vgg19": "vgg19",
    "resnet": "resnet18",
    "efficientnet": "efficientnet_b0",
    "mobilenet": "face_mobilenet",
}
"""Families of networks, and the recipe that each is trained by."""
STUDENT = "student"
"""The network that is distilled from the ensemble."""


@dataclass(frozen=True)
class Options:
    """Options of a pipeline.

    ``families`` names of ``FAMILIES``, of recipes, or of timm's networks; ``budget``
    seconds in all, None for what suits the machine; ``as_written`` trains each recipe for its own
    epochs at its own sizes, however long that takes; ``student`` a recipe that is distilled from
    the ensemble into one int8 model, "" for none; ``overrides`` recipe keys for every training,
    such as ``optimizer.lr=1e-3``; ``teacher`` a bundle whose scores the members learn as well, ""
    for none; ``raw`` trains on the pictures as they are, without preparing them; ``seed`` of split
    and trainings; ``draws`` resamples behind each interval.
    """

    families: tuple[str, ...] = tuple(FAMILIES)
    budget: float | None = None
    as_written: bool = False
    student: str = ""
    overrides: tuple[str, ...] = ()
    teacher: str = "default"
    raw: bool = False
    seed: int = 0
    draws: int = 1000


class Talk:
    """Callbacks of a pipeline; each does nothing unless it is overridden."""

    def line(self, text: str) -> None:
        """A step begins, ends or is passed over."""

    def plan(self, made: Plan, images: int, left: float) -> None:
        """The plan is made, or read again; about ``left`` seconds of its budget are to come."""

    def stage(self, name: str, done: int, total: int) -> None:
        """How far a stage of a step is."""

    def watch(self, member: str) -> Watcher:
        """Who watches the training of a member."""
        from mien.train.watch import Silent

        return Silent()
