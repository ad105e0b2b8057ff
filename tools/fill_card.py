"""Copy a bundle's measured figures from ``mien evaluate`` into its card.

The evaluation is of the bundle before it was calibrated, by ``mien calibrate`` or by ``mien export
--calibrate``, so that the figures of votes are those of a calibration fitted to other pictures.

mien evaluate plain DATA && mien calibrate plain DATA --split test --out src/mien/assets/default
python tools/fill_card.py src/mien/assets/default plain.evaluation/metrics.json
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

from mien.bundle import CARD, Card


def main(folder: Path, metrics: Path) -> None:
    """Fill ``metrics`` of the card with figures, intervals, split, and with the copies left out."""
    found = json.loads(metrics.read_text(encoding="utf-8"))
    label, votes = found["heads"]["label"], found["calibration"]["votes"]["after"]
    worth = ("worth_annotators", "ferplus_majority", "ferplus_strict")
    filled = {
        "split": "PublicTest",
        "interval": found["interval"],
        "label": {key: label["all"][key] for key in ("n", "accuracy", "balanced_accuracy")},
        "label_without_training_copies": {
            key: label["without_leaked"][key] for key in ("n", "accuracy")
        },
        "votes": {key: votes["all"][key] for key in worth},
        "votes_without_training_copies": {key: votes["without_leaked"][key] for key in worth},
        "calibration_cross_fitted": {
            "label_ece": found["calibration"]["label"]["after"]["ece"],
            "label_ece_if_perfect": found["calibration"]["label"]["after"]["if_perfect"],
            "votes_classwise": votes["classwise"],
        },
    }
    card = Card.read(folder / CARD)
    replace(card, metrics=filled).write(folder / CARD)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
