"""The figures of the report, from a prediction table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.emotions import BALLOT_INDEX, EMOTIONS, votes_from_ballot
from mien.measure import abstain, calibrate, logit_adjust, plots, reliability
from mien.measure.evaluate import trusts
from mien.measure.predictions import Predictions
from mien.measure.votes import shares

Array = NDArray[np.float64]


def figures(table: Predictions, result: dict[str, Any]) -> dict[str, Any]:
    """SVG text by name; ``roc`` and ``pr`` hold (emotion, SVG) pairs. Only what has its truth."""
    found: dict[str, Any] = {}
    if table.known.any():
        labelled = table.take(table.known)
        found["reliability_label"] = _label_reliability(labelled, result)
        found["coverage"] = _coverage(labelled)
        found["trade"] = _trade(labelled)
        found |= _rankings(labelled, result)
    if table.has_votes.any() and table.ballot is not None:
        found["reliability_votes"] = _vote_reliability(table.take(table.has_votes), result)
    return found


def _label_reliability(table: Predictions, result: dict[str, Any]) -> str:
    seed = result["interval"]["seed"]
    after, _ = calibrate.cross_fitted(table.label, table.y, group=table.group, seed=seed)
    states = result["calibration"]["label"]
    return plots.reliability(
        reliability.reliability(table.y, table.label),
        reliability.reliability(table.y, after),
        errors=(states["before"]["ece"], states["after"]["ece"]),
        title="Reliability of the label head",
        x="stated confidence",
        y="how often it was right",
    )


def _vote_reliability(table: Predictions, result: dict[str, Any]) -> str:
    assert table.counts is not None
    seed, states = result["interval"]["seed"], result["calibration"]["votes"]
    target, ballot = shares(table.counts), table.full_ballot
    after, _ = calibrate.cross_scaled(ballot, target, group=table.group, seed=seed)
    named = table.counts[:, BALLOT_INDEX].sum(axis=1) > 0
    seven = votes_from_ballot(target[named])[0].ravel()
    # The points pool all seven emotions; the errors keep them apart, as the table does.
    return plots.reliability(
        reliability.equal_mass(votes_from_ballot(ballot[named])[0].ravel(), seven),
        reliability.equal_mass(votes_from_ballot(after[named])[0].ravel(), seven),
        errors=(states["before"]["classwise"], states["after"]["classwise"]),
        title="Reliability of the votes head",
        x="predicted share of votes",
        y="share of people who voted so",
    )


def _coverage(table: Predictions) -> str:
    correct = table.label.argmax(axis=1) == table.y
    titles = {
        "confidence": "label confidence",
        "votes": "votes confidence",
        "unclear": "least unclear",
    }
    curves = {titles[name]: abstain.curve(correct, trust) for name, trust in trusts(table).items()}
    return plots.coverage(curves, title="Accuracy against coverage")


def _trade(table: Predictions) -> str:
    line = logit_adjust.trade(table.y, table.label)
    offset = logit_adjust.choose(table.y, table.label, group=table.group)
    chosen = int(np.searchsorted(line.offset, offset))
    return plots.trade(line.recall, line.accuracy, chosen, title="Disgust recall against accuracy")


def _rankings(table: Predictions, result: dict[str, Any]) -> dict[str, list[tuple[str, str]]]:
    classes = result["heads"]["label"]["all"]["classes"]
    found: dict[str, list[tuple[str, str]]] = {"roc": [], "pr": []}
    for c, emotion in enumerate(EMOTIONS):
        mine = table.y == c
        if not mine.any() or mine.all():
            continue
        for kind, pairs in found.items():
            area = classes[emotion.value][f"{kind}_auc"]["value"]
            svg = plots.ranking(
                mine, table.label[:, c], kind=kind, title=f"{emotion.value} {kind}", area=area
            )
            pairs.append((emotion.value, svg))
    return found
