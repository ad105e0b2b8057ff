"""One cross-entropy a head, each over the rows that have a target for it."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def label_targets(label: Tensor, *, classes: int, smoothing: float) -> Tensor:
    """(N,) class numbers to (N, classes) smoothed distributions."""
    return F.one_hot(label, classes).float() * (1 - smoothing) + smoothing / classes


def masked_cross_entropy(logits: Tensor, target: Tensor, mask: Tensor, norm: Tensor) -> Tensor:
    """Cross-entropy to soft targets, summed over the masked-in rows and divided by ``norm``.

    Args:
        logits: (N, K).
        target: (N, K) rows that sum to 1.
        mask: (N,) 1 where the row counts.
        norm: scalar; in a process group each process's share of the global count, so that
            averaged gradients equal those of one process.
    """
    rows = -(target * logits.float().log_softmax(dim=1)).sum(dim=1)
    return (rows * mask).sum() / norm
