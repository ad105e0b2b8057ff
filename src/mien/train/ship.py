"""From a run's folder to a bundle that anyone can use: network, graph, smaller weights, card."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.bundle import GRAPH, Bundle, Card, finish
from mien.data.sketch import merge
from mien.measure.calibrate import Calibration, fit
from mien.measure.predictions import Predictions
from mien.train import quantize, run
from mien.train import weights as files
from mien.train.export import export, speed
from mien.train.graph import Graph, Member
from mien.train.network import Network
from mien.train.recipe import Recipe
from mien.train.soup import FACT

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
        target: folder of the bundle.
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
        ArithmeticError: torch and ONNX Runtime differ.
    """
    fitted = Calibration() if calibrate is None else fit(calibrate)
    graph = Graph(
        [member(folder, weight=w) for folder, w in runs.items()], flip=flip,
        label_temperature=fitted.label_temperature, ballot_scaling=fitted.ballot_scaling,
    )  # fmt: skip
    card = card_of(runs, name=name, flip=flip)
    card = replace(card, calibration=fitted.to_dict(), frame=dict(frame or {}))
    bundle = export(graph, target, card, probe=crops[:16])
    card = bundle.card
    if weights != "float32":
        with tempfile.TemporaryDirectory() as scratch:
            small = Path(scratch) / GRAPH
            if weights == "int8":
                quantize.to_int8(bundle.graph, small, crops[:: max(1, len(crops) // 512)][:512])
            else:
                quantize.to_fp16_weights(bundle.graph, small)
            closeness = quantize.fidelity(bundle.graph, small, crops)
            bundle.graph.write_bytes(small.read_bytes())
        stored = {"weights": weights, "against_float32_on_training_crops": closeness.to_dict()}
        card = replace(card, network=card.network | stored)
    return finish(target, replace(card, cost=card.cost | speed(bundle.graph)))


def card_of(runs: Mapping[Path, float], *, name: str, flip: bool) -> Card:
    """A card with what is known before a graph exists."""
    members, starts, known = [], [], []
    for folder, weight in runs.items():
        _, recipe, facts = open_run(folder)
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
        data=_data(known),
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
    network, _, facts = open_run(folder)
    files.write(network, bundle / files.FILE, facts={"origin": facts["start"]}, half=True)
