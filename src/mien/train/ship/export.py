"""From a trained network to a bundle: one ONNX graph, checked against torch, and its card."""

from __future__ import annotations

import contextlib
import io
import logging
import platform
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from mien.atomic import replacing
from mien.bundle import GRAPH, Bundle, Card, finish
from mien.infer.session import best_batch, only_asked_for
from mien.train.ship.graph import Graph

OPSET = 18
TOLERANCE = 1e-4
OUTPUTS = ("label", "ballot", "cam")


def export(graph: Graph, folder: Path, card: Card, *, probe: NDArray[np.uint8]) -> Bundle:
    """Write ``model.onnx`` in float32 and ``card.json``.

    Args:
        graph: in any mode; it is put into evaluation mode.
        folder: made where it is missing.
        card: its ``sha256`` and ``cost`` are filled in here.
        probe: (N, 48, 48) uint8 crops on which torch and ONNX Runtime are compared.

    Raises:
        ArithmeticError: the two differ by more than ``TOLERANCE`` on any output.
    """
    folder.mkdir(parents=True, exist_ok=True)
    graph.eval()
    with replacing(folder / GRAPH) as part:
        to_onnx(graph, part)
        gap = difference(graph, part, probe)
        if gap > TOLERANCE:
            raise ArithmeticError(f"{folder}: torch and ONNX Runtime differ by {gap:.2g}")
    return finish(folder, replace(card, cost=cost(graph)))


def to_onnx(graph: nn.Module, path: Path) -> None:
    """Trace with a free batch axis; batch norms are folded and paddings moved into convolutions."""
    example = torch.zeros(2, 48, 48, dtype=torch.uint8)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program: Any = torch.onnx.export(
            graph, (example,), dynamo=True, opset_version=OPSET, verbose=False,
            input_names=["faces"], output_names=list(OUTPUTS),
            dynamic_shapes={"faces": {0: torch.export.Dim("N")}},
        )  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        raw, lean = Path(scratch) / "raw.onnx", Path(scratch) / "lean.onnx"
        program.save(raw)
        options = onnxruntime.SessionOptions()
        # "Basic" holds only rewrites that every ONNX runtime understands.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(lean)
        onnxruntime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
        model = onnx.load(lean)
    merge_pads(model)
    model.producer_name, model.doc_string = "mien", ""
    model.graph.doc_string = ""
    del model.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    keep_only_used_opsets(model)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def keep_only_used_opsets(model: onnx.ModelProto) -> None:
    """Drop the imports of operator sets that no node uses."""
    used = {node.domain for node in model.graph.node}
    kept = [opset for opset in model.opset_import if opset.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def merge_pads(model: onnx.ModelProto) -> None:
    """Move zero paddings before a convolution into its ``pads``; a Pad node costs a copy."""
    constants = {init.name: onnx.numpy_helper.to_array(init) for init in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t)
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    for pad in [node for node in model.graph.node if node.op_type == "Pad"]:
        mode = next((a.s for a in pad.attribute if a.name == "mode"), b"constant")
        convs = users.get(pad.output[0], [])
        widths = constants.get(pad.input[1])
        value = constants.get(pad.input[2]) if len(pad.input) > 2 and pad.input[2] else 0.0
        if (
            mode != b"constant" or widths is None or value is None or np.any(value)
            or widths[[0, 1, 4, 5]].any() or not convs or len(pad.input) > 3
            or any(conv.op_type != "Conv" for conv in convs)
        ):  # fmt: skip
            continue
        for conv in convs:
            own = next((a for a in conv.attribute if a.name == "pads"), None)
            before = np.array(own.ints) if own is not None else np.zeros(4, int)
            if own is not None:
                conv.attribute.remove(own)
            total = [int(v) for v in before + widths[[2, 3, 6, 7]]]
            conv.attribute.append(onnx.helper.make_attribute("pads", total))
            conv.input[0] = pad.input[0]
        model.graph.node.remove(pad)


def run(path: Path, faces: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Every output of a graph on the CPU."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    outputs: list[NDArray[np.float32]] = session.run(list(OUTPUTS), {"faces": faces})
    return outputs


@torch.no_grad()
def difference(graph: Graph, path: Path, probe: NDArray[np.uint8]) -> float:
    """Largest difference between torch and ONNX Runtime, maps relative to their largest value."""
    expected = [t.numpy() for t in graph(torch.from_numpy(probe))]
    gaps = [np.abs(a - b).max() for a, b in zip(expected, run(path, probe), strict=True)]
    gaps[2] /= max(float(np.abs(expected[2]).max()), 1.0)
    return float(max(gaps))


def cost(graph: Graph) -> dict[str, Any]:
    """Parameters, and multiply-adds for one face with all its views."""
    macs = 0

    def count(module: nn.Module, args: Any, output: torch.Tensor) -> None:
        nonlocal macs
        weight = module.weight
        if isinstance(weight, torch.Tensor):
            # the first axis holds the mirror views of the one face
            positions = output[:, 0].numel()
            macs += weight.numel() * positions

    layers = [m for m in graph.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    handles = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        graph.eval()(torch.zeros(1, 48, 48, dtype=torch.uint8))
    for handle in handles:
        handle.remove()
    parameters = sum(p.numel() for p in graph.parameters())
    return {"parameters": parameters, "multiply_adds": macs}


def speed(graph: Path, *, runs: int = 20) -> dict[str, Any]:
    """``ms_per_face`` on one thread with all views, the median of ``runs`` batches, and ``cpu``."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    batch = best_batch(session)
    faces = np.zeros((batch, 48, 48), np.uint8)
    times, options = [], only_asked_for()
    for _ in range(runs + 1):  # the first one also sets the session up
        began = time.perf_counter()
        session.run(["label", "ballot"], {"faces": faces}, options)
        times.append(time.perf_counter() - began)
    ms = round(1000 * float(np.median(times[1:])) / batch, 2)
    return {"ms_per_face": ms, "cpu": _cpu()}


def _cpu() -> str:
    """What the processor calls itself."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
