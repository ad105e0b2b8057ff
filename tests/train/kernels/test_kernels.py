"""Layers that a CPU trains faster compute what the stock ones do, forwards and backwards."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from timm.layers import Conv2dSame
from torch import Tensor, nn

from mien.train import kernels


def gradients(layer: nn.Module, image: Tensor) -> list[Tensor]:
    """The output, then the gradients of its squares by the image and each weight."""
    image = image.clone().requires_grad_()
    out = layer(image)
    inputs = (image, *layer.parameters())
    return [out, *torch.autograd.grad(out.float().square().sum(), inputs)]


def depthwise_layer(kernel: int, stride: int, same: bool) -> nn.Conv2d:
    kind = Conv2dSame if same else nn.Conv2d
    return kind(6, 6, kernel, stride=stride, padding=kernel // 2, groups=6, bias=False)


@pytest.mark.parametrize("side", [2, 3, 8, 9])
@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_depthwise_layers_stay_the_same(kernel: int, stride: int, same: bool, side: int):
    torch.manual_seed(0)
    plain = depthwise_layer(kernel, stride, same)
    ours = copy.deepcopy(nn.Sequential(plain))
    kernels.accelerate(ours)
    assert isinstance(ours[0], (kernels.Depthwise, kernels.DepthwiseSame))
    assert ours.state_dict().keys() == {"0.weight"}
    image = torch.rand(2, 6, side, side)
    for got, expected in zip(gradients(ours, image), gradients(plain, image), strict=True):
        torch.testing.assert_close(got, expected)
    torch.testing.assert_close(ours.eval()(image), plain(image))


@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize(("kernel", "stride", "side"), [(3, 2, 8), (5, 1, 8), (3, 1, 2)])
def test_under_autocast_slow_depthwise_layers_compute_in_float32(
    kernel: int, stride: int, side: int, same: bool
):
    torch.manual_seed(0)
    plain = depthwise_layer(kernel, stride, same)
    ours = copy.deepcopy(nn.Sequential(plain))
    kernels.accelerate(ours)
    image = torch.rand(2, 6, side, side)
    with torch.autocast("cpu", torch.bfloat16):
        got = gradients(ours, image.bfloat16())
    expected = plain(image.bfloat16().float())
    assert torch.equal(got[0], expected.bfloat16())
    assert got[1].dtype == torch.bfloat16
    _, by_image, by_weight = gradients(plain, image.bfloat16().float())
    torch.testing.assert_close(got[1].float(), by_image, rtol=0.02, atol=0.02)
    torch.testing.assert_close(got[2], by_weight, rtol=0.02, atol=0.02)


def test_a_quick_depthwise_layer_follows_autocast():
    ours = nn.Sequential(depthwise_layer(3, 1, same=False))
    kernels.accelerate(ours)
    image = torch.rand(2, 6, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        got = ours(image)
    weight = ours[0].weight.bfloat16()
    assert torch.equal(got, F.conv2d(image.bfloat16(), weight, padding=1, groups=6))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("side", [1, 4, 5, 17])  # below and above both thresholds
def test_1x1_layers_stay_the_same(side: int, bf16: bool, bias: bool):
    torch.manual_seed(0)
    plain = nn.Conv2d(6, 5, 1, bias=bias)
    ours = copy.deepcopy(nn.Sequential(plain))
    kernels.accelerate(ours)
    assert isinstance(ours[0], kernels.Pointwise)
    assert list(ours.state_dict()) == [f"0.{name}" for name in plain.state_dict()]
    image = torch.rand(2, 6, side, side).contiguous(memory_format=torch.channels_last)
    tolerance = {"rtol": 0.03, "atol": 0.03} if bf16 else {}
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        pairs = list(zip(gradients(ours, image), gradients(plain, image), strict=True))
    for got, expected in pairs:
        assert got.dtype == expected.dtype
        torch.testing.assert_close(got, expected, **tolerance)
    assert pairs[0][0].is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(ours.eval()(image), plain(image))


def test_other_convolutions_stay_stock():
    trunk = nn.Sequential(
        nn.Conv2d(4, 4, 5, padding=2), nn.Conv2d(4, 8, 1, stride=2), nn.Conv2d(4, 4, 1, groups=2),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect", groups=4),
    )  # fmt: skip
    kernels.accelerate(trunk)
    assert {type(module) for module in trunk} == {nn.Conv2d}


def test_without_numba_training_works_and_says_once_what_it_would_gain(tmp_path: Path):
    script = """
import sys
sys.modules["numba"] = sys.modules["llvmlite"] = None  # as if they were not installed
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name == "numba" else find(name, *a)
from pathlib import Path
from tests.train.conftest import make_faces, tiny_recipe
from mien.train.fit import fit
from mien.train.watch import Silent

class Notes(Silent):
    def note(self, text):
        print("NOTE", text)

for name, kind in (("one", "auto"), ("two", "auto"), ("three", "stock")):
    recipe = tiny_recipe(epochs=1, kernels=kind, network__trunk="test_efficientnet",
        network__trunk_args={})
    fit(recipe, make_faces(32), Path(sys.argv[1]) / name, watch=Notes())
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=Path(__file__).parents[3],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("NOTE") == 1
    assert "pip install 'mien[fast]'" in done.stdout
    for name in ("one", "two", "three"):
        assert (tmp_path / name / "weights.safetensors").is_file()
