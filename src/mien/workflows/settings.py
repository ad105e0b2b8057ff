"""Options of a pipeline, and callbacks of its progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mien.workflows.plan import Plan

if TYPE_CHECKING:
    from mien.train.watch import Watcher

FAMILIES = {"vgg19": "vgg19", "resnet": "resnet18", "efficientnet": "efficientnet_b0"}
"""The families of the project, and the recipe that each is trained by."""


@dataclass(frozen=True)
class Options:
    """Options of a pipeline.

    ``families`` names of ``FAMILIES``, of recipes, or of timm's networks; ``budget``
    seconds in all, None for what suits the machine; ``overrides`` recipe keys for every training,
    such as ``optimizer.lr=1e-3``; ``teacher`` a bundle whose scores are learnt as well, "" for
    none; ``seed`` of split and trainings; ``draws`` resamples behind each interval.
    """

    families: tuple[str, ...] = tuple(FAMILIES)
    budget: float | None = None
    overrides: tuple[str, ...] = ()
    teacher: str = "default"
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
