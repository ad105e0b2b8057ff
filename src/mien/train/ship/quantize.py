"""Smaller graphs after training: int8 by static quantisation, or weights kept as float16."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from mien.emotions import EMOTIONS
from mien.infer.session import best_batch, open_session

FLOAT_FIRST = 2
"""Convolutions at the start, on the largest maps, that int8 leaves alone. In the face MobileNet the
first depthwise one alone made more than half of the error. A third in float32 would win a twentieth
of what error is left, for a tenth more time.
"""
CROPS_AT_A_TIME = 8
"""Crops at a time whose inner maps are looked at."""
LEAST_ELEMENTS = 1024
"""Elements below which a weight is not worth storing as float16."""


class _Crops(CalibrationDataReader):  # type: ignore[misc]
    """Feeds crops in batches; the base class fixes the method's name."""

    def __init__(self, crops: NDArray[np.uint8], batch: int = 64) -> None:
        self.feeds: Iterator[dict[str, NDArray[np.uint8]]] = (
            {"faces": crops[at : at + batch]} for at in range(0, len(crops), batch)
        )

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        return next(self.feeds, None)


def to_int8(source: Path, target: Path, crops: NDArray[np.uint8]) -> None:
    """Quantise convolutions, weights per channel; the first two, heads and maps stay in float.

    The first reads grey once, where it read three copies (``grey.read_once``).

    Processors with AVX2 but without VNNI add pairs of products in 16 bits, which eight-bit weights
    can overflow, and the graph must score alike everywhere. So a dense channel's range is as wide
    as its largest pair of neighbours (``pair_range``), which costs less than the seven bits that
    are usual. Depthwise channels, which are not multiplied so, keep their own range.

    Args:
        source: float32 graph as ``export`` writes it.
        target: where the int8 graph goes.
        crops: (N, 48, 48) uint8 Training crops that the ranges are taken from.
    """
    model = onnx.load(source)
    read_once(model)
    convs = [node for node in model.graph.node if node.op_type == "Conv"]
    outputs = {value.name for value in model.graph.output}
    arrays = {weight.name: numpy_helper.to_array(weight) for weight in model.graph.initializer}
    maps = len(EMOTIONS)  # what a 1x1 convolution for class-activation maps outputs
    heads = [n.name for n in convs if n.output[0] in outputs or len(arrays[n.input[1]]) == maps]
    ranges = {
        node.input[1]: [
            {"axis": 0, "quant_type": QuantType.QInt8, "rmin": -r, "rmax": r}
            for r in pair_range(arrays[node.input[1]])
        ]
        for node in convs
    }
    logging.getLogger().setLevel(logging.ERROR)  # quantize_static warns on the root logger
    quantize_static(
        model, target, _Crops(crops), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
        op_types_to_quantize=["Conv", "Clip", "Relu", "Add"],
        nodes_to_exclude=[*(conv.name for conv in convs[:FLOAT_FIRST]), *heads],
        extra_options={"TensorQuantOverrides": ranges},
    )  # fmt: skip
    correct_biases(source, target, crops)


def correct_biases(source: Path, target: Path, crops: NDArray[np.uint8]) -> None:
    """Shift each int8 convolution's biases so that its channels' means are those in float32.

    Rounded weights shift the mean of what a channel outputs, and depthwise ones of few weights
    most. First to last, each with those before it corrected. Source: Nagel et al., Data-free
    quantization through weight equalization and bias correction, ICCV 2019.

    Args:
        source: the float32 graph.
        target: its int8 graph as ``quantize_static`` writes it; rewritten.
        crops: (N, 48, 48) uint8 Training crops that the means are taken over.
    """
    model = onnx.load(source)
    convs = {node.name: node.output[0] for node in model.graph.node if node.op_type == "Conv"}
    wanted = _channel_means(model, list(convs.values()), crops)
    small = onnx.load(target)
    biases = {weight.name: weight for weight in small.graph.initializer}
    for node in small.graph.node:
        stored = biases.get(f"{node.input[2]}_quantized") if len(node.input) > 2 else None
        if node.op_type != "Conv" or stored is None:
            continue
        output = node.output[0]
        off = wanted[convs[node.name]] - _channel_means(small, [output], crops)[output]
        step = numpy_helper.to_array(biases[f"{node.input[2]}_quantized_scale"])
        shifted = numpy_helper.to_array(stored) + np.rint(off / step)
        stored.CopyFrom(numpy_helper.from_array(shifted.astype(np.int32), stored.name))
    onnx.save(small, target)


def _channel_means(
    model: onnx.ModelProto, names: list[str], crops: NDArray[np.uint8]
) -> dict[str, NDArray[np.float64]]:
    """Mean of each channel of the named (N, C, H, W) values inside a graph."""
    open_model = onnx.ModelProto()
    open_model.CopyFrom(model)
    there = {value.name for value in model.graph.output}
    open_model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name in names
        if name not in there
    )
    session = onnxruntime.InferenceSession(
        open_model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    total = {name: np.zeros(()) for name in names}
    for at in range(0, len(crops), CROPS_AT_A_TIME):
        for name, value in zip(
            names, session.run(names, {"faces": crops[at : at + CROPS_AT_A_TIME]}), strict=True
        ):
            total[name] = total[name] + value.mean(axis=(2, 3), dtype=np.float64).sum(axis=0)
    return {name: value / len(crops) for name, value in total.items()}


def pair_range(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """The value that 127 stands for in each channel of a convolution's int8 weights.

    The largest weight, or the largest sum of two weights of one sign that are neighbours in either
    layout's order: then two products with 0..255 never leave 16 bits.

    Args:
        weight: (out, in, h, w); depthwise where ``in`` is 1.

    Returns:
        (out,).
    """
    flat = np.abs(weight).reshape(len(weight), -1)
    widest = flat.max(axis=1)
    if weight.shape[1] > 1:
        for order in ((0, 1, 2, 3), (0, 2, 3, 1)):
            row = weight.transpose(order).reshape(len(weight), -1)
            pairs = np.where(row[:, 1:] * row[:, :-1] > 0, np.abs(row[:, 1:] + row[:, :-1]), 0.0)
            widest = np.maximum(widest, pairs.max(axis=1, initial=0.0))
    result: NDArray[np.float32] = np.maximum(widest, np.finfo(np.float32).tiny)
    return result


def to_fp16_weights(source: Path, target: Path) -> None:
    """Store large weights as float16 with a cast to float32 behind each: half the size.

    Runtimes fold the casts when they load the graph, so the arithmetic stays float32.
    """
    model = onnx.load(source)
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < LEAST_ELEMENTS:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name + "_fp16"))
        casts.append(helper.make_node("Cast", [name + "_fp16"], [name], to=TensorProto.FLOAT))
    for position, cast in enumerate(casts):
        model.graph.node.insert(position, cast)
    onnx.checker.check_model(model)
    onnx.save(model, target)


@dataclass(frozen=True)
class Fidelity:
    """How close a smaller graph stays to its float32 original on the same crops.

    ``agreement``: share of crops with the same most probable label; ``mean_gap`` and ``max_gap``:
    absolute difference of label probabilities.
    """

    agreement: float
    mean_gap: float
    max_gap: float

    def to_dict(self) -> dict[str, float]:
        """Rounded for a card."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def fidelity(original: Path, smaller: Path, crops: NDArray[np.uint8]) -> Fidelity:
    """Compare two graphs on (N, 48, 48) uint8 crops."""
    a, b = (_label(graph, crops) for graph in (original, smaller))
    gap = np.abs(a - b)
    return Fidelity(
        agreement=float((a.argmax(1) == b.argmax(1)).mean()),
        mean_gap=float(gap.mean()),
        max_gap=float(gap.max()),
    )


def _label(graph: Path, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Label shares by one session, in batches small enough for an ensemble at 144 pixels."""
    session = open_session(graph)
    size = best_batch(session)
    parts = [
        session.run(["label"], {"faces": crops[at : at + size]})[0]
        for at in range(0, len(crops), size)
    ]
    return np.concatenate(parts)


def read_once(model: onnx.ModelProto) -> bool:
    """Let a graph's first convolution read one channel where it reads three shifted copies of it.

    Its weights are summed over the copies and its biases take the shifts, so nothing changes but
    the margin: each copy was padded with zeros after its own shift, and the remaining channel
    is padded with the least-squares grey value. Two thirds of its multiply-adds go.

    Args:
        model: graph of one network as ``export`` writes it; changed in place.

    Returns:
        Whether there was such a convolution: a network that divides by deviations has none, and
        neither has an ensemble.
    """
    values = {weight.name: weight for weight in model.graph.initializer}
    convs = [node for node in model.graph.node if node.op_type == "Conv"]
    subs = [node for node in model.graph.node if node.op_type == "Sub" and node.input[1] in values]
    if len(subs) != 1 or not convs or convs[0].input[0] != subs[0].output[0]:
        return False
    readers = [node for node in model.graph.node if subs[0].output[0] in node.input]
    if len(readers) != 1 or len(convs[0].input) < 3:  # a folded norm would have left a bias
        return False
    weight, bias = (numpy_helper.to_array(values[name]) for name in convs[0].input[1:3])
    mean = numpy_helper.to_array(values[subs[0].input[1]])
    if mean.size != 3 or weight.shape[1] != 3:
        return False
    one, shift, grey = sum_copies(weight, mean.reshape(3))
    _set(values[convs[0].input[1]], one)
    _set(values[convs[0].input[2]], bias + shift)
    _set(values[subs[0].input[1]], np.full((1, 1, 1, 1), grey))
    del model.graph.value_info[:]  # they tell of three channels
    return True


def sum_copies(
    weight: NDArray[np.float32], mean: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """One channel's weights, the change of its biases, and the grey value to subtract and pad by.

    Args:
        weight: (out, 3, h, w).
        mean: (3,) that each copy had subtracted.

    Returns:
        (out, 1, h, w), (out,), and the value that changes a padded place least, in squares.
    """
    wide = weight.astype(np.float64)
    one = wide.sum(axis=1, keepdims=True)
    moved = (wide * mean[:, None, None]).sum(axis=1, keepdims=True)
    grey = float((one * moved).sum() / max(float((one**2).sum()), np.finfo(float).tiny))
    return one, (grey * one - moved).sum(axis=(1, 2, 3)), grey


def _set(weight: onnx.TensorProto, values: NDArray[np.float64]) -> None:
    weight.CopyFrom(numpy_helper.from_array(values.astype(np.float32), weight.name))
