"""Learning rates as plain functions of a step, or of the scores so far."""

from __future__ import annotations

import math
from collections.abc import Sequence

ONE_CYCLE_START = 1 / 25


def lr_factor(step: int, steps: int, *, name: str, warmup: float, floor: float) -> float:
    """Learning rate at ``step`` of ``steps`` as a share of the highest.

    one-cycle rises along a cosine from 1/25 over the warm-up and falls along another (Smith 2018);
    cosine rises in a line; plateau and constant stay at the top once warm.
    """
    warm = int(warmup * steps)
    if name == "one-cycle":
        top = warmup * steps - 1
        if step < top:
            return ONE_CYCLE_START + (1 - ONE_CYCLE_START) * _half_cosine(1 - step / top)
        return floor + (1 - floor) * _half_cosine((step - top) / max(steps - 1 - top, 1))
    if step < warm:
        return (step + 1) / (warm + 1)
    if name in ("constant", "plateau"):
        return 1.0
    return floor + (1 - floor) * _half_cosine((step - warm) / max(steps - warm, 1))


def _half_cosine(done: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * done))


def stale_epochs(scores: Sequence[float]) -> int:
    """Epochs since the best score."""
    return len(scores) - 1 - max(range(len(scores)), key=scores.__getitem__) if scores else 0


def plateau_factor(scores: Sequence[float], *, patience: int, factor: float) -> float:
    """What reduce-on-plateau has brought the rate down to after these epochs' scores.

    It falls by ``factor`` whenever ``patience`` epochs in a row have not beaten the best so far. A
    function of the history alone, so a resumed run goes on exactly where it was.
    """
    rate, best, waited = 1.0, -math.inf, 0
    for score in scores:
        if score > best:
            best, waited = score, 0
            continue
        waited += 1
        if waited >= patience:
            rate, waited = rate * factor, 0
    return rate
