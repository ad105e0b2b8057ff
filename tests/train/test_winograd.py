"""Winograd's tiles against the stock convolution."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from mien.train import dense, precision, winograd
from mien.train.network import build
from mien.train.winograd import Winograd, best_tile, transforms


@pytest.mark.parametrize("tile", range(2, winograd.LARGEST_TILE + 1))
def test_the_transforms_correlate_a_line_with_three_taps(tile: int):
    inverse, kernel, data = (matrix.astype(float) for matrix in transforms(tile))
    line, taps = np.random.default_rng(tile).normal(size=(2, tile + 2))
    got = inverse @ ((kernel @ taps[:3]) * (data @ line))
    np.testing.assert_allclose(got, np.correlate(line, taps[:3], "valid"), rtol=1e-5, atol=1e-5)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers too small to gain anything go by tiles as well."""
    monkeypatch.setattr(winograd, "ELEMENT", 0)


@pytest.mark.parametrize("size", [(3, 3), (12, 12), (7, 10)])
@pytest.mark.parametrize("bias", [True, False])
def test_results_and_gradients_are_those_of_the_stock_layer(
    always: None, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], bias: bool
):
    torch.manual_seed(0)
    plain = nn.Conv2d(5, 4, 3, padding=1, bias=bias)
    ours = copy.deepcopy(nn.Sequential(plain))
    dense.turn(ours, Winograd)
    assert isinstance(ours[0], Winograd)
    assert ours.state_dict().keys() == {f"0.{key}" for key in plain.state_dict()}
    used = []
    monkeypatch.setattr(
        winograd, "best_tile", lambda *args: used.append(best_tile(*args)) or used[-1]
    )
    image = torch.randn(2, 5, *size).to(memory_format=torch.channels_last).requires_grad_()
    expected, got = plain(image), ours(image)
    assert used and used[0] > 0
    assert got.shape == expected.shape
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
    weights = torch.randn_like(expected)
    for gradient, other in zip(
        torch.autograd.grad((expected * weights).sum(), (image, *plain.parameters())),
        torch.autograd.grad((got * weights).sum(), (image, *ours.parameters())),
        strict=True,
    ):
        torch.testing.assert_close(other, gradient, rtol=1e-4, atol=2e-4)


def test_a_frozen_layer_passes_its_gradient_on(always: None):
    layers = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1))
    dense.turn(layers, Winograd)
    layers[1].requires_grad_(False)
    layers(torch.rand(1, 4, 6, 6)).sum().backward()
    assert layers[0].weight.grad is not None
    assert layers[1].weight.grad is None


def test_evaluation_and_autocast_take_the_stock_path(always: None, monkeypatch: pytest.MonkeyPatch):
    layers = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1))
    dense.turn(layers, Winograd)

    def refuse(*_: object) -> int:
        raise AssertionError("tiles were asked for")

    monkeypatch.setattr(winograd, "best_tile", refuse)
    image = torch.rand(1, 4, 6, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layers(image).dtype == torch.bfloat16
    layers.eval()(image)
    with pytest.raises(AssertionError, match="tiles were asked for"):
        layers.train()(image)


def test_tiles_are_for_wide_layers_only():
    assert best_tile(64, 48, 48, 3, 64) == 0
    assert best_tile(64, 48, 48, 64, 64) > 0
    assert best_tile(64, 12, 12, 256, 256) == 6
    assert best_tile(64, 3, 3, 512, 512) == 3


def test_only_stock_dense_layers_of_stride_one_are_turned(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(winograd, "pays", lambda: True)
    trunk = build("test_resnet", trunk_args={"channels": [8, 8, 16, 16]}).trunk
    kinds = {
        (type(module) is Winograd, module.kernel_size, module.stride)
        for module in trunk.modules()
        if isinstance(module, nn.Conv2d)
    }
    assert (True, (3, 3), (1, 1)) in kinds
    assert all(stride == (1, 1) and kernel == (3, 3) for ours, kernel, stride in kinds if ours)
    assert all(ours for ours, kernel, stride in kinds if (kernel, stride) == ((3, 3), (1, 1)))
    depthwise = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.Conv2d(4, 4, 3))
    dense.turn(depthwise, Winograd)
    assert [type(module) for module in depthwise] == [nn.Conv2d, nn.Conv2d]


@pytest.mark.parametrize(
    ("capability", "features", "turned"),
    [
        ("AVX2", {"AuthenticAMD"}, True),
        ("AVX512", {"AuthenticAMD", "avx512_bf16"}, False),
        ("AVX512", {"GenuineIntel", "avx512_bf16"}, True),
        ("AVX512", {"GenuineIntel", "avx512_bf16", "amx_bf16"}, False),
        ("DEFAULT", {"GenuineIntel"}, False),
    ],
)
def test_networks_are_turned_where_tiles_pay(
    capability: str, features: set[str], turned: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(precision, "cpu_features", lambda: frozenset(features))
    trunk = build("test_resnet", trunk_args={"channels": [8, 8, 16, 16]}).trunk
    assert any(isinstance(module, Winograd) for module in trunk.modules()) == turned


def test_the_same_batch_gives_the_same_bits():
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1))
    dense.turn(layer, Winograd)
    image = torch.randn(8, 64, 12, 12).to(memory_format=torch.channels_last)
    assert best_tile(8, 12, 12, 64, 64) > 0
    gradients = []
    for _ in range(3):
        layer.zero_grad()
        layer(image).square().sum().backward()
        gradients.append(layer[0].weight.grad.clone())
    assert torch.equal(gradients[0], gradients[1])
    assert torch.equal(gradients[0], gradients[2])
