"""Pooled features come out of a bundle's graph as it is, and are what its heads read."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import mien
from mien.bundle import CARD, GRAPH, BundleError, Card, sha256
from mien.onnxfile import linear_inputs, with_outputs
from tests.tiny import make_bundle

CROPS = np.random.default_rng(0).integers(0, 256, (11, 48, 48), dtype=np.uint8)


def blocks(crops, side):
    """Means of square blocks: (N, (48 / side) ** 2)."""
    n = 48 // side
    return crops.reshape(-1, n, side, n, side).mean(axis=(2, 4)).reshape(len(crops), -1)


def two_networks(folder):
    """A bundle of two networks, whose first sees faces and mirrors in one batch, like ours."""
    rng = np.random.default_rng(1)
    constants = [
        numpy_helper.from_array(np.array(v, np.int64), k)
        for k, v in {"one": [1], "zero": [0], "two": [2], "back": [-1], "least": [-99]}.items()
    ]
    nodes = [
        helper.make_node("Cast", ["faces"], ["plain"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["plain", "one"], ["grey"]),
        helper.make_node("Slice", ["plain", "back", "least", "two", "back"], ["mirror"]),
        helper.make_node("Unsqueeze", ["mirror", "one"], ["mirrored"]),
        helper.make_node("Concat", ["grey", "mirrored"], ["both"], axis=0),
    ]
    for i, (seen, side) in enumerate((("both", 24), ("grey", 12))):
        pooled = {"kernel_shape": [side, side], "strides": [side, side]}
        nodes.append(helper.make_node("AveragePool", [seen], [f"pool{i}"], **pooled))
        nodes.append(helper.make_node("Flatten", [f"pool{i}"], [f"flat{i}"]))
        for head, options in (("label", 7), ("ballot", 10)):
            weight = rng.normal(size=((48 // side) ** 2, options)).astype(np.float32) / 60
            constants.append(numpy_helper.from_array(weight, f"w_{head}{i}"))
            nodes.append(helper.make_node("MatMul", [f"flat{i}", f"w_{head}{i}"], [f"z_{head}{i}"]))
    for head in ("label", "ballot"):
        nodes += [
            helper.make_node("Split", [f"z_{head}0"], [f"a_{head}", f"b_{head}"], num_outputs=2),
            helper.make_node("Sum", [f"a_{head}", f"b_{head}", f"z_{head}1"], [f"sum_{head}"]),
            helper.make_node("Softmax", [f"sum_{head}"], [head], axis=1),
        ]
    graph = helper.make_graph(
        nodes, "two", [helper.make_tensor_value_info("faces", TensorProto.UINT8, ["N", 48, 48])],
        [helper.make_tensor_value_info(h, TensorProto.FLOAT, ["N", n])
         for h, n in (("label", 7), ("ballot", 10))],
        constants,
    )  # fmt: skip
    folder.mkdir()
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, folder / GRAPH)
    Card(name=folder.name, sha256=sha256(folder / GRAPH)).write(folder / CARD)
    return folder


def test_features_are_what_the_heads_read_in_batches_of_any_size(tmp_path):
    model = mien.load(make_bundle(tmp_path / "tiny"), threads=1)
    before = model.bundle.graph.read_bytes()
    vectors = model.embed(CROPS)
    assert vectors.dtype == np.float32 and np.allclose(vectors, blocks(CROPS, 12), atol=1e-4)
    assert np.array_equal(vectors, model.embed(CROPS, batch_size=4))
    assert model.embed([]).shape == (0, 16)
    assert model.bundle.graph.read_bytes() == before
    with pytest.raises(ValueError, match="batch_size 0"):
        model.embed(CROPS, batch_size=0)


def test_networks_stand_side_by_side_and_mirror_views_are_averaged(tmp_path):
    model = mien.load(two_networks(tmp_path / "two"), threads=1)
    first = (blocks(CROPS, 24) + blocks(CROPS[:, :, ::-1], 24)) / 2
    wanted = np.concatenate([first, blocks(CROPS, 12)], axis=1)
    assert np.allclose(model.embed(CROPS), wanted, atol=1e-4)


def test_the_embedded_model_has_features():
    vectors = mien.load(threads=1).embed(CROPS)
    assert vectors.shape == (11, 1024) and vectors.std(axis=0).max() > 0


def test_the_onnx_package_reads_the_same_names_and_outputs(tmp_path):
    data = (two_networks(tmp_path / "two") / GRAPH).read_bytes()
    assert linear_inputs(data, "ballot") == ["flat0", "flat1"]
    long = "n" * 300  # whose size takes two bytes
    changed = onnx.load_model_from_string(with_outputs(data, ["flat0", long]))
    assert [o.name for o in changed.graph.output] == ["label", "ballot", "flat0", long]
    assert len(changed.graph.node) == len(onnx.load_model_from_string(data).graph.node)


def test_a_graph_without_a_linear_layer_is_named(tmp_path):
    folder = make_bundle(tmp_path / "tiny")
    graph = onnx.load(folder / GRAPH)
    for node in graph.graph.node:
        if node.op_type == "MatMul":
            node.op_type = "Einsum"
            node.attribute.append(helper.make_attribute("equation", "nk,km->nm"))
    onnx.save(graph, folder / GRAPH)
    Card(name="tiny", sha256=sha256(folder / GRAPH)).write(folder / CARD)
    model = mien.load(folder, threads=1)
    assert model.classify(CROPS).label.shape == (11, 7)
    with pytest.raises(BundleError, match="gives no embeddings"):
        model.embed(CROPS)
