"""``expression``: one distribution over the seven emotions, mixed from both heads.

The page does the same arithmetic in ``scores.js``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TINY = 1e-12
SEVEN = 7
LARGEST = 10.0
"""Largest offset, in nats, that a card may ask for."""


@dataclass(frozen=True, slots=True)
class Mix:
    """The weighted geometric mean of both heads, with an offset for each emotion.

    ``share`` is the weight of the label, 0 (votes alone) to 1 (label alone); ``offsets`` are added
    to the seven logarithms. The default share was chosen on held-out pictures of three networks:
    docs/explanation/scores.md.
    """

    share: float = 0.35
    offsets: tuple[float, ...] = (0.0,) * SEVEN

    @classmethod
    def of_card(cls, told: Mapping[str, Any]) -> Mix:
        """The mix that a card's ``expression`` tells of; what it leaves out is as by default."""
        plain = cls()
        offsets = told.get("offsets", plain.offsets)
        return cls(float(told.get("share", plain.share)), tuple(map(float, offsets)))

    def to_dict(self) -> dict[str, Any]:
        """For a card, and for the page."""
        return {"share": self.share, "offsets": list(self.offsets)}

    def told(self) -> str:
        """In one short line, for the record of an output: the share, then offsets if any."""
        offsets = self.offsets if any(self.offsets) else ()
        return " ".join(f"{value:g}" for value in (self.share, *offsets))

    def apply(
        self, label: NDArray[np.floating], votes: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Shares proportional to label^share * votes^(1 - share) * exp(offsets).

        Args:
            label: (N, 7) probabilities of the labels.
            votes: (N, 7) estimated vote shares.

        Returns:
            (N, 7), each row sums to 1.
        """
        logs = self.share * np.log(np.maximum(np.asarray(label, np.float64), TINY))
        logs += (1 - self.share) * np.log(np.maximum(np.asarray(votes, np.float64), TINY))
        logs += np.asarray(self.offsets)
        odds = np.exp(logs - logs.max(axis=1, keepdims=True, initial=-np.inf))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def wrong(told: Mapping[str, Any]) -> str | None:
    """Why a card's ``expression`` cannot be honoured; None if it can."""
    share = told.get("share", Mix().share)
    if not _is_number(share) or not 0 <= share <= 1:
        return "share is not a number from 0 to 1"
    offsets = told.get("offsets", [0] * SEVEN)
    if not isinstance(offsets, list | tuple) or len(offsets) != SEVEN:
        return f"offsets are not a list of {SEVEN} numbers"
    if not all(_is_number(offset) and abs(offset) <= LARGEST for offset in offsets):
        return f"offsets are not numbers from -{LARGEST:g} to {LARGEST:g}"
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
