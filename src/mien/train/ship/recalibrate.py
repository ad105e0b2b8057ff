"""Calibration as part of a graph: of a new one when it ships, of a bundle without training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from mien.atomic import replacing
from mien.bundle import GRAPH, WEIGHTS, Bundle, finish
from mien.infer.crop import SIDE
from mien.measure.calibrate import Calibration, Flattening
from mien.measure.detail import KNOTS, STEADY
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
    drawn = {"label": calibration.label_detail, "ballot": calibration.ballot_detail}
    if any(drawn.values()):
        fineness = _fineness(_Nodes(model, "detail"))
        for head, flattening in drawn.items():
            if flattening is not None:
                _flatten(model, head, flattening, fineness)
    onnx.checker.check_model(model)
    with replacing(target) as part:
        onnx.save(model, part)


def _rescale(
    model: onnx.ModelProto, head: str, scale: Sequence[float], offset: Sequence[float]
) -> None:
    """Do to an output what ``calibrate.rescale`` does to scores."""
    add = _Nodes(model, _renamed(model, head))
    scaled = add("Mul", add.logarithm(), add.constant("scale", scale))
    add("Softmax", add("Add", scaled, add.constant("offset", offset)), named=head, axis=1)


def _flatten(model: onnx.ModelProto, head: str, flattening: Flattening, fineness: str) -> None:
    """Do to an output what ``Flattening.apply`` does to scores."""
    add = _Nodes(model, _renamed(model, head))
    lacking = add("Relu", add("Sub", add.constant("knots", [KNOTS]), fineness))  # (N, knots)
    slopes = add.constant("slopes", [flattening.slopes])
    factor = add("Exp", add("Neg", add.row_sum(add("Mul", lacking, slopes))))
    towards = add.constant("towards", [flattening.towards])
    away = add("Mul", add("Sub", add.logarithm(), towards), factor)
    add("Softmax", add("Add", away, towards), named=head, axis=1)


def _fineness(add: _Nodes) -> str:
    """``detail.detail`` of the graph's faces, (N, 1)."""
    grey = add("Cast", "faces", to=onnx.TensorProto.FLOAT)
    steady = add.constant("steady", STEADY)
    ratios = []
    for axis in (1, 2):
        first = add.difference(grey, axis)
        second = add.difference(first, axis)
        both = [
            add("Add", add.mean_square(each, SIDE * (SIDE - by)), steady)
            for each, by in ((second, 2), (first, 1))
        ]
        ratios.append(add("Div", *both))
    return add("Log", add("Min", *ratios))


class _Nodes:
    """Appends nodes to a graph, under names that begin with ``before``, the tensor they read."""

    def __init__(self, model: onnx.ModelProto, before: str) -> None:
        self.graph, self.before = model.graph, before

    def __call__(self, kind: str, *inputs: str, named: str = "", **attributes: Any) -> str:
        """A node's output; ``attributes`` as ``onnx.helper.make_node`` takes them."""
        output = named or f"{self.before}_{len(self.graph.node)}"
        self.graph.node.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, name: str, value: Any, kind: type = np.float32) -> str:
        """A constant tensor; the same name twice is the same tensor."""
        full = f"{self.before}_{name}"
        if all(each.name != full for each in self.graph.initializer):
            self.graph.initializer.append(numpy_helper.from_array(np.asarray(value, kind), full))
        return full

    def logarithm(self) -> str:
        """Of the scores before."""
        return self("Log", self("Max", self.before, self.constant("least", TINY)))

    def difference(self, tensor: str, axis: int) -> str:
        """Each value less the one before it, along an axis."""
        first, one, last, end, along = (
            self.constant(f"at_{value}", [value], np.int64) for value in (0, 1, -1, SIDE, axis)
        )
        later = self("Slice", tensor, one, end, along)
        return self("Sub", later, self("Slice", tensor, first, last, along))

    def row_sum(self, tensor: str) -> str:
        """(N, 1) of (N, K); as operator sets from 13 on have it."""
        return self("ReduceSum", tensor, self.constant("columns", [1], np.int64), keepdims=1)

    def mean_square(self, tensor: str, count: int) -> str:
        """Of each face's ``count`` values, (N, 1)."""
        total = self.row_sum(self("Flatten", self("Mul", tensor, tensor), axis=1))
        return self("Div", total, self.constant(f"of_{count}", float(count)))


def _renamed(model: onnx.ModelProto, head: str) -> str:
    """The new name of what was an output until now: ``label_0`` before any calibration."""
    taken = {name for node in model.graph.node for name in node.output}
    stage = next(i for i in range(len(taken)) if f"{head}_{i}" not in taken)
    before = f"{head}_{stage}"
    for node in model.graph.node:
        for names in (node.input, node.output):
            for i, given in enumerate(names):
                if given == head:
                    names[i] = before
    return before
