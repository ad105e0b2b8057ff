"""A trunk, pooled features and two linear heads; how crops enter it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.emotions import BALLOT, BALLOT_INDEX, EMOTIONS


def upsample(images: Tensor, *, size: int, crop: int = 48) -> Tensor:
    """Centre crop and bilinear upsampling (half-pixel, no antialias).

    Args:
        images: (N, 48, 48) uint8 or float, 0..255.
        size: pixels a side of the result.
        crop: pixels of the centre that are kept.

    Returns:
        (N, 1, size, size) float, 0..255.
    """
    edge = (images.shape[-1] - crop) // 2
    grey = images[:, None, edge : edge + crop, edge : edge + crop].float()
    if size == crop:
        return grey
    return F.interpolate(grey, size=(size, size), mode="bilinear", align_corners=False)


class Network(nn.Module):
    """Trunk with pooled features and two heads.

    ``trunk.forward_features`` maps (N, 3, s, s) to (N, C, h, w). Input values are 0..255.
    ``hold`` keeps the trunk, its first layers, or the statistics of its batch norms still while the
    rest trains.
    """

    still: tuple[str, ...] = ()
    layout = torch.channels_last

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        trunk: nn.Module,
        features: int,
        *,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.dropout = nn.Dropout(dropout)
        self.label = nn.Linear(features, len(EMOTIONS))
        self.ballot = nn.Linear(features, len(BALLOT))
        self.register_buffer("mean", 255 * torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std).view(1, -1, 1, 1), persistent=False)
        self.divides = bool((self.std != 1).any())  # else the graph would carry a division by one

    def features(self, grey: Tensor) -> Tensor:
        """(N, 1, s, s) grey, 0..255, to the feature map (N, C, h, w)."""
        x = grey - self.mean
        if self.divides:
            x = x / self.std
        # The broadcast result is contiguous; say so, or the trunk runs in the slow layout.
        x = x.contiguous(memory_format=self.layout)
        features: Tensor = self.trunk.forward_features(x)  # type: ignore[operator]
        return features

    def forward(self, grey: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 1, s, s) grey, 0..255, to logits ``label`` (N, 7) and ``ballot`` (N, 10)."""
        pooled = self.dropout(self.features(grey).mean(dim=(2, 3)).float())
        return self.label(pooled), self.ballot(pooled)

    def hold(self, *, trunk: bool = False, norms: bool = False, upto: str = "") -> None:
        """Freeze the whole trunk, its first layers, or only its norms' statistics.

        What an earlier call froze and this one does not is free again.

        Raises:
            ValueError: the trunk has no layer ``upto``.
        """
        first = layers_upto(self.trunk, upto) if upto else []
        for name, parameter in self.trunk.named_parameters():
            parameter.requires_grad_(not trunk and name.rpartition(".")[0] not in first)
        all_norms = [
            name
            for name, module in self.trunk.named_modules()
            if (trunk or norms) and isinstance(module, nn.modules.batchnorm._BatchNorm)
        ]
        self.still = (*first, *all_norms)
        self.train(self.training)

    def train(self, mode: bool = True) -> Network:
        """Switch modes; frozen layers stay in evaluation mode."""
        super().train(mode)
        for name in self.still:
            self.trunk.get_submodule(name).eval()
        return self

    def cam(self, features: Tensor) -> Tensor:
        """(N, C, h, w) features to class-activation maps (N, 7, h, w) of the ballot's seven."""
        weight = self.ballot.weight[list(BALLOT_INDEX)]
        return F.conv2d(features, weight[:, :, None, None])


def layers_upto(trunk: nn.Module, last: str) -> list[str]:
    """Names of a trunk's modules up to and including one, in order of registration.

    Those that hold later ones too are left out.

    Raises:
        ValueError: the trunk has no such module.
    """
    names = [name for name, _ in trunk.named_modules() if name]
    if last not in names:
        top = ", ".join(name for name in names if name.count(".") < 2 and "act" not in name)
        raise ValueError(f"transfer.freeze: the trunk has no layer {last!r}; it has {top}")
    end = max(i for i, name in enumerate(names) if f"{name}.".startswith(f"{last}."))
    return [name for name in names[: end + 1] if not last.startswith(f"{name}.")]


def check_sizes(network: Network, sizes: Iterable[int]) -> None:
    """Check that the network takes pictures of all these sizes, before training starts.

    Raises:
        ValueError: one that it does not take.
    """
    training = network.training
    network.eval()
    for size in sorted(sizes):
        try:
            with torch.no_grad():
                network(torch.zeros(1, 1, size, size))
        except RuntimeError as error:
            raise ValueError(
                f"the network takes no pictures of {size} pixels ({error}); raise network.size "
                "and sizes, or change network.trunk_args"
            ) from None
    network.train(training)
