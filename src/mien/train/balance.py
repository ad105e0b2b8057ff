"""What is done for rare emotions: weights in the loss, drawing more often, stronger changes."""

from __future__ import annotations

import torch
from torch import Tensor

from mien.emotions import EMOTIONS


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
