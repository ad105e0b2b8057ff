"""Accuracies on the same pictures, on all of them and on a part, with 95 % intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mien.measure.bootstrap import Array, estimate, mean


def show(
    lines: Mapping[str, Array], part: NDArray[np.bool_], called: str, group: NDArray[np.int64]
) -> None:
    """Print the mean of each line (N,), in percent, over all rows and over a ``part`` of them."""

    def statistic(w: Array) -> dict[str, Array]:
        everywhere = {f"{name}, all": mean(line, w) for name, line in lines.items()}
        within = {f"{name}, {called}": mean(line, w * part) for name, line in lines.items()}
        return everywhere | within

    for name, value in estimate(statistic, len(part), group=group).items():
        print(f"{name}: {100 * value.value:.2f} ({100 * value.low:.2f} to {100 * value.high:.2f})")
