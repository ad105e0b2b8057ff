"""The graph of the contract as one module: from uint8 crops to shares, before any calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.train.network import Network, upsample


@dataclass(frozen=True)
class Member:
    """A network with the size and centre crop that it sees, and its weight in the average."""

    network: Network
    size: int
    crop: int = 48
    weight: float = 1.0


class Graph(nn.Module):
    """uint8 ``faces`` (N, 48, 48) to ``label`` (N, 7), ``ballot`` (N, 10) and ``cam`` (N, 7, h, w).

    Members' and mirror views' probabilities are averaged; ``recalibrate.append`` calibrates the
    averages. The maps, of the ballot's seven emotions, are averaged at the finest member's
    resolution.
    """

    def __init__(self, members: Sequence[Member], *, flip: bool = False) -> None:
        super().__init__()
        self.members = members
        self.networks = nn.ModuleList(member.network for member in members)
        self.flip = flip

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Label shares, ballot shares, class-activation maps."""
        grey = faces.float()
        count = faces.shape[0]
        views = 2 if self.flip else 1
        if self.flip:  # one longer batch: the weights stand in the graph once
            grey = torch.cat([grey, grey.flip(-1)])
        logits: tuple[list[Tensor], list[Tensor]] = ([], [])
        maps: list[Tensor] = []
        for member in self.members:
            network = member.network  # registered through self.networks
            features = network.features(upsample(grey, size=member.size, crop=member.crop))
            pooled = features.mean(dim=(2, 3))
            label, ballot, cam = (
                network.label(pooled),
                network.ballot(pooled),
                network.cam(features),
            )
            logits[0].append(label[:count])
            logits[1].append(ballot[:count])
            maps.append(_whole(cam[:count], member.crop, faces.shape[-1]))
            if self.flip:
                logits[0].append(label[count:])
                logits[1].append(ballot[count:])
                maps.append(_whole(cam[count:], member.crop, faces.shape[-1]).flip(-1))
        weights = [member.weight for member in self.members for _ in range(views)]
        shares = [weight / sum(weights) for weight in weights]
        label, ballot = (_average([z.softmax(dim=1) for z in head], shares) for head in logits)
        return label, ballot, _average_maps(maps, shares)


def _average(parts: list[Tensor], shares: list[float]) -> Tensor:
    if len(parts) == 1:
        return parts[0]
    scaled = [part * share for part, share in zip(parts, shares, strict=True)]
    return torch.stack(scaled).sum(dim=0)


def _whole(cam: Tensor, crop: int, side: int) -> Tensor:
    """The map of a centre crop, padded to the whole face."""
    if crop == side:
        return cam
    centre = F.interpolate(cam, size=(crop, crop), mode="bilinear", align_corners=False)
    return F.pad(centre, 4 * ((side - crop) // 2,))


def _average_maps(maps: list[Tensor], shares: list[float]) -> Tensor:
    side = max(cam.shape[-1] for cam in maps)
    even = [
        cam
        if cam.shape[-1] == side
        else F.interpolate(cam, size=(side, side), mode="bilinear", align_corners=False)
        for cam in maps
    ]
    return _average(even, shares)
