"""Calibration as part of a graph: of a new one when it ships, of a bundle without training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from mien.atomic import replacing
from mien.bundle import GRAPH, WEIGHTS, Bundle, finish
from mien.measure.calibrate import Calibration
from mien.measure.metrics import TINY


def recalibrate(bundle: Bundle, calibration: Calibration, target: Path, *, name: str) -> Bundle:
    """Write a bundle with a further calibration appended to its graph.

    The card tells both, and leaves out figures that were measured on the old scores.

    Args:
        bundle: stays as it is.
        calibration: fitted to the bundle's own scores.
        target: another folder; made where it is missing.
        name: what the new bundle is called.

    Raises:
        ValueError: ``target`` is the bundle's own folder.
    """
    if target.exists() and target.samefile(bundle.path):
        raise ValueError(f"{target}: is the model itself; choose another --out")
    target.mkdir(parents=True, exist_ok=True)
    append(calibration, bundle.graph, target / GRAPH)
    (target / WEIGHTS).unlink(missing_ok=True)  # those of an earlier export to this folder
    told = calibration.to_dict()
    if bundle.card.calibration:
        told["after"] = bundle.card.calibration
    return finish(target, replace(bundle.card, name=name, calibration=told, metrics={}))


def append(calibration: Calibration, source: Path, target: Path) -> None:
    """Write the graph of ``source`` with a calibration behind it to ``target``, which may be it."""
    model = onnx.load(source)
    _rescale(model, "label", [1 / calibration.label_temperature], [0.0])
    if calibration.ballot_scaling is not None:
        ballot = calibration.ballot_scaling
        _rescale(model, "ballot", ballot.scale, ballot.offset)
    onnx.checker.check_model(model)
    with replacing(target) as part:
        onnx.save(model, part)


def _rescale(
    model: onnx.ModelProto, head: str, scale: Sequence[float], offset: Sequence[float]
) -> None:
    """Do to an output what ``calibrate.rescale`` does to scores."""
    taken = {name for node in model.graph.node for name in node.output}
    stage = next(i for i in range(len(taken)) if f"{head}_{i}" not in taken)
    before = f"{head}_{stage}"
    for node in model.graph.node:
        for names in (node.input, node.output):
            for i, given in enumerate(names):
                if given == head:
                    names[i] = before
    constants = {"least": TINY, "scale": scale, "offset": offset}
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value, np.float32), f"{before}_{key}")
        for key, value in constants.items()
    )
    steps = [
        helper.make_node("Max", [before, f"{before}_least"], [f"{before}_above"]),
        helper.make_node("Log", [f"{before}_above"], [f"{before}_log"]),
        helper.make_node("Mul", [f"{before}_log", f"{before}_scale"], [f"{before}_scaled"]),
        helper.make_node("Add", [f"{before}_scaled", f"{before}_offset"], [f"{before}_shifted"]),
        helper.make_node("Softmax", [f"{before}_shifted"], [head], axis=1),
    ]
    model.graph.node.extend(steps)
