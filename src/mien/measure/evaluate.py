"""Everything that can be said about one prediction table, as one nested dict that JSON can hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mien.emotions import BALLOT_INDEX, EMOTIONS, Emotion, votes_from_ballot
from mien.measure import abstain, calibrate, logit_adjust, reliability
from mien.measure.bootstrap import DRAWS, LEVEL, Array, Statistic, estimate, mean
from mien.measure.ceiling import noise
from mien.measure.metrics import classification, confusion, nll
from mien.measure.predictions import Predictions
from mien.measure.votes import agreement, shares

Result = dict[str, Any]


def evaluate(table: Predictions, *, draws: int = DRAWS, seed: int = 0) -> Result:
    """Measure a table; sections for which it holds no truth are left out.

    Args:
        table: the predictions.
        draws: bootstrap resamples, of groups where the table has them.
        seed: of resampling and folds.

    Returns:
        ``pictures``, ``interval``, ``ceiling``, ``names_only`` (no score means anything then, only
        the answers do); with labels ``heads`` (one entry a head, each
        ``all`` and ``without_leaked``), ``confusion``, ``abstain``, ``disgust``; with votes
        ``votes`` (``all`` and ``without_leaked``); ``calibration`` before and after it was
        cross-validated in five grouped folds (of votes only where there is a ballot).
        Estimates are ``{value, low, high}``; what is infinite is None.

    Raises:
        ValueError: the table has neither labels nor votes.
    """
    known, voted = table.known, table.has_votes
    if not known.any() and not voted.any():
        raise ValueError("no picture has a label or votes, so there is nothing to measure against")
    result: Result = {
        "system": table.system,
        "split": table.split,
        "has_ballot": table.ballot is not None,
        "names_only": table.names_only,
        "pictures": {
            "n": len(table),
            "with_label": int(known.sum()),
            "with_votes": int(voted.sum()),
            "leaked": None if table.leaked is None else int(table.leaked.sum()),
        },
        "interval": {
            "level": LEVEL,
            "draws": draws,
            "seed": seed,
            "resampled": "pictures" if table.group is None else "groups of identical pictures",
        },
        "ceiling": noise(table),
        "calibration": calibration(table, draws=draws, seed=seed),
    }
    how = {"draws": draws, "seed": seed}
    if known.any():
        labelled = table.take(known)
        heads = ["label"] if table.ballot is None else ["label", "votes"]
        result["heads"] = {head: _leaks(labelled, _label_metrics, head, **how) for head in heads}
        result["confusion"] = confusion(labelled.y, labelled.label).tolist()
        result["abstain"] = _abstain(labelled, **how)
        result["disgust"] = _disgust(labelled, **how)
    if voted.any():
        result["votes"] = _leaks(table.take(voted), _vote_metrics, **how)
    return result


def calibration(table: Predictions, *, draws: int = DRAWS, seed: int = 0) -> Result:
    """``label`` and ``votes`` as they are and calibrated, each as far as the table holds truth.

    The calibrated ones are cross-validated in five grouped folds: no picture is judged by a
    calibration that it helped to fit. Votes need a ballot.
    """
    found: Result = {}
    if table.known.any():
        found["label"] = _label_calibration(table.take(table.known), seed)
    if table.has_votes.any() and table.ballot is not None:
        found["votes"] = _vote_calibration(table.take(table.has_votes), draws=draws, seed=seed)
    return found


def _estimates(statistic: Statistic, table: Predictions, **how: int) -> dict[str, Any]:
    """Estimates as JSON; ``a/b`` names become nested."""
    nested: dict[str, Any] = {}
    for name, value in estimate(statistic, len(table), group=table.group, **how).items():
        *folder, leaf = name.split("/")
        (nested.setdefault(folder[0], {}) if folder else nested)[leaf] = value.to_dict()
    return nested


def _leaks(table: Predictions, measure: Any, *args: str, **how: int) -> Result:
    """The same measurement on all rows and on those that have no copy in the training data."""
    parts = {"all": measure(table, *args, **how)}
    if table.leaked is not None and table.leaked.any() and not table.leaked.all():
        parts["without_leaked"] = measure(table.take(~table.leaked), *args, **how)
    return parts


def _label_metrics(table: Predictions, head: str, **how: int) -> Result:
    metrics = _estimates(classification(table.y, table.scores(head)), table, **how)
    classes = {e.value: metrics.pop(e.value) for e in EMOTIONS}
    support = np.bincount(table.y, minlength=len(EMOTIONS))
    for emotion, n in zip(EMOTIONS, support, strict=True):
        classes[emotion.value]["support"] = int(n)
    return {"n": len(table), **metrics, "classes": classes}


def _vote_metrics(table: Predictions, **how: int) -> Result:
    assert table.counts is not None
    return {
        "n": len(table),
        **_estimates(agreement(table.counts, table.full_ballot), table, **how),
    }


def trusts(table: Predictions) -> dict[str, Array]:
    """What may decide on which pictures to stay silent; higher means answer."""
    found = {"confidence": table.label.max(axis=1)}
    if table.ballot is not None:
        votes, unclear = votes_from_ballot(table.ballot)
        found |= {"votes": votes.max(axis=1), "unclear": -unclear}
    return found


def _abstain(table: Predictions, **how: int) -> Result:
    correct = table.label.argmax(axis=1) == table.y
    return {
        name: _estimates(abstain.at_coverage(correct, trust), table, **how)
        for name, trust in trusts(table).items()
    }


def _disgust(table: Predictions, **how: int) -> Result:
    adjusted, offsets = logit_adjust.cross_fitted(
        table.y, table.label, group=table.group, seed=how["seed"]
    )
    mine = table.y == Emotion.DISGUST.position
    before = table.label.argmax(axis=1) == table.y
    after = adjusted.argmax(axis=1) == table.y

    def statistic(w: Array) -> dict[str, Array]:
        return {
            "recall_before": mean(before, w * mine),
            "recall_after": mean(after, w * mine),
            "accuracy_lost": mean(before * 1.0 - after, w),
        }

    found = _estimates(statistic, table, **how)
    return {**found, "budget": logit_adjust.BUDGET, "offsets": offsets}


def _label_calibration(table: Predictions, seed: int) -> Result:
    after, temperatures = calibrate.cross_fitted(table.label, table.y, group=table.group, seed=seed)

    def state(scores: Array) -> Result:
        error = reliability.ece(table.y, scores)
        low, high = reliability.ece_if_perfect(scores, seed=seed)
        return {
            "ece": error,
            "if_perfect": {"low": low, "high": high},
            "as_good_as_perfect": error <= high,
            "nll": float(nll(table.y, scores).mean()),
        }

    return {"before": state(table.label), "after": {**state(after), "temperatures": temperatures}}


def _vote_calibration(table: Predictions, **how: int) -> Result:
    assert table.counts is not None
    target, ballot = shares(table.counts), table.full_ballot
    after, scalings = calibrate.cross_scaled(ballot, target, group=table.group, seed=how["seed"])
    seven = votes_from_ballot(target)[0]
    # Where nobody chose one of the seven, their shares among the seven are not defined.
    named = table.counts[:, BALLOT_INDEX].sum(axis=1) > 0

    def state(ballot: Array) -> Result:
        votes = votes_from_ballot(ballot)[0]
        return {
            "classwise": reliability.classwise_error(seven[named], votes[named]),
            "classwise_ballot": reliability.classwise_error(target, ballot),
            **_leaks(replace(table, ballot=ballot), _vote_metrics, **how),
        }

    fits = {"scalings": [scaling.to_dict() for scaling in scalings]}
    return {"before": state(ballot), "after": state(after) | fits}
