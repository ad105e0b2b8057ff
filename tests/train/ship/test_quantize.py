from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.train.conftest import make_faces, settle, tiny_recipe

from mien.train import starts
from mien.train.ship import quantize
from mien.train.ship.export import to_onnx
from mien.train.ship.graph import Graph, Member
from mien.train.ship.quantize import pair_range


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
