from copy import deepcopy

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn

from mien.train import norms, team

pytestmark = pytest.mark.skipif(team.library() is None, reason="torch without GNU's OpenMP")


def pair(act, *, channels, dtype, size=24, batch=16):
    """A stock layer, ours with its weights, and a map off the activation's edges for both."""
    torch.manual_seed(0)
    stock = BatchNormAct2d(channels, act_layer=act)
    ours = nn.Sequential(BatchNormAct2d(channels, act_layer=act))
    with torch.no_grad():
        stock.weight.uniform_(0.5, 3)
        stock.bias.uniform_(-1, 3)
        stock.running_mean.uniform_(-1, 1)
    ours[0].load_state_dict(stock.state_dict())
    norms.speed_up(ours)
    x = torch.randn(batch, channels, size, size) * 2 + 10
    x = x.to(dtype).contiguous(memory_format=torch.channels_last)
    return stock, ours[0], x


def run(layer, x):
    x = x.detach().requires_grad_()
    y = layer(x)
    ramp = torch.linspace(-1, 1, y.numel()).view_as(y).to(y.dtype)
    (y * ramp).sum().backward()
    return y.detach(), x.grad, layer.weight.grad, layer.bias.grad


@pytest.mark.parametrize("channels", [24, 32, 300])
@pytest.mark.parametrize("act", [nn.ReLU, nn.ReLU6])
def test_same_as_the_stock_layer_in_float32(act, channels):
    stock, ours, x = pair(act, channels=channels, dtype=torch.float32)
    assert type(ours) is norms.NormAct
    assert norms._pays(ours, x)
    expected, found = run(stock, x), run(ours, x)
    torch.testing.assert_close(found[0], expected[0], atol=1e-4, rtol=1e-4)
    # at its edge an activation's gradient hangs on the last bit, and with it the channel's sums
    apart = (found[1] - expected[1]).abs() > 2e-3 + 1e-3 * expected[1].abs()
    assert apart.float().mean() < 1e-4
    for a, b in zip(found[2:], expected[2:], strict=True):
        assert ((a - b).abs() <= 2 + 1e-3 * b.abs()).all()
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        torch.testing.assert_close(getattr(ours, name), getattr(stock, name), rtol=1e-4, atol=1e-4)


def test_same_as_the_stock_layer_in_bf16():
    stock, ours, x = pair(nn.ReLU6, channels=64, dtype=torch.bfloat16)
    expected, found = run(stock, x), run(ours, x)
    assert found[0].dtype == found[1].dtype == torch.bfloat16
    torch.testing.assert_close(found[0].float(), expected[0].float(), atol=0.04, rtol=0.01)
    apart = (found[1] - expected[1]).float().abs()
    assert apart.mean() < 0.01 * expected[1].float().abs().mean()


def test_the_same_every_time():
    _, ours, x = pair(nn.ReLU6, channels=64, dtype=torch.bfloat16)
    first, second = run(deepcopy(ours), x), run(deepcopy(ours), x)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


def test_what_is_no_number_stays_none():
    _, ours, x = pair(nn.ReLU6, channels=64, dtype=torch.bfloat16)
    x[3, 5, 2, 2] = float("nan")
    y = ours(x)
    assert y[:, 5].isnan().all()
    assert not y[:, :5].isnan().any()


def test_small_maps_evaluation_and_other_layouts_are_the_stock_layers():
    _, ours, x = pair(nn.ReLU6, channels=64, dtype=torch.float32)
    assert not norms._pays(ours, x[:1])
    assert not norms._pays(ours, x.contiguous())
    assert not norms._pays(ours.eval(), x)
    assert ours(x).shape == x.shape


@pytest.mark.parametrize("act", [nn.SiLU, nn.Identity])
def test_other_activations_are_left_alone(act):
    layers = nn.Sequential(BatchNormAct2d(8, act_layer=act), nn.BatchNorm2d(8))
    norms.speed_up(layers)
    assert [type(layer) for layer in layers] == [BatchNormAct2d, nn.BatchNorm2d]
