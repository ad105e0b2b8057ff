"""The result in plain words, for someone who has never read a metric."""

from __future__ import annotations

from typing import Any

import numpy as np

from mien.emotions import EMOTIONS
from mien.measure.tables import flattered


def sentences(result: dict[str, Any]) -> list[str]:
    """What an ``evaluate`` result says, most important first."""
    said = []
    if "heads" in result:
        said.append(_accuracy(result))
    if "votes" in result:
        said.append(_worth(result))
    if "heads" in result:
        said.append(_classes(result))
    if result.get("names_only"):
        said.append(
            "It names one emotion and gives no scores, so nothing is said of its confidence: "
            "calibration, likelihood, areas and silence are left out."
        )
        return said
    if "heads" in result:
        said.append(_silence(result))
    if "label" in result["calibration"]:
        said.append(_trust(result))
    return said


def _accuracy(result: dict[str, Any]) -> str:
    head = result["heads"]["label"]
    found = head["all"]["accuracy"]
    support = [head["all"]["classes"][e]["support"] for e in EMOTIONS]
    guess = EMOTIONS[int(np.argmax(support))]
    text = (
        f"Of 100 pictures it gives {_n(found)} the data set's own label "
        f"(95 % interval {_range(found)}). Answering “{guess}” each time would reach "
        f"{100 * max(support) / sum(support):.0f}."
    )
    if "without_leaked" in head:
        clean = head["without_leaked"]["accuracy"]
        text += (
            f" {result['pictures']['leaked']} pictures have an identical copy in the training "
            f"data; without them it is {_n(clean)} ({_range(clean)})."
        )
    return text


def _worth(result: dict[str, Any]) -> str:
    found = result["votes"]["all"]
    worth, clear = found["worth_annotators"], found["ferplus_majority"]
    low = f"{worth['low']:.1f}" if worth["low"] is not None else "?"
    high = f"{worth['high']:.1f}" if worth["high"] is not None else "more"
    number = f"{worth['value']:.1f}" if worth["value"] is not None else "very many"
    prior = result["ceiling"]["prior_worth"]
    average = f"{prior:.1f}" if prior is not None else "very many"
    note = flattered(result)
    return (
        f"As an estimate of what people see in a face it is equivalent to {number} annotators "
        f"({low} to {high}): one would have to ask that many to know as well how everybody would "
        f"vote. The average ballot, given to every face alike, is equivalent to {average}. Where "
        f"most people agree, it names what they see in {_n(clear)} of 100 pictures "
        f"({_range(clear)}; FER+ majority). {note}"
    ).rstrip()


def _classes(result: dict[str, Any]) -> str:
    classes = result["heads"]["label"]["all"]["classes"]
    there = [e for e in EMOTIONS if classes[e]["recall"]["value"] is not None]
    ranked = sorted(there, key=lambda e: classes[e]["recall"]["value"])
    table = np.array(result["confusion"], float)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(share, 0)
    actual, said = np.unravel_index(int(share.argmax()), share.shape)
    weak, strong = ranked[0], ranked[-1]
    return (
        f"It finds {strong} most surely ({_n(classes[strong]['recall'])} of 100) and {weak} least "
        f"({_n(classes[weak]['recall'])} of 100, {_range(classes[weak]['recall'])}, from "
        f"{classes[weak]['support']} pictures). Its most frequent confusion is to call "
        f"{EMOTIONS[actual]} faces {EMOTIONS[said]} ({100 * share.max():.0f} of 100)."
    )


def _silence(result: dict[str, Any]) -> str:
    at = result["abstain"]["confidence"]["0.8"]
    return (
        "At 80 % coverage, leaving out the pictures it is least sure of, it is right on "
        f"{_n(at)} of 100 ({_range(at)}) of the rest."
    )


def _trust(result: dict[str, Any]) -> str:
    before, after = (result["calibration"]["label"][when] for when in ("before", "after"))
    text = f"Its stated confidence is off by {100 * before['ece']:.1f} points on average"
    if before["as_good_as_perfect"]:
        span = before["if_perfect"]
        return (
            f"{text}, which is no more than a perfectly calibrated model would show on this many "
            f"pictures ({100 * span['low']:.1f} to {100 * span['high']:.1f})."
        )
    span = after["if_perfect"]
    verdict = "within" if after["as_good_as_perfect"] else "still above"
    return (
        f"{text}; one temperature, fitted on other pictures, brings that to "
        f"{100 * after['ece']:.1f}, {verdict} what a perfectly calibrated model would show "
        f"({100 * span['low']:.1f} to {100 * span['high']:.1f})."
    )


def _n(estimate: dict[str, float | None]) -> str:
    value = estimate["value"]
    return "?" if value is None else f"{100 * value:.0f}"


def _range(estimate: dict[str, float | None]) -> str:
    low, high = estimate["low"], estimate["high"]
    if low is None or high is None:
        return "no interval"
    return f"{100 * low:.0f} to {100 * high:.0f}"
