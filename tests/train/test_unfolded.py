"""Small maps unfolded, against the stock convolution."""

import copy

import pytest
import torch
from torch import nn

from mien.train import dense, unfolded, winograd
from mien.train.network import build
from mien.train.unfolded import Unfolded


def turned(layers: nn.Sequential) -> nn.Sequential:
    ours = copy.deepcopy(layers)
    dense.turn(ours, Unfolded)
    return ours


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each unfolding had."""
    rows, plain = [], unfolded._rows

    def count(x: torch.Tensor) -> torch.Tensor:
        rows.append(x.shape[-2] * x.shape[-1] * len(x))
        return plain(x)

    monkeypatch.setattr(unfolded, "_rows", count)
    return rows


@pytest.mark.parametrize(("size", "times"), [((3, 4), 3), ((1, 1), 3), ((7, 8), 1)])
@pytest.mark.parametrize("bias", [True, False])
def test_results_and_gradients_are_those_of_the_stock_layer(
    products: list[int], size: tuple[int, int], times: int, bias: bool
):
    torch.manual_seed(0)
    stock = nn.Sequential(nn.Conv2d(6, 5, 3, padding=1, bias=bias))
    ours = turned(stock)
    assert ours.state_dict().keys() == stock.state_dict().keys()
    image = torch.randn(3, 6, *size).to(memory_format=torch.channels_last).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = ours(image)
    assert got.dtype == torch.bfloat16
    expected = stock(image)
    weights = torch.randn_like(expected)
    (got.float() * weights).sum().backward()
    mine = [image.grad, *(parameter.grad for parameter in ours.parameters())]
    image.grad = None
    (expected * weights).sum().backward()
    theirs = [image.grad, *(parameter.grad for parameter in stock.parameters())]
    assert products == times * [3 * size[0] * size[1]]
    torch.testing.assert_close(got.float(), expected, rtol=2e-2, atol=2e-2)
    for ours_, stock_ in zip(mine, theirs, strict=True):
        assert ours_.dtype == torch.float32
        torch.testing.assert_close(ours_, stock_, rtol=3e-2, atol=2e-2 * float(stock_.abs().max()))


def test_a_frozen_layer_passes_its_gradient_on():
    layers = turned(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)))
    layers[1].requires_grad_(False)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layers(torch.rand(1, 4, 4, 4)).sum().backward()
    assert layers[0].weight.grad is not None
    assert layers[1].weight.grad is None


def test_all_but_small_maps_in_bf16_in_training_is_the_stock_layer(products: list[int]):
    layers = turned(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1)))
    small, large = torch.rand(1, 4, 4, 4), torch.rand(1, 4, 9, 9)
    layers(small)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layers(large)
        layers.eval()(small)
    assert not products


def test_networks_are_turned_where_it_pays_and_tiles_do_not(monkeypatch: pytest.MonkeyPatch):
    def count() -> int:
        trunk = build("test_resnet", trunk_args={"channels": [8, 8, 16, 16]}).trunk
        return sum(isinstance(module, Unfolded) for module in trunk.modules())

    monkeypatch.setattr(winograd, "pays", lambda: False)
    monkeypatch.setattr(unfolded, "cpu_features", lambda: frozenset({"amx_bf16"}))
    assert count() > 0
    monkeypatch.setattr(unfolded, "cpu_features", lambda: frozenset({"avx512_bf16"}))
    assert count() == 0
