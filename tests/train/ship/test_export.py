import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from mien.bundle import Card, load
from mien.emotions import BALLOT_INDEX
from mien.measure.calibrate import Calibration, Scaling, sharpen
from mien.train.network import upsample
from mien.train.ship import quantize
from mien.train.ship.export import OUTPUTS, difference, export, run
from mien.train.ship.graph import Graph, Member
from mien.train.ship.recalibrate import append
from mien.train.starts.build import build

SCALING = Scaling(scale=tuple(np.linspace(0.8, 1.3, 10)), offset=tuple(np.linspace(0.5, -0.4, 10)))


def make_network(trunk="test_efficientnet", **kwargs):
    torch.manual_seed(0)
    network = build(trunk, **kwargs).eval()
    for module in network.modules():  # norms that do something, so that folding is tested
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network


@pytest.fixture(scope="module")
def crops():
    return np.random.default_rng(0).integers(0, 256, (12, 48, 48), dtype=np.uint8)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, crops):
    graph = Graph([Member(make_network(), 64)])
    folder = tmp_path_factory.mktemp("bundle")
    return export(graph, folder, Card(name="t", sha256=""), probe=crops), graph


def test_onnx_agrees_with_torch_on_every_output(bundle, crops):
    exported, graph = bundle
    assert difference(graph, exported.graph, crops) < 1e-4
    label, ballot, cam = run(exported.graph, crops)
    assert (label.shape, ballot.shape, cam.shape[:2]) == ((12, 7), (12, 10), (12, 7))
    assert np.allclose(label.sum(axis=1), 1, atol=1e-5)


def test_the_graph_is_what_the_contract_says(bundle):
    exported, _ = bundle
    model = onnx.load(exported.graph)
    (faces,) = model.graph.input
    assert faces.name == "faces"
    assert faces.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [output.name for output in model.graph.output] == list(OUTPUTS)
    assert not any(node.op_type in ("BatchNormalization", "Pad") for node in model.graph.node)


@pytest.mark.slow
def test_pixels_that_keep_their_scale_cost_no_division(tmp_path, crops):
    plain = (0.4, 0.4, 0.4)
    network = make_network(mean=plain, std=(1 / 255, 1 / 255, 1 / 255))
    graph = Graph([Member(network, 64)])
    exported = export(graph, tmp_path / "b", Card(name="t", sha256=""), probe=crops)
    first = onnx.load(exported.graph).graph
    scaled = make_network(mean=plain, std=(0.5, 0.5, 0.5))
    other = export(
        Graph([Member(scaled, 64)]), tmp_path / "c", Card(name="t", sha256=""), probe=crops
    )
    second = onnx.load(other.graph).graph
    divisions = [sum(node.op_type == "Div" for node in g.node) for g in (first, second)]
    assert divisions[0] == divisions[1] - 1
    assert difference(graph, exported.graph, crops) < 1e-4


def test_the_bundle_loads_and_counts_its_cost(bundle):
    exported, graph = bundle
    again = load(exported.path)
    assert again.card.cost["parameters"] == sum(p.numel() for p in graph.parameters())
    assert again.card.cost["bytes"] == exported.graph.stat().st_size


def test_the_scores_are_the_networks(bundle, crops):
    _, graph = bundle
    with torch.no_grad():
        heads = graph.members[0].network(upsample(torch.from_numpy(crops), size=64))
        found = graph(torch.from_numpy(crops))
    for head, shares in zip(heads, found, strict=False):
        assert torch.allclose(shares, head.softmax(1), atol=1e-6)


def test_a_calibration_behind_the_graph_is_that_of_scores(bundle, crops, tmp_path):
    exported, _ = bundle
    label, ballot, cam = run(exported.graph, crops)
    append(Calibration(1.5, SCALING, "valid (9)"), exported.graph, tmp_path / "calibrated.onnx")
    found = run(tmp_path / "calibrated.onnx", crops)
    assert np.allclose(found[0], sharpen(label.astype(float), 1.5), atol=1e-5)
    assert np.allclose(found[1], SCALING.apply(ballot.astype(float)), atol=1e-5)
    assert np.array_equal(found[2], cam)


def test_an_ensemble_of_other_sizes_and_flips_is_one_graph(tmp_path, crops):
    members = [
        Member(make_network(), 64, weight=0.75),
        Member(make_network("test_resnet"), 96, crop=44, weight=0.25),
    ]
    graph = Graph(members, flip=True)
    exported = export(graph, tmp_path, Card(name="e", sha256=""), probe=crops)
    label, ballot, _ = run(exported.graph, crops)
    mirrored = run(exported.graph, np.ascontiguousarray(crops[:, :, ::-1]))
    assert np.allclose(label, mirrored[0], atol=1e-5), "a mirrored face scores the same"
    with torch.no_grad():
        shares = [Graph([m], flip=True)(torch.from_numpy(crops))[1] for m in members]
    mean = 0.75 * shares[0] + 0.25 * shares[1]
    assert np.allclose(ballot, mean, atol=1e-5)


def test_cams_average_to_the_logits_without_bias(crops):
    network = make_network()
    with torch.no_grad():
        features = network.features(upsample(torch.from_numpy(crops), size=64))
        cam = network.cam(features).mean(dim=(2, 3))
        logits = network.ballot(features.mean(dim=(2, 3))) - network.ballot.bias
    assert torch.allclose(cam, logits[:, list(BALLOT_INDEX)], atol=1e-4)


def test_the_cam_of_the_graph_is_grad_cam_of_the_network(bundle, crops):
    class Logits(torch.nn.Module):
        """The ballot's logits, with the features as a layer that Grad-CAM can watch."""

        def __init__(self, network):
            super().__init__()
            self.features = torch.nn.Sequential(torch.nn.Identity())
            self.network = network

        def forward(self, grey):
            return self.network.ballot(self.features(self.network.features(grey)).mean(dim=(2, 3)))

    exported, graph = bundle
    network, size = graph.members[0].network, graph.members[0].size
    grey = upsample(torch.from_numpy(crops), size=size)
    mine = torch.from_numpy(run(exported.graph, crops)[2]).relu()
    model = Logits(network)
    with GradCAM(model=model, target_layers=[model.features]) as grad_cam:
        for emotion, option in enumerate(BALLOT_INDEX):
            theirs = grad_cam(grey, targets=[ClassifierOutputTarget(option)] * len(crops))
            map_ = mine[:, emotion] - mine[:, emotion].amin(dim=(1, 2), keepdim=True)
            map_ = map_ / (map_.amax(dim=(1, 2), keepdim=True) + 1e-7)
            large = F.interpolate(map_[:, None], (size, size), mode="bilinear")[:, 0]
            assert np.allclose(large.numpy(), theirs, atol=2e-3)


def test_the_cam_of_a_network_that_sees_the_centre_covers_the_whole_face(crops, tmp_path):
    network = make_network()
    card = Card(name="t", sha256="")
    seen = export(Graph([Member(network, 64, crop=32)]), tmp_path, card, probe=crops)
    cam = run(seen.graph, crops)[2]
    with torch.no_grad():
        features = network.features(upsample(torch.from_numpy(crops), size=64, crop=32))
        centre = F.interpolate(network.cam(features), (32, 32), mode="bilinear").numpy()
    assert cam.shape == (12, 7, 48, 48)
    assert np.allclose(cam[:, :, 8:40, 8:40], centre, atol=1e-4)
    cam[:, :, 8:40, 8:40] = 0
    assert not cam.any()


def test_int8_and_fp16_stay_close_and_are_smaller(bundle, crops, tmp_path):
    exported, _ = bundle
    small, half = tmp_path / "int8.onnx", tmp_path / "fp16.onnx"
    quantize.to_int8(exported.graph, small, crops)
    quantize.to_fp16_weights(exported.graph, half)
    assert quantize.fidelity(exported.graph, half, crops).max_gap < 1e-3
    assert quantize.fidelity(exported.graph, small, crops).mean_gap < 0.02
    kinds = [node.op_type for node in onnx.load(small).graph.node]
    assert kinds.count("QuantizeLinear") > 3
    assert half.stat().st_size < exported.graph.stat().st_size
