"""The mean of several runs' weights, as a run of its own: one network at one network's cost.

Fine-tuned from one start by different draws or recipes, networks lie in one basin of the loss, and
their mean is often better than each. Source: Wortsman et al., Model soups, ICML 2022.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from mien.train import run, weights
from mien.train.recipe import Recipe, vary

FACT = "soup"
"""Key of ``run.json``: the run folders' names and their shares."""


def soup(runs: Mapping[Path, float], folder: Path) -> None:
    """Write the weighted mean of finished runs' weights as a run that ``mien export`` takes.

    Its recipe is the first run's; batch norms' statistics are averaged like weights.

    Args:
        runs: run folder to share; shares are scaled to sum to 1.
        folder: of the new run.

    Raises:
        FileNotFoundError: a run is not finished, or is none.
        ValueError: fewer than two runs, shares that are not positive, networks that differ, runs
            of different data, or a folder that holds another run.
    """
    if len(runs) < 2 or min(runs.values()) <= 0:
        raise ValueError("a mean takes two or more runs, with shares above 0")
    shares = {path: share / sum(runs.values()) for path, share in runs.items()}
    first = next(iter(runs))
    recipe, network = run.load_network(first)
    facts = run.read_facts(first)
    mean = {
        key: value.double() * shares[first] if value.is_floating_point() else value
        for key, value in network.state_dict().items()
    }
    for path in list(shares)[1:]:
        other, member = run.load_network(path)
        _check(recipe, other, first, path)
        if not (torch.equal(network.mean, member.mean) and torch.equal(network.std, member.std)):
            raise ValueError(
                f"{path}: its network.mean or network.std differs from {first}'s; train both with "
                "the same (mien ensemble joins others)"
            )
        if run.read_facts(path)["data"] != facts["data"]:
            raise ValueError(
                f"{path}: was trained on other data than {first}; train both on the same"
            )
        for key, value in member.state_dict().items():
            if value.is_floating_point():
                mean[key] += value.double() * shares[path]
    network.load_state_dict(mean)
    told = {path.name: round(share, 4) for path, share in shares.items()}
    if (folder / run.RECIPE).exists() and run.read_facts(folder).get(FACT) != told:
        raise ValueError(f"{folder}: holds another run; give another --out")
    folder.mkdir(parents=True, exist_ok=True)
    run.write_text(folder / run.RECIPE, vary(recipe, {"name": folder.name}).to_toml())
    run.write_text(folder / run.FACTS, json.dumps(facts | {FACT: told}, indent=2) + "\n")
    weights.write(network, folder / weights.FILE, facts={"origin": facts["start"], FACT: told})


def _check(one: Recipe, other: Recipe, first: Path, path: Path) -> None:
    apart = {"start", "init", "dropout", "size", "mean", "std"}
    differ = [
        key
        for key, value in one.network.model_dump(exclude=apart).items()
        if value != getattr(other.network, key)
    ]
    if differ:
        raise ValueError(
            f"{path}: its network.{', network.'.join(differ)} differs from {first}'s; only weights "
            "of one network have a mean (mien ensemble joins others)"
        )
