from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from mien.train.depthwise import PadFirst, pad_first
from mien.train.network import build, pass_on, widen_stem
from mien.train.precision import choose, is_dense


def test_unknown_trunk_names_near_ones():
    with pytest.raises(ValueError, match="resnet18"):
        build("resnet18x")


@pytest.mark.parametrize(
    ("stem", "side"), [("stock", 2), ("stride-1", 4), ("no-pool", 4), ("small", 8)]
)
def test_small_stems_keep_a_larger_map_and_the_same_weights(stem: str, side: int):
    network = build("test_resnet", trunk_args={"channels": [8, 8, 16, 16]}, stem=stem)
    assert network.features(torch.zeros(2, 1, 64, 64)).shape[2:] == (side, side)
    plain = build("test_resnet", trunk_args={"channels": [8, 8, 16, 16]})
    network.load_state_dict(plain.state_dict())


def test_a_stem_that_cannot_be_widened_says_so():
    with pytest.raises(ValueError, match="no first pooling"):
        build("test_efficientnet", stem="no-pool")
    with pytest.raises(ValueError, match="do not end with a pooling"):
        build("test_resnet", stem="no-last-pool")


def test_vgg_without_its_last_pooling_keeps_a_larger_map():
    stack = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2))
    trunk = nn.Module()
    trunk.features = stack
    widen_stem(trunk, "no-last-pool")
    assert trunk.features(torch.zeros(1, 3, 6, 6)).shape[2:] == (6, 6)


def test_convolutions_after_the_first_begin_by_passing_their_input_on():
    stack = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1, bias=False))
    first = stack[0].weight.clone()
    pass_on(stack)
    assert torch.equal(stack[0].weight, first)
    x = torch.rand(2, 4, 5, 5)
    assert torch.equal(stack[1](x)[:, :4], x)
    assert not torch.allclose(stack[1](x)[:, 4:], x[:, :2])


def test_held_trunk_has_no_gradients_and_keeps_its_statistics():
    network = build("test_resnet", trunk_args={"channels": [8, 8, 16, 16]})
    network.hold(trunk=True, norms=False)
    network.train()
    before = {k: v.clone() for k, v in network.trunk.state_dict().items()}
    label, ballot = network(torch.rand(4, 1, 24, 24) * 255)
    (label.sum() + ballot.sum()).backward()
    assert all(p.grad is None for p in network.trunk.parameters())
    assert network.label.weight.grad is not None
    assert all(torch.equal(v, before[k]) for k, v in network.trunk.state_dict().items())
    network.hold(trunk=False, norms=False)
    network(torch.rand(4, 1, 24, 24) * 255)
    assert not torch.equal(network.trunk.bn1.running_mean, before["bn1.running_mean"])


def test_auto_precision_is_explicit_where_asked_and_float32_for_depthwise_nets():
    network = build("test_efficientnet")
    assert not is_dense(network)
    assert choose("bf16", network) == "bf16"
    if not torch.cuda.is_available():
        assert choose("auto", network) == "float32"
    assert is_dense(build("test_resnet", trunk_args={"channels": [8, 8, 16, 16]}))


@pytest.mark.parametrize("stride", [1, 2])
def test_a_depthwise_kernel_larger_than_its_map_is_padded_first_and_stays_the_same(stride: int):
    torch.manual_seed(0)
    plain = nn.Conv2d(6, 6, 5, stride=stride, padding=2, groups=6, bias=False)
    ours = copy.deepcopy(nn.Sequential(plain))
    pad_first(ours)
    assert isinstance(ours[0], PadFirst)
    assert ours.state_dict().keys() == {"0.weight"}
    for side in (3, 8):  # below the kernel's five pixels and above them
        image = torch.rand(2, 6, side, side)
        expected, got = plain(image), ours(image)
        torch.testing.assert_close(got, expected)
        for gradient, other in zip(
            torch.autograd.grad(expected.square().sum(), plain.parameters()),
            torch.autograd.grad(got.square().sum(), ours.parameters()),
            strict=True,
        ):
            torch.testing.assert_close(other, gradient)
        torch.testing.assert_close(ours.eval()(image), expected)
        ours.train()


def test_dense_and_small_convolutions_stay_stock():
    trunk = nn.Sequential(nn.Conv2d(4, 4, 5, padding=2), nn.Conv2d(4, 4, 3, padding=1, groups=4))
    pad_first(trunk)
    assert [type(module) for module in trunk] == [nn.Conv2d, nn.Conv2d]
