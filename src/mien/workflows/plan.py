"""Fits trainings to a time budget: how large the pictures, how many epochs, how long."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from mien.workflows.teaching import Teaching

UNITS = {"s": 1, "m": 60, "h": 3600, "": 60}
ENOUGH = 10
"""Epochs below which a smaller picture size is worth more than a larger one."""
MOST = 60
"""Epochs beyond which more of them bring little, whatever the budget."""
RESERVE = 0.08
"""Share of the budget for preparing, exporting and measuring, and for speeds that fall."""
SMALL_EPOCHS = (0.7, 0.35)
"""Shares of the epochs that may run at the smaller of two sizes, the cheaper first; with it a slow
network has its larger pictures late."""


@dataclass(frozen=True)
class Choice:
    """One training of the plan: ``sizes`` in pixels, the first for the early epochs.

    Of two sizes the first has the share ``small`` of the epochs. ``seconds`` is 0 where the recipe
    is trained as it is written.
    """

    member: str
    recipe: str
    sizes: tuple[int, ...]
    epochs: int
    seconds: float
    small: float = SMALL_EPOCHS[-1]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self) | {"sizes": list(self.sizes), "seconds": round(self.seconds, 1)}


@dataclass(frozen=True)
class Plan:
    """The trainings that a budget of ``budget`` seconds allows, in the order in which they run.

    A budget of 0 is none. ``teaching`` is the teacher's share in the members' targets.
    """

    budget: float
    choices: tuple[Choice, ...]
    teaching: Teaching = field(default_factory=Teaching)

    @property
    def seconds(self) -> float:
        """Expected length of all trainings."""
        return sum(choice.seconds for choice in self.choices)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        members = [choice.to_dict() for choice in self.choices]
        return {"budget": self.budget, "teaching": asdict(self.teaching), "members": members}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Plan:
        """What ``to_dict`` wrote."""
        choices = [Choice(**each | {"sizes": tuple(each["sizes"])}) for each in raw["members"]]
        return cls(float(raw["budget"]), tuple(choices), Teaching(**raw.get("teaching", {})))


def to_seconds(text: str) -> float:
    """``90s``, ``45m``, ``1.5h``; a bare number is minutes.

    Raises:
        ValueError: anything else.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if not match or not float(match[1]):
        raise ValueError(f"--budget {text!r}: give a time such as 90s, 45m or 2h")
    return float(match[1]) * UNITS[match[2]]


def make(
    speeds: Mapping[str, Mapping[int, float]],
    recipes: Mapping[str, str],
    *,
    images: int,
    budget: float,
    overhead: float = 0.0,
) -> Plan:
    """Share a budget among trainings.

    A slow network gets more time than a fast one, but fewer epochs: time is shared by the square
    root of what an epoch costs. Each takes the largest pictures at which its time allows
    ``ENOUGH`` epochs. What rounding leaves gives one epoch more, to slow networks first.

    Args:
        speeds: member to picture size to images a second, as measured on this machine.
        recipes: member to the name of its recipe.
        images: pictures of an epoch.
        budget: seconds in all.
        overhead: seconds that are known to go to other work.

    Raises:
        ValueError: the budget does not allow one epoch of each; the message says what would.
    """
    cost = {member: images / min(by_size.values()) for member, by_size in speeds.items()}
    weight = {member: math.sqrt(seconds) for member, seconds in cost.items()}
    left = budget * (1 - RESERVE) - overhead
    choices = []
    for member, by_size in speeds.items():
        share = left * weight[member] / sum(weight.values())
        chosen = _choose(by_size, images=images, seconds=share)
        choices.append(Choice(member, recipes[member], *chosen))
    if any(choice.epochs < 1 for choice in choices):
        cheapest = {m: images / max(by_size.values()) for m, by_size in speeds.items()}
        needed = max(c * sum(weight.values()) / weight[m] for m, c in cheapest.items())
        minutes = math.ceil((needed * 1.05 + overhead) / (1 - RESERVE) / 60)
        raise ValueError(
            f"a budget of {budget / 60:.3g} min is too short here for an epoch of each of "
            f"{', '.join(speeds)}; give --budget {minutes}m, or fewer --families"
        )
    return Plan(budget, tuple(_fill(sorted(choices, key=lambda choice: choice.seconds), left)))


def _fill(choices: list[Choice], seconds: float) -> list[Choice]:
    """The same with an epoch more of each that still fits into ``seconds``, the last first."""
    spare, filled = seconds - sum(choice.seconds for choice in choices), []
    for choice in reversed(choices):
        epoch = choice.seconds / choice.epochs
        more = int(choice.epochs < MOST and epoch <= spare)
        spare -= more * epoch
        filled.append(
            replace(choice, epochs=choice.epochs + more, seconds=choice.seconds + more * epoch)
        )
    return filled[::-1]


def _choose(
    by_size: Mapping[int, float], *, images: int, seconds: float
) -> tuple[tuple[int, ...], int, float, float]:
    """The largest pictures with which ``seconds`` allow enough epochs, else the smallest.

    Returns:
        Sizes, epochs, the seconds that these take, and the share of the first size.
    """
    ascending = sorted(by_size)
    options: list[tuple[tuple[int, ...], float]] = [
        (pair, share) for pair in itertools.pairwise(ascending) for share in SMALL_EPOCHS
    ]
    for sizes, share in [*reversed(options), ((ascending[0],), 1.0)]:
        small, large = images / by_size[sizes[0]], images / by_size[sizes[-1]]
        each = share * small + (1 - share) * large
        epochs = min(MOST, int(seconds / each))
        if epochs >= ENOUGH:
            break
    return sizes, epochs, epochs * each, share
