"""Bundles that were tampered with, damaged, or made by someone else: one sentence for each."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

import mien
from mien import bundle as bundles
from mien.bundle import CARD, GRAPH, BundleError
from mien.cli import build
from mien.onnxfile import has_external_data
from tests.tiny import make_bundle

CROPS = np.zeros((1, 48, 48), np.uint8)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("MIEN_MODELS", str(tmp_path / "shelf"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def folder(home):
    return make_bundle(home / "shelf" / "tiny")


def use(folder):
    mien.load(folder, threads=1).classify(CROPS)


def sentence(folder):
    """What using a bundle that is no good says."""
    with pytest.raises(BundleError) as caught:
        use(folder)
    said = str(caught.value)
    assert "\n" not in said and len(said) < 500 and str(folder) in said and "; " in said, said
    return said


def rewrite(folder, graph=None, **changes):
    """Change a bundle so that its hash is right all the same, as an attacker would."""
    if graph is not None:
        (folder / GRAPH).write_bytes(graph)
    card = json.loads((folder / CARD).read_text())
    card["sha256"] = hashlib.sha256((folder / GRAPH).read_bytes()).hexdigest()
    (folder / CARD).write_text(json.dumps(card | changes))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 2), ("format", "1"), ("format", True), ("format", None),
        ("unclear_threshold", float("nan")), ("unclear_threshold", float("inf")),
        ("unclear_threshold", -1), ("unclear_threshold", 10**400), ("unclear_threshold", "0.5"),
        ("unclear_threshold", True), ("size", 96), ("size", 10**9), ("size", -1), ("size", 48.5),
        ("views", 0), ("views", 10**6), ("labels", None), ("labels", ["angry"]), ("labels", 7),
        ("expression", []), ("expression", {"share": 2}), ("expression", {"share": 10**400}),
        ("expression", {"offsets": [0] * 6}), ("expression", {"offsets": [10**400] * 7}),
        ("ballot", {}), ("frame", []), ("frame", {"nose": "x"}), ("frame", {"nose": [1, 2]}),
        ("frame", {"nose": [1e308, 2]}), ("name", ""), ("name", 3), ("name", "a\x1b[31mb"),
        ("name", "x" * 10_000), ("sha256", 5), ("sha256", "Ff"), ("metrics", []),
        ("cost", "cheap"), ("network", None), ("start", ["a"]), ("licence", {}),
    ],
)  # fmt: skip
def test_a_card_that_cannot_be_honoured_is_refused(folder, key, value):
    rewrite(folder, **{key: value})
    sentence(folder)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "1e999", "[" * 200_000, '{"a":' * 200_000, '{"name": "a"}', "\x00",
     "9" * 10_000, '"' + "x" * 5_000_000 + '"'],
)  # fmt: skip
def test_a_card_that_is_none_is_refused(folder, text):
    (folder / CARD).write_text(text)
    sentence(folder)
    for command in (["models"], ["models", "show", str(folder)]):
        result = CliRunner().invoke(build(), command)
        assert result.exception is None or isinstance(result.exception, BundleError | SystemExit)


def test_a_card_that_is_not_text_is_refused(folder):
    (folder / CARD).write_bytes(b"\xff\xfe\x00")
    sentence(folder)


def test_any_tampering_ends_in_a_sentence_or_in_scores(folder):
    """Cut, flipped, shuffled and swapped files, with a hash that fits."""
    rng = np.random.default_rng(3)
    graph, card = (folder / GRAPH).read_bytes(), json.loads((folder / CARD).read_text())
    kinds = [None, True, -1, 1e300, "x", [], {}, [[]], {"value": None}, "\x1b[2J"]
    refused, app = 0, build()
    for turn in range(60):
        data, changes = bytearray(graph), {}
        if turn % 3 == 0:
            data = data[: rng.integers(0, len(data))]
        elif turn % 3 == 1:
            for at in rng.integers(0, len(data), 3):
                data[at] = rng.integers(0, 256)
        else:
            keys = rng.choice(sorted(set(card) - {"sha256"}), 2)
            changes = {key: kinds[rng.integers(len(kinds))] for key in keys}
        (folder / CARD).write_text(json.dumps(card))
        rewrite(folder, bytes(data), **changes)
        try:
            use(folder)
        except BundleError as error:
            refused += 1
            assert "\n" not in str(error) and "; " in str(error)
        for command in (["models"], ["models", "show", "tiny"]) if turn % 9 == 2 else ():
            result = CliRunner().invoke(app, command)
            allowed = BundleError | SystemExit
            assert result.exception is None or isinstance(result.exception, allowed), changes
            assert "\x1b[2J" not in result.output
    assert refused > 25


def test_a_hash_that_does_not_fit_is_refused(folder):
    with (folder / GRAPH).open("ab") as file:
        file.write(b"x")
    assert "sha256" in sentence(folder)


def test_what_is_opened_is_what_was_checked(folder):
    """A graph that is swapped after ``load`` is refused when it is opened."""
    model = mien.load(folder, threads=1)
    (folder / GRAPH).write_bytes((make_bundle(folder.parent / "b", seed=1) / GRAPH).read_bytes())
    with pytest.raises(BundleError, match="sha256"):
        model.classify(CROPS)


def graph_of(nodes, outputs, constants=(), kind=TensorProto.UINT8):
    graph = helper.make_graph(
        nodes, "other", [helper.make_tensor_value_info("faces", kind, ["N", 48, 48])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        list(constants),
    )  # fmt: skip
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


CAST = [helper.make_node("Cast", ["faces"], ["label"], to=TensorProto.FLOAT)]
BOTH = [*CAST, helper.make_node("Identity", ["label"], ["ballot"])]


@pytest.mark.parametrize(
    "graph",
    [
        graph_of(CAST, ["label"]),
        graph_of([helper.make_node("Cast", ["faces"], ["x"], to=1)], ["x"]),
        graph_of(BOTH, ["label", "ballot"], kind=TensorProto.FLOAT),
        graph_of([helper.make_node("NoSuchThing", ["faces"], ["label"])], ["label"]),
        graph_of(BOTH, ["label", "ballot"]),  # (N, 48, 48) in the place of (N, 7)
        b"", b"PK\x03\x04 not a graph", b"\x00" * 100,
    ],
    ids=["no ballot", "no head", "floats", "unknown node", "shapes", "empty", "zip", "zeros"],
)  # fmt: skip
def test_a_graph_that_is_no_model_of_faces_is_refused(folder, graph):
    rewrite(folder, graph)
    sentence(folder)


def outside(where):
    """A graph that keeps a tensor in another file, at one of the places that may hold one."""
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "w")
    tensor.ClearField("raw_data")
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "weights.bin"
    tensor.data_location = TensorProto.EXTERNAL
    if where == "initializer":
        return graph_of(BOTH, ["label", "ballot"], [tensor])
    constant = helper.make_node("Constant", [], ["c"], value=tensor)
    if where == "constant":
        return graph_of([*BOTH, constant], ["label", "ballot"])
    branch = helper.make_graph([constant], "b", [], [])
    node = helper.make_node("If", ["q"], ["z"], then_branch=branch, else_branch=branch)
    return graph_of([*BOTH, node], ["label", "ballot"])


@pytest.mark.parametrize("where", ["initializer", "constant", "branch"])
def test_weights_beside_the_graph_are_refused(folder, where):
    data = outside(where)
    assert has_external_data(data)
    rewrite(folder, data)
    (folder / "weights.bin").write_bytes(bytes(16))
    assert "weights in another file" in sentence(folder)


def test_a_whole_graph_has_no_external_data(folder):
    data = (folder / GRAPH).read_bytes()
    assert not has_external_data(data)
    onnx.load_from_string(data)


def packed(path, **files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return str(path)


def test_a_zip_that_swells_is_refused_before_it_fills_the_disk(home, folder, monkeypatch):
    monkeypatch.setattr(bundles, "LARGEST", 1 << 22)
    card = (folder / CARD).read_bytes()
    bomb = packed(home / "bomb.zip", **{f"x/{CARD}": card, f"x/{GRAPH}": bytes(1 << 24)})
    assert Path(bomb).stat().st_size < 1 << 16
    with pytest.raises(BundleError, match=r"bomb.zip: unpacks to more"):
        bundles.add(bomb)
    assert not (home / "data").exists()


def test_a_zip_leads_nowhere_else(home, folder):
    files = {f"x/{name}": (folder / name).read_bytes() for name in (CARD, GRAPH)}
    zipped = packed(home / "a.zip", **files, **{"../evil.txt": b"x", "/tmp/evil": b"x"})
    added = bundles.add(zipped, name="mine")
    assert sorted(path.name for path in added.path.iterdir()) == [CARD, GRAPH]
    assert not (home / "evil.txt").exists()


def test_models_add_takes_nothing_that_does_not_run(home, folder):
    use(folder)
    rewrite(folder, graph_of(CAST, ["label"]))
    result = CliRunner().invoke(build(), ["models", "add", str(folder), "--name", "mine"])
    assert isinstance(result.exception, BundleError)
    assert not (home / "data" / "mien" / "models" / "mine").exists()


def test_a_model_that_is_added_again_is_whole_at_any_time(home, folder, monkeypatch):
    bundles.add(str(folder), name="mine")
    monkeypatch.setattr(bundles.shutil, "copyfile", lambda *_: (_ for _ in ()).throw(OSError(28)))
    with pytest.raises(OSError):
        bundles.add(str(make_bundle(home / "other", seed=2)), name="mine")
    use(home / "data" / "mien" / "models" / "mine")
    assert [found.path.name for found in bundles.list_bundles()].count("mine") == 1
    assert not [b for b in bundles.list_bundles() if b.path.name.startswith(".")]
