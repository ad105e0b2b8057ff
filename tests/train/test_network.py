from __future__ import annotations

import pytest
import torch
from torch import nn

from mien.train import loop
from mien.train.loop import choose_precision as choose
from mien.train.starts.build import build, check_map, pass_on, widen_stem

TINY = {"channels": [8, 8, 16, 16]}


def test_unknown_trunk_names_near_ones():
    with pytest.raises(ValueError, match="resnet18"):
        build("resnet18x")


@pytest.mark.parametrize(
    ("trunk", "arguments"),
    [
        ("test_vit", {}),
        (
            "swin_tiny_patch4_window7_224",
            {"embed_dim": 24, "depths": (1, 1), "num_heads": (1, 1), "img_size": 56},
        ),
    ],
)
def test_trunks_whose_features_are_no_map_are_refused(trunk: str, arguments: dict):
    with pytest.raises(ValueError, match=rf"network\.trunk={trunk}: .*not a map"):
        build(trunk, trunk_args=arguments)


def test_the_check_of_a_trunk_changes_nothing():
    trunk = build("test_convnext").trunk
    before = torch.get_rng_state()
    check_map(trunk, "test_convnext")
    assert trunk.training
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("stem", "side"), [("stock", 2), ("stride-1", 4), ("no-pool", 4), ("small", 8)]
)
def test_small_stems_keep_a_larger_map_and_the_same_weights(stem: str, side: int):
    network = build("test_resnet", trunk_args=TINY, stem=stem)
    assert network.features(torch.zeros(2, 1, 64, 64)).shape[2:] == (side, side)
    plain = build("test_resnet", trunk_args=TINY)
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
    network = build("test_resnet", trunk_args=TINY)
    network.hold(trunk=True)
    network.train()
    before = {k: v.clone() for k, v in network.trunk.state_dict().items()}
    label, ballot = network(torch.rand(4, 1, 24, 24) * 255)
    (label.sum() + ballot.sum()).backward()
    assert all(p.grad is None for p in network.trunk.parameters())
    assert network.label.weight.grad is not None
    assert all(torch.equal(v, before[k]) for k, v in network.trunk.state_dict().items())
    network.hold()
    network(torch.rand(4, 1, 24, 24) * 255)
    assert not torch.equal(network.trunk.bn1.running_mean, before["bn1.running_mean"])


def test_first_layers_stand_still_while_later_ones_learn():
    network = build("test_resnet", trunk_args=TINY)
    network.hold(upto="layer1")
    network.train()
    before = {k: v.clone() for k, v in network.trunk.state_dict().items()}
    label, _ = network(torch.rand(4, 1, 24, 24) * 255)
    label.sum().backward()
    first = ("conv1.", "bn1.", "layer1.")
    for name, parameter in network.trunk.named_parameters():
        assert (parameter.grad is None) == name.startswith(first), name
    for name, value in network.trunk.state_dict().items():
        if name.endswith("running_mean"):
            assert torch.equal(value, before[name]) == name.startswith(first), name
    network.hold()
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert all(module.training for module in network.modules())


def test_a_layer_that_the_trunk_does_not_have_is_told_with_those_it_has():
    with pytest.raises(ValueError, match=r"no layer 'blocks\.1'; it has conv1, .*layer1\.0"):
        build("test_resnet", trunk_args=TINY).hold(upto="blocks.1")


@pytest.mark.parametrize(
    ("features", "chosen"),
    [
        ({"avx2"}, "float32"),
        ({"avx2", "avx512f", "avx512_vnni"}, "float32"),
        ({"AuthenticAMD", "avx512_bf16"}, "bf16"),
        ({"GenuineIntel", "avx512_bf16"}, "float32"),
        ({"GenuineIntel", "avx512_bf16", "amx_bf16"}, "bf16"),
    ],
)
def test_auto_precision_is_bf16_where_it_pays(
    features: set[str], chosen: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(loop, "cpu_features", lambda: frozenset(features))
    assert choose("auto") == chosen
    assert choose("bf16") == "bf16"
    assert choose("float32") == "float32"
