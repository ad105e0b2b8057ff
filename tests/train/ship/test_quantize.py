from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from tests.train.conftest import make_faces, settle, tiny_recipe

from mien.train import starts
from mien.train.network import upsample
from mien.train.ship import quantize
from mien.train.ship.export import to_onnx
from mien.train.ship.graph import Graph, Member
from mien.train.ship.quantize import pair_range
from mien.train.starts import CAFFE
from mien.train.starts.build import build

CROPS = np.random.default_rng(0).integers(0, 256, (24, 48, 48), dtype=np.uint8)
ONE = 1 / 255


def test_two_neighbouring_products_never_leave_sixteen_bits():
    weight = np.random.default_rng(0).standard_normal((16, 6, 3, 3)).astype(np.float32)
    weight[3] = 0
    stored = np.round(weight / pair_range(weight)[:, None, None, None] * 127).astype(int)
    largest = 0
    for row in (stored.reshape(16, -1), stored.transpose(0, 2, 3, 1).reshape(16, -1)):
        largest = max(largest, 255 * np.abs(row[:, 1:] + row[:, :-1]).max())
    assert 255 * 120 < largest <= 2**15 - 1


def test_depthwise_weights_keep_their_own_range():
    weight = np.random.default_rng(1).standard_normal((8, 1, 3, 3)).astype(np.float32)
    assert np.allclose(pair_range(weight), np.abs(weight).max(axis=(1, 2, 3)))


@pytest.mark.slow
def test_corrected_biases_keep_the_means_of_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    torch.manual_seed(0)
    settings = tiny_recipe(network__trunk="mobilenetv1_100", network__trunk_args={}).network
    crops = make_faces(98).images
    network, _ = starts.begin(settings, torch.from_numpy(crops))
    settle(network, torch.from_numpy(crops[:, None]).float())
    source = tmp_path / "float.onnx"
    to_onnx(Graph([Member(network, 24, 48)], flip=False).eval(), source)
    quantize.to_int8(source, tmp_path / "corrected.onnx", crops[:48])
    monkeypatch.setattr(quantize, "correct_biases", lambda source, target, crops: None)
    quantize.to_int8(source, tmp_path / "rounded.onnx", crops[:48])
    corrected, rounded = (
        quantize.fidelity(source, tmp_path / f"{name}.onnx", crops[48:])
        for name in ("corrected", "rounded")
    )
    assert corrected.mean_gap < 0.8 * rounded.mean_gap


def written(path: Path, *members: Member) -> Path:
    torch.manual_seed(0)
    to_onnx(Graph(members).eval(), path)
    return path


def member(
    mean: tuple[float, ...], std: tuple[float, ...] = (ONE, ONE, ONE), *, seed: int = 0
) -> Member:
    torch.manual_seed(seed)
    network = build("mobilenetv1_100", mean=mean, std=std)
    return Member(settle(network, upsample(torch.from_numpy(CROPS), size=32)), 32)


@pytest.mark.parametrize(("mean", "gap"), [((0.4, 0.4, 0.4), 1e-4), (CAFFE[0], 0.02)])
def test_read_once_changes_nothing_but_the_margin(
    tmp_path: Path, mean: tuple[float, ...], gap: float
):
    source = written(tmp_path / "a.onnx", member(mean))
    model = onnx.load(source)
    assert quantize.read_once(model)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, tmp_path / "b.onnx")
    assert quantize.fidelity(source, tmp_path / "b.onnx", CROPS).max_gap < gap


def test_one_channel_in_place_of_three_gives_the_same_sums():
    rng = np.random.default_rng(1)
    weight = rng.standard_normal((5, 3, 3, 3)).astype(np.float32)
    mean = np.array([100, 120, 125], np.float32)
    picture = torch.from_numpy(rng.uniform(0, 255, (2, 1, 9, 9)))
    wide = torch.from_numpy(weight).double()
    expected = torch.conv2d(picture - torch.from_numpy(mean).double().view(1, 3, 1, 1), wide)
    one, shift, value = quantize.sum_copies(weight, mean)
    found = torch.conv2d(picture - value, torch.from_numpy(one), torch.from_numpy(shift))
    assert torch.allclose(found, expected, atol=1e-3)
    assert 100 < value < 125


def test_the_first_convolution_of_int8_reads_one_channel(tmp_path: Path):
    source = written(tmp_path / "a.onnx", member(CAFFE[0]))
    quantize.to_int8(source, tmp_path / "b.onnx", CROPS)
    first = next(n for n in onnx.load(tmp_path / "b.onnx").graph.node if n.op_type == "Conv")
    shapes = {w.name: w.dims for w in onnx.load(tmp_path / "b.onnx").graph.initializer}
    assert shapes[first.input[1]][1] == 1


@pytest.mark.slow
def test_graphs_without_three_copies_are_left_alone(tmp_path: Path):
    two = [member(CAFFE[0]), member(CAFFE[0], seed=1)]
    for name, members in (("divided", [member(CAFFE[0], (0.2, 0.3, 0.4))]), ("two", two)):
        model = onnx.load(written(tmp_path / f"{name}.onnx", *members))
        before = model.SerializeToString()
        assert not quantize.read_once(model)
        assert model.SerializeToString() == before
