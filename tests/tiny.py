"""A made bundle of a few ONNX nodes that honours the graph's contract, and a recipe of seconds."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mien.bundle import CARD, GRAPH, Card, sha256


def make_bundle(folder: Path, *, seed: int = 0, cam: bool = True) -> Path:
    """Write a bundle whose heads are linear in 4x4 block means of the crop; returns the folder."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)

    def constant(name: str, value: np.ndarray) -> onnx.TensorProto:
        return numpy_helper.from_array(value, name)

    nodes = [
        helper.make_node("Cast", ["faces"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["float", "axis"], ["grey"]),
        helper.make_node(
            "AveragePool", ["grey"], ["pooled"], kernel_shape=[12, 12], strides=[12, 12]
        ),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
    ]
    constants = [constant("axis", np.array([1], np.int64))]
    outputs = []
    for head, options in (("label", 7), ("ballot", 10)):
        weight = rng.normal(size=(16, options)).astype(np.float32) / 60
        constants.append(constant(f"w_{head}", weight))
        nodes.append(helper.make_node("MatMul", ["flat", f"w_{head}"], [f"z_{head}"]))
        nodes.append(helper.make_node("Softmax", [f"z_{head}"], [head], axis=1))
        outputs.append(helper.make_tensor_value_info(head, TensorProto.FLOAT, ["N", options]))
    if cam:
        constants.append(constant("w_cam", rng.normal(size=(7, 1, 1, 1)).astype(np.float32)))
        nodes.append(helper.make_node("Conv", ["pooled", "w_cam"], ["cam"]))
        outputs.append(helper.make_tensor_value_info("cam", TensorProto.FLOAT, ["N", 7, 4, 4]))
    graph = helper.make_graph(
        nodes, "tiny",
        [helper.make_tensor_value_info("faces", TensorProto.UINT8, ["N", 48, 48])],
        outputs, constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, folder / GRAPH)
    Card(name=folder.name, sha256=sha256(folder / GRAPH)).write(folder / CARD)
    return folder


def write_recipe(path: Path, *, epochs: int, trial_epochs: int) -> Path:
    """Write the recipe of a network that one core trains in seconds; returns the path."""
    path.write_text(f"""
epochs = {epochs}
batch_size = 16
data.nonfaces = 0.0
ema = 0.8
[network]
trunk = "test_resnet"
start = "random"
size = 24
trunk_args = {{ channels = [8, 8, 16, 16] }}
[tune]
epochs = {trial_epochs}
[tune.space]
"optimizer.lr" = {{ low = 1e-3, high = 1e-2, log = true }}
""")
    return path
