"""Prepares a global batch, of which each process takes its shard.

Everything is drawn for the global batch and then sliced, so that the number of processes does not
change what is learnt from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mien.emotions import BALLOT, EMOTIONS, NOT_A_FACE
from mien.train import augment
from mien.train.samples import Samples, label_targets


@dataclass(frozen=True)
class Batch:
    """Inputs (n, 1, s, s), soft targets, and how much each row counts for each head.

    ``label_norm`` and ``ballot_norm`` are the sums of the global batch's counts.
    """

    grey: Tensor
    label: Tensor
    ballot: Tensor
    labelled: Tensor
    voted: Tensor
    label_norm: Tensor
    ballot_norm: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        moved = {name: getattr(self, name).to(device) for name in self.__dataclass_fields__}
        return Batch(**moved)


@dataclass(frozen=True)
class BatchMaker:
    """How rows of ``samples`` become a batch.

    ``settings`` are keywords of ``augment.draw``; ``bank`` (B, 48, 48) holds made non-faces and
    the first ``nonface_count`` rows of each batch become such; ``label_weight`` and ``strength``
    (7,) are a class's weight in the loss and the width of its changes; ``mixup`` is the Beta's
    alpha; ``teacher_weight`` the teacher's share in targets where ``samples`` has one, or where
    ``teacher`` is asked about each batch: it gets (n, 1, 48, 48), gives (n, 17) shares.
    """

    samples: Samples
    settings: dict[str, float]
    crop: int = 48
    bank: Tensor | None = None
    nonface_count: int = 0
    smoothing: float = 0.0
    mixup: float = 0.0
    teacher_weight: float = 0.0
    teacher: Callable[[Tensor], Tensor] | None = None
    label_weight: Tensor | None = None
    strength: Tensor | None = None

    def make(self, rows: Tensor, random: torch.Generator, *, size: int, shard: slice) -> Batch:
        """The shard of the global batch of ``rows``, at ``size`` pixels a side.

        Everything is drawn on the CPU, and pixels are changed on the device that holds them.
        """
        samples = self.samples
        place, emotion = samples.images.device, samples.label[rows]
        images = samples.images[rows.to(place)]
        label = label_targets(emotion, classes=len(EMOTIONS), smoothing=self.smoothing)
        ballot, voted = samples.ballot[rows].clone(), samples.voted[rows].clone()
        labelled = torch.ones(len(rows))
        if self.label_weight is not None:
            labelled = self.label_weight[emotion]
        trust = torch.full((len(rows),), self.teacher_weight)
        if samples.teacher is not None:
            label, ballot, voted = make_room(label, ballot, voted, trust)
            label, ballot = teach(samples.teacher[rows].float(), label, ballot)
        if self.nonface_count and self.bank is not None:
            count, made = self.nonface_count, self.nonface_count // 2
            spoilt = augment.spoil(images[made:count], generator=random)
            picked = torch.randint(0, len(self.bank), (made,), generator=random).to(place)
            images = torch.cat([self.bank[picked], spoilt, images[count:]])
            ballot[:count] = 0
            ballot[:count, NOT_A_FACE] = 1
            labelled[:count], voted[:count], trust[:count] = 0, 1, 0
        if self.teacher is not None:
            label, ballot, voted = make_room(label, ballot, voted, trust)
        strength = None if self.strength is None else self.strength[emotion]
        draws = augment.draw(len(rows), generator=random, strength=strength, **self.settings)
        ballot = augment.doubt(ballot, draws)

        own = torch.arange(len(rows))[shard]
        partner = share = None
        if self.mixup:
            # The Beta comes from numpy, seeded by the batch's generator: torch's takes none.
            beta = np.random.default_rng(random.initial_seed()).beta(
                self.mixup, self.mixup, len(rows)
            )
            share = torch.from_numpy(beta).float()
            partner = torch.randperm(len(rows), generator=random)
            label, labelled = mix_targets(label, labelled, partner, share)
            ballot, voted = mix_targets(ballot, voted, partner, share)

        def look(size: int, crop: int) -> Tensor:
            def see(order: Tensor) -> Tensor:
                seen = draws.take(order).to(place)
                return augment.apply(images[order.to(place)], seen, size=size, crop=crop)

            if partner is None or share is None:
                return see(own)
            return mix(see(own), see(partner[shard]), share[shard].view(-1, 1, 1, 1).to(place))

        if self.teacher is not None:
            side = samples.images.shape[-1]
            taught = torch.zeros(len(rows), len(EMOTIONS) + len(BALLOT))
            taught[shard] = self.teacher(look(side, side))
            label, ballot = teach(taught, label, ballot)
        grey = look(size, self.crop)
        return Batch(
            grey=grey, label=label[shard], ballot=ballot[shard],
            labelled=labelled[shard], voted=voted[shard],
            label_norm=labelled.sum(), ballot_norm=voted.sum(),
        ).to(place)  # fmt: skip


def make_room(
    label: Tensor, ballot: Tensor, voted: Tensor, trust: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Targets with one more class, the teacher's share; where nobody voted it is all of a ballot.

    As a class of its own it is mixed like any other, by how much each picture counts.

    Args:
        label: (N, 7) distributions.
        ballot: (N, 10) distributions.
        voted: (N,) how much each ballot counts, 0 where there is none.
        trust: (N,) the teacher's share.

    Returns:
        (N, 8), (N, 11) and (N,).
    """
    alone = torch.where(voted > 0, trust, (trust > 0).float())
    return (
        torch.cat([label * (1 - trust)[:, None], trust[:, None]], dim=1),
        torch.cat([ballot * (1 - alone)[:, None], alone[:, None]], dim=1),
        torch.where((voted == 0) & (trust > 0), 1.0, voted),
    )


def teach(taught: Tensor, label: Tensor, ballot: Tensor) -> tuple[Tensor, Tensor]:
    """Give the room that was made to the teacher's (N, 17) shares of both heads."""
    classes = label.shape[1] - 1
    return (
        label[:, :classes] + label[:, classes:] * taught[:, :classes],
        ballot[:, :-1] + ballot[:, -1:] * taught[:, classes:],
    )


def mix(first: Tensor, second: Tensor, share: Tensor | float) -> Tensor:
    """``share`` of the first and the rest of the second."""
    return first * share + second * (1 - share)


def mix_targets(
    target: Tensor, counts: Tensor, partner: Tensor, share: Tensor
) -> tuple[Tensor, Tensor]:
    """Each row's target mixed with its partner's, both by how much they count.

    Args:
        target: (N, K) distributions.
        counts: (N,) how much each counts, 0 where it has no target.
        partner: (N,) row numbers.
        share: (N,) of the row itself.

    Returns:
        Mixed (N, K) distributions and (N,) counts.
    """
    own, other = counts * share, counts[partner] * (1 - share)
    mixed = own + other
    total = target * own[:, None] + target[partner] * other[:, None]
    return total / mixed.clamp(min=1e-8)[:, None], mixed
