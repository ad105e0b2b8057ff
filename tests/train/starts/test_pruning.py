from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.train.conftest import make_faces, settle, tiny_recipe

from mien.train import starts, weights
from mien.train.network import Network, upsample
from mien.train.starts import pruning
from mien.train.starts.build import build

TRUNK = "mobilenetv1_100"
WIDTHS = {"blocks.1": 96, "blocks.3": 448}
CROPS = torch.from_numpy(make_faces(98).images)


@pytest.fixture(scope="module")
def wide() -> Network:
    torch.manual_seed(0)
    return settle(build(TRUNK), upsample(CROPS, size=32))


def features(network: Network, crops: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return network.eval().features(upsample(crops, size=32))


def narrowed(state: dict[str, torch.Tensor], **widths: int) -> Network:
    network = build(TRUNK, widths={f"blocks.{stage[1:]}": width for stage, width in widths.items()})
    network.load_state_dict(state)
    return network


def test_chosen_channels_compute_nearly_what_all_did(wide: Network):
    state = pruning.prune(wide, WIDTHS, upsample(CROPS[:64], size=32))
    chosen = narrowed(state, b1=96, b3=448)
    first = build(TRUNK)
    first.load_state_dict(wide.state_dict())
    pruning.narrow(first.trunk, WIDTHS)  # the first channels of each, and nothing made good
    expected = features(wide, CROPS[64:])
    gaps = [(features(n, CROPS[64:]) - expected).abs().mean() for n in (chosen, first)]
    assert gaps[0] < 0.75 * gaps[1]
    assert features(wide, CROPS[64:]).equal(expected)


def test_channels_that_say_what_others_say_cost_nothing():
    torch.manual_seed(0)
    network = build(TRUNK)
    block, after = network.trunk.blocks[0][0], network.trunk.blocks[1][0]
    with torch.no_grad():
        for value in (block.conv_pw.weight, after.conv_dw.weight, after.bn1.weight):
            value[32:] = value[:32]
        network(upsample(CROPS, size=32))
    state = pruning.prune(network.eval(), {"blocks.0": 32}, upsample(CROPS, size=32))
    less = narrowed(state, b0=32)
    gap = (features(less, CROPS) - features(network, CROPS)).abs()
    assert gap.max() < 0.01 * features(network, CROPS).abs().max()


def test_keep_drops_the_inputs_that_say_nothing():
    torch.manual_seed(0)
    x = torch.randn(500, 6).double()
    x[:, 2] = 0.5 * x[:, 0] - x[:, 4]
    y = x @ torch.tensor([[1.0, 2], [0, 0], [1, -1], [1, 0], [0, 1], [3, 1]]).double()
    kept, weight = pruning.keep(x.T @ x / 500, x.T @ y / 500, 4, torch.ones(2))
    assert len(kept) == 4
    assert 1 not in kept
    assert {3, 5} <= set(kept.tolist())
    assert torch.allclose(x[:, kept] @ weight, y, atol=0.01)


def test_a_recipe_starts_from_a_wider_network_and_goes_on_from_its_own(
    wide: Network, tmp_path: Path
):
    path = tmp_path / "wide.safetensors"
    weights.write(wide, path, facts={"origin": "a wide place"})
    recipe = tiny_recipe(
        network__trunk=TRUNK, network__trunk_args={}, network__start=str(path), network__size=32,
        network__widths=WIDTHS,
    )  # fmt: skip
    network, origin = starts.begin(recipe.network, CROPS)
    assert origin == "a wide place"
    assert network.trunk.blocks[3][5].conv_pw.weight.shape == (448, 448, 1, 1)
    assert network.label.weight.equal(wide.label.weight)
    weights.write(network, tmp_path / "narrow.safetensors", facts={})
    on = recipe.network.model_copy(update={"start": str(tmp_path / "narrow.safetensors")})
    again, _ = starts.begin(on, CROPS)
    restored = starts.restore(recipe.network, tmp_path / "narrow.safetensors")
    for other in (again, restored):
        assert features(other, CROPS[:4]).equal(features(network, CROPS[:4]))


@pytest.mark.parametrize(
    ("trunk", "widths", "message"),
    [
        (TRUNK, {"blocks.9": 64}, r"no stage 'blocks\.9'.*blocks\.0, blocks\.1"),
        (TRUNK, {"blocks.4": 64}, "blocks.4 is the last stage"),
        (TRUNK, {"blocks.3": 512}, "512 are not fewer"),
        (
            "test_resnet",
            {"layer1": 8},
            "no stage 'layer1' of depthwise-separable blocks; there are none",
        ),
        ("tf_efficientnet_lite0", {"blocks.0": 8}, "blocks.0 is the last stage, or not one"),
    ],
)
def test_widths_that_cannot_be_say_so(trunk: str, widths: dict[str, int], message: str):
    with pytest.raises(ValueError, match=message):
        build(trunk, widths=widths)
