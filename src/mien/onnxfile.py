"""A graph's file, read without the onnx package: does it hold all, and what do its heads read?"""

from __future__ import annotations

from collections.abc import Iterator

# Numbers of fields in onnx.proto (ONNX 1.17): where a message may hold a tensor, and what it is.
_TENSOR, _SPARSE = "tensor", "sparse"
_INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: _TENSOR, 15: _SPARSE},
    "node": {5: "attribute"},
    "attribute": {5: _TENSOR, 6: "graph", 10: _TENSOR, 11: "graph", 22: _SPARSE, 23: _SPARSE},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_MODEL_GRAPH, _GRAPH_NODE, _GRAPH_OUTPUT = 7, 1, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_KIND, _OUTPUT_NAME = 1, 2, 4, 1
_DEEPEST = 100


def has_external_data(data: bytes) -> bool:
    """Whether a tensor of an ONNX file lies in another file, which its sha256 does not cover.

    Raises:
        ValueError: it is no ONNX file.
    """
    return _looks_outside(memoryview(data), "model", 0)


def _looks_outside(data: memoryview, kind: str, depth: int) -> bool:
    if depth > _DEEPEST:
        raise ValueError("nested too deep")
    inside = _INSIDE.get(kind, {})
    for number, value in _fields(data):
        if kind == _TENSOR:
            if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value == 1):
                return True
        elif (
            number in inside
            and isinstance(value, memoryview)
            and _looks_outside(value, inside[number], depth + 1)
        ):
            return True
    return False


def linear_inputs(data: bytes, output: str) -> list[str]:
    """Names of what the last linear layers before an output read, in the order of the graph.

    Raises:
        ValueError: it is no ONNX file.
    """
    nodes = _nodes(data)
    maker = {name: at for at, (_, _, outputs) in enumerate(nodes) for name in outputs}
    found: dict[str, int] = {}
    seen, waiting = set[str](), [output]
    while waiting:
        name = waiting.pop()
        if name in seen or name not in maker:
            continue
        seen.add(name)
        operator, inputs, _ = nodes[maker[name]]
        if operator in ("Gemm", "MatMul"):
            found.setdefault(inputs[0], maker[name])
        else:
            waiting += inputs
    return sorted(found, key=found.__getitem__)


def tensors(data: bytes) -> set[str]:
    """Names of all that a graph's nodes make.

    Raises:
        ValueError: it is no ONNX file.
    """
    return {name for _, _, outputs in _nodes(data) for name in outputs}


def _nodes(data: bytes) -> list[tuple[str, list[str], list[str]]]:
    """Operator, inputs and outputs of each node, in the order of the graph."""
    nodes = []
    for number, graph in _fields(memoryview(data)):
        if number != _MODEL_GRAPH or not isinstance(graph, memoryview):
            continue
        for kind, node in _fields(graph):
            if kind == _GRAPH_NODE and isinstance(node, memoryview):
                texts: dict[int, list[str]] = {_NODE_INPUT: [], _NODE_OUTPUT: [], _NODE_KIND: [""]}
                for field, value in _fields(node):
                    if field in texts and isinstance(value, memoryview):
                        texts[field].append(bytes(value).decode())
                nodes.append((texts[_NODE_KIND][-1], texts[_NODE_INPUT], texts[_NODE_OUTPUT]))
    return nodes


def with_outputs(data: bytes, names: list[str]) -> bytes:
    """The graph with more of its tensors as outputs.

    A message that stands twice in protobuf is merged, so a graph of nothing but outputs at the
    file's end adds them to the first.
    """
    outputs = b"".join(_field(_GRAPH_OUTPUT, _field(_OUTPUT_NAME, n.encode())) for n in names)
    return data + _field(_MODEL_GRAPH, outputs)


def _field(number: int, value: bytes) -> bytes:
    size, rest = bytearray(), len(value)
    while rest > 127:
        size.append(rest & 127 | 128)
        rest >>= 7
    return bytes([number << 3 | 2, *size, rest]) + value


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Numbers and values of a message's fields: protobuf's wire format."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        value: int | memoryview
        if kind == 0:
            value, at = _varint(data, at)
        else:
            if kind == 2:
                size, at = _varint(data, at)
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
            else:
                raise ValueError("not an ONNX file")
            if at + size > len(data):
                raise ValueError("cut short")
            value = data[at : at + size]
            at += size
        yield tag >> 3, value


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError("cut short, or not an ONNX file")
