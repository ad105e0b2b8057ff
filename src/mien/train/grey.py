"""A first convolution that reads grey pictures once, where a trunk wants them thrice."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper


def read_once(model: onnx.ModelProto) -> bool:
    """Let a graph's first convolution read one channel where it reads three shifted copies of it.

    Its weights are summed over the copies and its biases take the shifts, so nothing changes but
    the margin: each copy was padded with zeros after its own shift, and the one that is left is
    padded with the grey value that stands for all three best. Two thirds of its multiply-adds go.

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
    """One channel's weights, what its biases gain, and the grey value to subtract and pad with.

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
