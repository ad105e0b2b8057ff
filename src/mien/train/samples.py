"""Training samples: crops as tensors, class balance, and the order of an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from mien.data.dataset import Dataset
from mien.emotions import BALLOT_INDEX, EMOTIONS

HELD = 0.1
"""Share of the groups of a train split that becomes ``valid`` where a set has none."""


def label_targets(label: Tensor, *, classes: int, smoothing: float) -> Tensor:
    """(N,) class numbers to (N, classes) smoothed distributions."""
    return F.one_hot(label, classes).float() * (1 - smoothing) + smoothing / classes


@dataclass(frozen=True)
class Samples:
    """``images`` (N, 48, 48) uint8; ``label`` (N,) int64; ``ballot`` (N, 10) float shares, a row of
    zeros where nobody voted; ``voted`` (N,) float, 1 where somebody did; ``teacher`` (N, 17)
    label and ballot shares of a teacher, or None.
    """  # noqa: D205

    images: Tensor
    label: Tensor
    ballot: Tensor
    voted: Tensor
    teacher: Tensor | None = None

    def __len__(self) -> int:
        return len(self.label)


def from_dataset(data: Dataset) -> Samples:
    """Tensors of a dataset; counts become shares."""
    voted = torch.from_numpy(data.has_votes.astype(np.float32))
    counts = torch.from_numpy(data.votes).float().clamp(min=0)
    return Samples(
        images=torch.from_numpy(data.images),
        label=torch.from_numpy(data.emotion),
        ballot=counts / counts.sum(dim=1, keepdim=True).clamp(min=1),
        voted=voted,
    )


def label_as_vote(samples: Samples, *, smoothing: float) -> Samples:
    """If no picture has votes, each label counts as one vote.

    Otherwise made non-faces would be all that the ballot learns from, and it would see no face
    anywhere.
    """
    choice = torch.tensor(BALLOT_INDEX)[samples.label]
    ballot = label_targets(choice, classes=samples.ballot.shape[1], smoothing=smoothing)
    return replace(samples, ballot=ballot, voted=torch.ones(len(samples)))


def trainable_rows(data: Dataset) -> NDArray[np.bool_]:
    """Mask (N,) of the rows to train on: labelled, and with votes if the set has any.

    FER-2013 rows without FER+ votes exist only as contrast-equalised copies, a third of them not
    faces; a set without any votes is taken whole.
    """
    rows = data.emotion >= 0
    return rows & data.has_votes if data.has_votes.any() else rows


def trainable(data: Dataset) -> Dataset:
    """The rows of ``trainable_rows``."""
    return data.take(trainable_rows(data))


def holdout_split(
    group: NDArray[np.int64], share: float, *, seed: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks (N,) of the rows to train on and of those kept out; no group is on both sides."""
    numbers = np.unique(group)
    chosen = np.random.default_rng(seed).permutation(numbers)[: round(share * len(numbers))]
    held = np.isin(group, chosen)
    return ~held, held


def hold_valid(data: Dataset, *, seed: int) -> Dataset:
    """The set with a tenth of the groups of its train split, at least one, as a split ``valid``.

    Raises:
        ValueError: fewer than two groups, of which none can be spared.
    """
    rows = (data.split == "train").nonzero()[0]
    groups = len(set(data.group[rows].tolist()))
    if groups < 2:
        raise ValueError("too few pictures in its train split; add more")
    held = holdout_split(data.group[rows], max(HELD, 1 / groups), seed=seed)[1]
    splits = data.split.astype("U5")
    splits[rows[held]] = "valid"
    return replace(data, split=splits)


def in_splits(data: Dataset) -> Dataset:
    """The set itself, or all of it for training where no picture is in a split."""
    if (data.split != "").any() or not len(data):
        return data
    return replace(data, split=np.full(len(data), "train"))


def sample_groups(group: NDArray[np.int64], share: float, *, seed: int) -> NDArray[np.bool_]:
    """Mask (N,) of a share of the rows, whole groups at a time."""
    return holdout_split(group, share, seed=seed)[1]


def generator(seed: int, epoch: int, batch: int = -1) -> torch.Generator:
    """The one source of randomness of a batch (or, without one, of an epoch)."""
    state = np.random.SeedSequence([seed, epoch, batch + 1]).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(state[0]) << 32 | int(state[1]))


def batches(
    count: int, size: int, *, seed: int, epoch: int, weight: Tensor | None = None
) -> Iterator[Tensor]:
    """Row numbers of each full global batch of a shuffled epoch; the remainder is left out.

    With ``weight`` (count,) rows are drawn by it, again and again, instead of each once.
    """
    random = generator(seed, epoch)
    if weight is None:
        order = torch.randperm(count, generator=random)
    else:
        order = torch.multinomial(weight, count, replacement=True, generator=random)
    for start in range(0, count - size + 1, size):
        yield order[start : start + size]


def counts(label: Tensor) -> Tensor:
    """(7,) rows of each emotion, at least one."""
    return torch.bincount(label, minlength=len(EMOTIONS)).clamp(min=1).double()


def label_weights(label: Tensor, power: float) -> Tensor | None:
    """(7,) weights by frequency to the power of minus ``power``; their mean over the rows is 1."""
    if not power:
        return None
    weight = counts(label) ** -power
    return (weight / weight[label].mean()).float()


def row_weights(label: Tensor, power: float) -> Tensor | None:
    """(N,) chances of being drawn; at ``power`` 1 every emotion is drawn equally often."""
    return None if not power else (counts(label) ** -power)[label]


def strengths(label: Tensor, extra: float) -> Tensor | None:
    """(7,) widths of the changes: 1 for the most frequent emotion, 1 + ``extra`` for the rarest.

    In between by the logarithm of the frequency: on FER-2013 that widens disgust's ranges in full
    and the others' by a little. An emotion that does not occur is not the rarest.
    """
    if not extra:
        return None
    size = counts(label).log()
    spread = (size.max() - size[label].min()).clamp(min=1e-9)
    return (1 + extra * ((size.max() - size) / spread).clamp(max=1)).float()
