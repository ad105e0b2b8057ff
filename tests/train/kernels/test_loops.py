"""Depthwise convolutions in compiled loops give what PyTorch's layer gives, forwards and back."""

import copy
from contextlib import nullcontext

import pytest
import torch
from timm.layers import Conv2dSame
from torch import nn

from mien.train import kernels
from mien.train.kernels import loops
from mien.train.kernels.loops import LEAST_CHANNELS, pays

BF16 = torch.autocast("cpu", torch.bfloat16)


def layers(kernel, stride, *, same=True, channels=LEAST_CHANNELS):
    """A stock layer and ours with its weights."""
    torch.manual_seed(0)
    kind = Conv2dSame if same else nn.Conv2d
    stock = kind(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)
    ours = nn.Sequential(copy.deepcopy(stock))
    kernels.accelerate(ours)
    return stock, ours[0]


def picture(*shape, dtype=torch.float32):
    return torch.randn(shape).to(dtype).contiguous(memory_format=torch.channels_last)


def run(layer, x):
    x = x.clone().requires_grad_()
    y = layer(x)
    ramp = torch.linspace(-1, 1, y.numel()).view_as(y).bfloat16().to(y.dtype)
    return y, *torch.autograd.grad(y, (x, layer.weight), ramp)


@pytest.mark.parametrize("shape", [(2, 2), (3, 9), (8, 8), (9, 5)])
@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (5, 1), (5, 2), (7, 1), (7, 3)])
def test_same_as_the_stock_layer_in_float32(kernel, stride, same, shape):
    stock, ours = layers(kernel, stride, same=same)
    x = picture(3, LEAST_CHANNELS, *shape)
    assert pays(ours, x)
    for got, expected in zip(run(ours, x), run(stock, x), strict=True):
        assert got.shape == expected.shape
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1)])
def test_same_as_the_stock_layer_in_bf16(kernel, stride, monkeypatch):
    monkeypatch.setattr(loops, "cpu_features", lambda: frozenset({"avx512_bf16"}))
    stock, ours = layers(kernel, stride, channels=96)
    x = picture(3, 96, 7, 7, dtype=torch.bfloat16)
    with BF16:
        assert pays(ours, x)
        got = run(ours, x)
    expected = run(stock, x.float())
    assert [part.dtype for part in got] == [torch.bfloat16, torch.bfloat16, torch.float32]
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one.float(), other, rtol=0.02, atol=0.02)


def test_the_same_every_time_and_on_any_number_of_threads():
    _, ours = layers(3, 2)
    x = picture(5, LEAST_CHANNELS, 9, 9, dtype=torch.bfloat16)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 2, 7):
            torch.set_num_threads(threads)
            with BF16:
                found.append(run(ours, x))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            torch.testing.assert_close(one, two)
    assert all(torch.equal(a, b) for a, b in zip(found[1], found[2], strict=True))


def test_an_image_without_gradient_gets_none():
    _, ours = layers(3, 2)
    ours(picture(2, LEAST_CHANNELS, 8, 8)).sum().backward()
    assert ours.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("amx", [False, True])
def test_3x3_with_stride_1_stays_stock_where_that_is_quick(amx, monkeypatch):
    features = frozenset({"amx_bf16"} if amx else {"avx512_bf16"})
    monkeypatch.setattr(loops, "cpu_features", lambda: features)
    _, ours = layers(3, 1)
    x = picture(2, LEAST_CHANNELS, 8, 8)
    assert not pays(ours, x)
    with BF16:
        assert pays(ours, x.bfloat16()) is not amx


@pytest.mark.parametrize("change", ["eval", "contiguous", "narrow", "dilated", "biased", "cast"])
def test_all_else_is_the_stock_layer(change):
    channels = LEAST_CHANNELS - 1 if change == "narrow" else LEAST_CHANNELS
    stock, ours = layers(3, 2, channels=channels)
    x = picture(2, channels, 8, 8)
    if change == "eval":
        stock.eval(), ours.eval()
    elif change == "contiguous":
        x = x.contiguous()
    elif change == "dilated":
        stock.dilation = ours.dilation = (2, 2)
    elif change == "biased":
        stock.bias = ours.bias = nn.Parameter(torch.ones(channels))
    with BF16 if change == "cast" else nullcontext():
        assert change == "eval" or not pays(ours, x)
        loose = {"rtol": 0.03, "atol": 0.03} if change == "cast" else {}
        torch.testing.assert_close(ours(x), stock(x), **loose)
