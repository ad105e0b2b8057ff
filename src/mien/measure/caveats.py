"""What the numbers of a report do not say, and how they were made."""

from __future__ import annotations

from typing import Any


def limits(result: dict[str, Any]) -> list[str]:
    """What this data cannot tell about any system, with its own figures where they are known."""
    ceiling, pictures = result["ceiling"], result["pictures"]
    said = []
    if "label_is_top_vote" in ceiling:
        said.append(
            f"On {_of_100(ceiling['label_is_top_vote'])} of 100 pictures the label is what most "
            "people saw; the others cannot be had from the face alone. FER-2013's labels are "
            "search keywords, not opinions: people who tried to name them reached 65 ± 5 % "
            "(Goodfellow et al. 2013)."
        )
    if "two_agree" in ceiling:
        said.append(
            f"People disagree too: two annotators of the same picture chose the same option "
            f"{_of_100(ceiling['two_agree'])} times in 100, and on "
            f"{_of_100(ceiling['no_majority'])} of 100 pictures no expression has more than half "
            "of the votes. Ten votes leave each share uncertain by up to 16 points."
        )
    if pictures["leaked"]:
        said.append(
            f"{pictures['leaked']:,} of the {pictures['n']:,} pictures have a pixel-identical copy "
            "in the training data. Copies that were cropped or scaled differently are not found "
            "this way, so the scores without copies may still flatter a little."
        )
    if ceiling.get("in_copies"):
        said.append(
            f"{100 * ceiling['in_copies']:.1f} % of the pictures have a copy within this split, "
            f"{100 * ceiling['conflicting']:.1f} % one with another label. Intervals resample such "
            "groups as one."
        )
    if "heads" in result:
        classes = result["heads"]["label"]["all"]["classes"]
        rare = min(classes, key=lambda name: classes[name]["support"])
        said.append(
            f"Only {classes[rare]['support']} pictures are labelled {rare}: what is said of it is "
            "known roughly, as its wide intervals show."
        )
    said += [
        "No age, sex, skin colour or origin is known here: how accuracy differs between groups of "
        "people is unmeasured. FER-2013 was gathered by web search in 2013 and is not a sample of "
        "any population.",
        "Faces are seen as 48 x 48 grey crops. FER-2013's are mostly posed or striking: everyday "
        "video, side views, masks and poor light score lower; measure on your own pictures.",
    ]
    return said


def method(result: dict[str, Any]) -> list[str]:
    """How the figures came about."""
    how = result["interval"]
    return [
        f"Intervals: {how['level']:.0%} percentile bootstrap".replace("%", " %")
        + f", {how['draws']:,} resamples of {how['resampled']}, seed {how['seed']}.",
        "Calibration is cross-validated: five folds that keep identical pictures together, nothing "
        "scored on the fold that fitted it. One temperature for label; a scale and an offset for "
        "each option of ballot (vector scaling, Guo et al. 2017), drawn towards one temperature.",
        "ECE: top score, 15 bins of equal mass; the range beside it is what a perfectly calibrated "
        "model would show on the same confidences (parametric bootstrap). Classwise error: mean "
        "over classes and bins, by mass, of |mean predicted share - mean vote share|.",
        "Equivalent annotators: the k at which the mean of k annotators is as far, in squared "
        "distance, from everybody's opinion as the ballot is; the noise of the votes is taken out "
        "of both sides.",
        "FER+ majority: Barsoum et al. 2016; votes of one dropped, kept where one of eight "
        "expressions has more than half of what is left. Strict: more than half of all votes.",
    ]


def _of_100(share: float) -> str:
    return f"{100 * share:.0f}"
