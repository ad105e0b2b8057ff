"""Files of weights: nothing is lost in half precision, and nothing broken is started from."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mien.train import weights
from mien.train.starts.build import build

TINY = {"channels": [8, 8, 16, 16]}
SHIPPED = sorted((Path(__file__).parents[2] / "models").glob("*/weights.safetensors"))


def test_values_beyond_float16_stay_as_they_are(tmp_path):
    network = build("test_resnet", trunk_args=TINY)
    network.trunk.bn1.running_var.fill_(1e5)
    path = tmp_path / "weights.safetensors"
    weights.write(network, path, facts={"origin": "made"}, half=True)
    other = build("test_resnet", trunk_args=TINY)
    weights.fit_into(other, weights.read(path).state, source="it", whole=True, heads=True)
    for key, value in network.state_dict().items():
        torch.testing.assert_close(other.state_dict()[key], value, rtol=1e-3, atol=1e-6)
    whole = sum(value.numel() * value.element_size() for value in network.state_dict().values())
    assert path.stat().st_size < 0.7 * whole


@pytest.mark.parametrize("broken", [float("inf"), float("nan")])
def test_broken_weights_are_no_start(broken):
    network = build("test_resnet", trunk_args=TINY)
    state = network.state_dict()
    state["trunk.bn1.running_var"] = torch.full_like(state["trunk.bn1.running_var"], broken)
    with pytest.raises(ValueError, match=r"some.file: 1 weights .* trunk.bn1.running_var"):
        weights.fit_into(network, state, source="some.file", whole=True)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_what_we_ship_can_be_started_from(path):
    assert all(value.isfinite().all() for value in weights.read(path).state.values())


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors", "w.toml", "w.jpg"])
@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" + bytes(40), b"\x80\x04" * 9,
                                     b"{}", (1 << 60).to_bytes(8, "little") + b"{}"])  # fmt: skip
def test_a_file_that_holds_no_weights_is_named(tmp_path: Path, name: str, content: bytes):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}: .*tensors by name"):
        weights.read(path)


@pytest.mark.parametrize("state", [{1: torch.ones(1)}, {"a": "b"}, [torch.ones(1)], torch.ones(2)])
def test_other_things_that_torch_saved_are_named(tmp_path: Path, state: object):
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"w\.pth: holds no tensors by name"):
        weights.read(tmp_path / "w.pth")


@pytest.mark.parametrize("told", ["[]", '{"mean": 3}', '{"mean": [1, 2]}', '{"std": [1, NaN, 2]}'])
def test_facts_that_are_none_do_not_end_in_a_traceback(tmp_path: Path, told: str):
    save_file({"a": torch.ones(1)}, tmp_path / "w.safetensors", metadata={"mien": told})
    if told == "[]":
        assert weights.read(tmp_path / "w.safetensors").mean is None
        return
    with pytest.raises(ValueError, match=r"w\.safetensors: its mean or std"):
        weights.read(tmp_path / "w.safetensors")
