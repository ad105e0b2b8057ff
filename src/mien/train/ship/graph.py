"""The whole graph of the contract as one module: from uint8 crops to calibrated shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.measure.calibrate import Scaling
from mien.train.network import Network, upsample

TINY = 1e-12


@dataclass(frozen=True)
class Member:
    """A network with the size and centre crop that it sees, and its weight in the average."""

    network: Network
    size: int
    crop: int = 48
    weight: float = 1.0


class Graph(nn.Module):
    """uint8 ``faces`` (N, 48, 48) to ``label`` (N, 7), ``ballot`` (N, 10) and ``cam`` (N, 7, h, w).

    Members' and mirror views' probabilities are averaged. The logarithm of the label's average is
    divided by its temperature (for one network and view, the same as dividing its logits), that of
    the ballot's is scaled and shifted, an option each. The maps, of the ballot's seven emotions,
    are averaged at the finest member's resolution.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        flip: bool = False,
        label_temperature: float = 1.0,
        ballot_scaling: Scaling | None = None,
    ) -> None:
        super().__init__()
        self.members = members
        self.networks = nn.ModuleList(member.network for member in members)
        self.flip = flip
        self.label_temperature = label_temperature
        self.ballot_scaling = ballot_scaling

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
        label, ballot = (_average(heads, shares) for heads in logits)
        if self.label_temperature != 1:
            label = label / self.label_temperature
        if self.ballot_scaling is not None:
            ballot = _scaled(ballot, self.ballot_scaling)
        return label.softmax(dim=1), ballot.softmax(dim=1), _average_maps(maps, shares)


def _average(logits: list[Tensor], shares: list[float]) -> Tensor:
    """Logarithm of the mean probability."""
    if len(logits) == 1:
        return logits[0].log_softmax(dim=1)
    parts = [z.softmax(dim=1) * share for z, share in zip(logits, shares, strict=True)]
    return torch.stack(parts).sum(dim=0).clamp(min=TINY).log()


def _scaled(logs: Tensor, scaling: Scaling) -> Tensor:
    # A matrix product stays in float where int8 takes every addition.
    return F.linear(
        logs, torch.diag(logs.new_tensor(scaling.scale)), logs.new_tensor(scaling.offset)
    )


def _whole(cam: Tensor, crop: int, side: int) -> Tensor:
    """The map of a centre crop, padded to the whole face."""
    if crop == side:
        return cam
    centre = F.interpolate(cam, size=(crop, crop), mode="bilinear", align_corners=False)
    return F.pad(centre, 4 * ((side - crop) // 2,))


def _average_maps(maps: list[Tensor], shares: list[float]) -> Tensor:
    if len(maps) == 1:
        return maps[0]
    side = max(cam.shape[-1] for cam in maps)
    even = [
        cam
        if cam.shape[-1] == side
        else F.interpolate(cam, size=(side, side), mode="bilinear", align_corners=False)
        for cam in maps
    ]
    parts = [cam * share for cam, share in zip(even, shares, strict=True)]
    return torch.stack(parts).sum(dim=0)
