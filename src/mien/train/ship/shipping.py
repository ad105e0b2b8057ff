"""From finished runs to one bundle, or to one run with the mean of their weights.

Fine-tuned from one start by different draws or recipes, networks lie in one basin of the loss, and
their mean is often better than each. Source: Wortsman et al., Model soups, ICML 2022.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from mien.atomic import PART
from mien.bundle import CARD, GRAPH, Bundle, Card, finish
from mien.data.sketch import merge
from mien.measure.calibrate import Calibration, fit
from mien.measure.predictions import Predictions
from mien.train import run, weights
from mien.train.network import Network
from mien.train.recipe import Recipe, vary
from mien.train.ship import quantize
from mien.train.ship.export import export, speed
from mien.train.ship.graph import Graph, Member
from mien.train.ship.recalibrate import append

COUNTS = {"images": "pictures", "voted": "with votes"}
Weights = Literal["float32", "fp16", "int8"]


def open_run(folder: Path) -> tuple[Network, Recipe, dict[str, Any]]:
    """The averaged network of a finished run, its recipe and its facts.

    Raises:
        FileNotFoundError: the run is not finished, or is no run.
    """
    recipe, network = run.load_network(folder)
    return network, recipe, run.read_facts(folder)


def member(folder: Path, *, weight: float = 1.0) -> Member:
    """A finished run as a member of a graph."""
    network, recipe, _ = open_run(folder)
    return Member(network, recipe.network.size, recipe.network.crop, weight=weight)


def ship(
    runs: Mapping[Path, float],
    target: Path,
    *,
    name: str,
    flip: bool,
    weights: Weights,
    crops: NDArray[np.uint8],
    calibrate: Predictions | None = None,
    frame: Mapping[str, tuple[float, float]] | None = None,
) -> Bundle:
    """Export finished runs, averaged by their weights, as one bundle.

    Args:
        runs: run folder to weight in the average.
        target: folder of the bundle, which is written beside it and moved there at the end.
        name: what the bundle is called.
        flip: average mirror views inside the graph.
        weights: how they are stored; ``int8`` also computes in int8.
        crops: (N, 48, 48) uint8 Training crops: some 512 from all over them give int8 its
            ranges, all of them say how close the smaller graph is.
        calibrate: the same runs' uncalibrated scores on pictures none was trained on; label's
            temperature and the ballot's scaling are fitted to them.
        frame: where eyes, nose and mouth lie in a crop, for the card.

    Raises:
        FileNotFoundError: a run is not finished.
        ArithmeticError: torch and ONNX Runtime differ. What the target held stays.
    """
    fitted = Calibration() if calibrate is None else fit(calibrate)
    graph = Graph([member(folder, weight=w) for folder, w in runs.items()], flip=flip)
    card = card_of(runs, name=name, flip=flip)
    card = replace(card, calibration=fitted.to_dict(), frame=dict(frame or {}))
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}{PART}")
    shutil.rmtree(part, ignore_errors=True)  # what a killed export left
    try:
        bundle = export(graph, part, card, probe=crops[:16])
        card = bundle.card
        if weights != "float32":
            closeness = _shrink(bundle.graph, weights, crops)
            stored = {"weights": weights, "against_float32_on_training_crops": closeness.to_dict()}
            card = replace(card, network=card.network | stored)
        if calibrate is not None:  # last, so that int8 has no part in its arithmetic
            append(fitted, bundle.graph, bundle.graph)
        made = finish(part, replace(card, cost=card.cost | speed(bundle.graph)))
        target.mkdir(exist_ok=True)
        for name_of in (GRAPH, CARD):  # between the two the old card's hash refuses the new graph
            (part / name_of).replace(target / name_of)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Bundle(target, made.card)


def _shrink(graph: Path, weights: Weights, crops: NDArray[np.uint8]) -> quantize.Fidelity:
    """Replace a float32 graph by a smaller one; returns how close that is."""
    small = graph.with_name(f"small-{GRAPH}")
    if weights == "int8":
        quantize.to_int8(graph, small, crops[:: max(1, len(crops) // 512)][:512])
    else:
        quantize.to_fp16_weights(graph, small)
    closeness = quantize.fidelity(graph, small, crops)
    small.replace(graph)
    return closeness


def card_of(runs: Mapping[Path, float], *, name: str, flip: bool) -> Card:
    """A card with what is known before a graph exists."""
    members, starts, known, lines = [], [], [], []
    for folder, weight in runs.items():
        _, recipe, facts = open_run(folder)
        lines += [run.lineage(recipe, facts), *facts.get("teacher", {}).get("lineage", ())]
        told = {
            "run": folder.name, "trunk": recipe.network.trunk, "size": recipe.network.size,
            "crop": recipe.network.crop, "epochs": recipe.epochs, "weight": round(weight, 4),
        }  # fmt: skip
        if FACT in facts:
            told = told | {"mean_of": facts[FACT]}
        members.append(told)
        starts.append(facts["start"])
        known.append(facts | {"source": Path(recipe.data.path).name})
    return Card(
        name=name, sha256="", views=2 if flip else 1,
        network={"members": members, "weights": "float32"},
        start="; ".join(dict.fromkeys(starts)),
        data=_data(known), lineage=tuple(dict.fromkeys(lines)),
    )  # fmt: skip


def _data(known: list[dict[str, Any]]) -> dict[str, Any]:
    """What the members were trained on: folders, counts, and how to know the pictures again."""
    told = []
    for facts in known:
        counts = [f"{facts[key]:,} {what}" for key, what in COUNTS.items() if facts.get(key)]
        told.append(facts["source"] + (f" ({', '.join(counts)})" if counts else ""))
    return {
        "trained_on": "; ".join(dict.fromkeys(told)),
        "fingerprint": sorted({facts["data"] for facts in known}),
        "sketch": merge(facts["sketch"] for facts in known if "sketch" in facts),
    }


def carry(folder: Path, bundle: Path) -> None:
    """Put a run's weights into its bundle, fp16, so that a training can start from its name."""
    network, recipe, facts = open_run(folder)
    told = {"origin": run.lineage(recipe, facts)}
    weights.write(network, bundle / weights.FILE, facts=told, half=True)


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
        raise ValueError("a soup needs two or more runs, with weights above 0")
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
    each = " and ".join(run.lineage(run.read_recipe(p), run.read_facts(p)) for p in shares)
    facts |= {FACT: told, run.LINEAGE: f"{folder.name} (mean of {each})"}
    run.write_text(folder / run.FACTS, json.dumps(facts, indent=2) + "\n")
    weights.write(network, folder / weights.FILE, facts={"origin": facts[run.LINEAGE], FACT: told})


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
