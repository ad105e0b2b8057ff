"""Where a trunk's weights come from: a hub, a package of a registry, a file, or nothing.

A start that cannot be had names the remedy. The origin and licence travel into the card.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from torch import Tensor

from mien.train import dlib, faceres, folded, lite, sections, thin, vgg16, weights
from mien.train.network import Network, Triple, build, normalisation, pass_on, upsample

CALIBRATION_IMAGES = 512


@dataclass(frozen=True)
class Start:
    """Weights by name, where they come from, and what their trunk expects.

    ``state`` may be a whole network of ours, or a trunk with or without its own classifier;
    ``biases`` are those of folded batch norms, which ``folded.unfold_norms`` puts back.
    """

    origin: str
    state: dict[str, Tensor] | None = None
    biases: dict[str, Tensor] | None = None
    mean: Triple | None = None
    std: Triple | None = None


def _random(where: str, trunk: str) -> Start:
    return Start("random")


def _hub(where: str, trunk: str) -> Start:
    return Start(f"ImageNet weights of timm's {trunk}, from the hub (licence: its model card)")


def _package(source: ModuleType) -> Callable[[str, str], Start]:
    """A start whose norms are folded, out of a package that ``source`` reads."""

    def start(where: str, trunk: str) -> Start:
        return Start(source.ORIGIN, *source.read(Path(where)))

    return start


def _lite(variant: str) -> Callable[[str, str], Start]:
    def start(where: str, trunk: str) -> Start:
        if variant == "lite0" and trunk in lite.B0:
            return Start(lite.origin(variant), lite.with_open_gates(lite.read(variant), trunk))
        if trunk != lite.trunk_name(variant):
            raise ValueError(
                f"network.start={variant} fits network.trunk={lite.trunk_name(variant)}"
            )
        return Start(lite.origin(variant), lite.read(variant))

    return start


STARTS: dict[str, Callable[[str, str], Start]] = {
    "random": _random,
    "imagenet": _hub,
    "faceres": _package(faceres),
    "dlib": _package(dlib),
    "vgg16": _package(vgg16),
    "lite0": _lite("lite0"),
    "lite1": _lite("lite1"),
    "lite2": _lite("lite2"),
}
"""Starts by name; any other text is a weights file, or a bundle that carries one."""


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
    kind, _, where = settings.start.partition(":")
    if settings.init == "dirac" and kind != "random":
        raise ValueError("network.init=dirac needs network.start=random: weights replace it")
    if kind in STARTS:
        start = STARTS[kind](where, settings.trunk)
    else:
        found = weights.read(weights.find(settings.start))
        start = Start(found.origin, found.state, None, found.mean, found.std)
    wide = settings.model_copy(update={"widths": {}})
    thinned = kind == "random" or thin.is_narrow(start.state or {}, settings.widths)
    network = blank(settings if thinned else wide, start, pretrained=kind == "imagenet")
    if settings.init == "dirac":
        pass_on(network.trunk)
    if start.state is not None:
        weights.fit_into(network, start.state, source=settings.start, whole=start.biases is None)
    some = images[:: max(1, len(images) // CALIBRATION_IMAGES)]
    if start.biases:
        grey = upsample(some, size=settings.size)
        inputs = (grey - network.mean) / network.std
        folded.unfold_norms(network.trunk, start.biases, inputs)
    if thinned:
        return network, start.origin
    grey = upsample(some, size=settings.size, crop=settings.crop)
    narrow = blank(settings, start)
    narrow.load_state_dict(thin.choose(network, settings.widths, grey))
    return narrow, start.origin


def blank(settings: sections.Network, start: Start, *, pretrained: bool = False) -> Network:
    """The network of a recipe, with random weights or the hub's.

    Raises:
        OSError: the hub cannot be reached.
        ValueError: the hub has no weights of this trunk, or timm has no such trunk.
    """
    mean, std = normalisation(
        settings.start, settings.mean or start.mean, settings.std or start.std
    )
    try:
        return build(
            settings.trunk, trunk_args=settings.trunk_args, pretrained=pretrained,
            mean=mean, std=std, dropout=settings.dropout, stem=settings.stem,
            widths=settings.widths,
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
