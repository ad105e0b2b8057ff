"""The report's sentences: what each reason means, and what the numbers do."""

from __future__ import annotations

from typing import Any

from mien.data import check, fates
from mien.data.photos import NO_FACE, SEVERAL
from mien.data.placing import unheard
from mien.data.words import MAPPED_OUT, NO_LABEL, OTHER_CLASS
from mien.data.writing import MISLABELLED
from mien.emotions import EMOTIONS

REASONS: dict[str, tuple[str, str]] = {
    fates.BY_HAND: ("Dropped by hand", "Somebody decided so in the review."),
    MAPPED_OUT: ("Dropped classes", "Their folder or label is mapped to “drop”."),
    OTHER_CLASS: ("Other classes", "Contempt and other classes beside the seven emotions."),
    NO_LABEL: ("Without a label", "Neither a folder nor a table says which emotion it shows."),
    NO_FACE: ("No face found", "A photo in which the detector found no face to cut out."),
    SEVERAL: (
        "Several faces",
        "A photo with more than one face: nobody can say whose emotion the label names.",
    ),
    check.UNREADABLE: ("Unreadable", "The file is damaged, empty, or no picture."),
    check.WRONG_SIZE: ("Wrong size", "Too small, or far from square, to be a crop of a face."),
    check.BLANK: ("Blank", "All pixels are nearly the same."),
    check.CONSTANT: ("Nearly constant", "Nineteen of twenty pixels have one grey."),
    fates.NOT_FACE: (
        "Not a face",
        "Unlike the other pictures or unclear to the model, with no face that the detector is "
        "sure of; or people voted so.",
    ),
    fates.DUPLICATE: (
        "Copies",
        "The same picture is kept under another name: identical pixels, or another encoding, "
        "brightness, mirroring or a shift of up to three pixels.",
    ),
    fates.CONFLICT: (
        "Conflicting labels",
        "Copies of one picture carry different labels, and no votes decide between them.",
    ),
    fates.BRIDGE: (
        "Bridges splits",
        "A new picture with copies in two splits; taking it in would leak one into the other.",
    ),
    MISLABELLED: (
        "Perhaps mislabelled",
        "A model that did not see the picture in training says otherwise; its word stands below.",
    ),
}


def sentences(facts: dict[str, Any], groups: int, mixed: int, astride: int) -> list[str]:
    """The report's summary; ``astride`` of the groups lie in several splits."""
    counts, notes = facts["counts"], facts["notes"]
    exact = notes["exact_groups"]
    kept, read = counts["kept"], counts["read"]
    said = [
        f"{kept:,} of {read:,} pictures are kept ({_percent(kept, read)}); "
        f"{read - kept:,} are left out, each with its reason, and none is deleted.",
        f"Identical pixels occur in {exact['groups']:,} groups of {exact['pictures']:,} pictures, "
        f"{exact['conflicting']:,} of them with conflicting labels. Near copies add "
        f"{notes['near_pairs']:,} pairs, {notes['mirrored_pairs']:,} of them mirrored; "
        f"together they form {groups:,} groups, {mixed:,} with more than one label.",
        f"{astride:,} groups of copies lie in several splits, which leaks one into the other: "
        "run `mien data prepare` with `--fresh`."
        if astride
        else f"No group of copies lies in two splits, so {unleaked(facts)}.",
    ]
    if kept_back := unheard(notes):
        said.append(kept_back)
    if notes["with_votes"]:
        said.append(
            f"{notes['with_votes']:,} pictures carry people’s votes ({notes['votes']}); the votes "
            "settle conflicts between copies."
        )
    said += notes.get("told", [])
    if cut := notes.get("cut_out"):
        said.append(
            f"{cut:,} pictures are photos: the one face in each was found by {notes['finder']} and "
            "cut out as `mien predict` does."
        )
    if taken := notes.get("taken_whole"):
        said.append(
            f"{taken:,} pictures are larger than a crop and were taken whole; prepare with the "
            "detector, and without `--crops`, to cut out the faces."
        )
    if notes["colour"] or notes["resized"]:
        said.append(
            f"{notes['colour']:,} colour pictures were turned grey and {notes['resized']:,} of "
            "another size were brought to 48x48 by area averaging."
        )
    flagged = sum(counts["flags"].values())
    if flagged:
        said.append(f"{flagged:,} flags wait for a person: run `mien data review OUT`.")
    if not notes["models"]:
        said.append(
            "No model took part: pictures without a face were found by being unlike the others."
        )
    if not notes["predictions"]:
        said.append(
            "Wrong labels were not searched for: that takes out-of-fold predictions "
            "(`mien train RECIPE DATA --folds 5`, then prepare with `--predictions oof.npz`)."
        )
    if notes["decisions"]:
        astray = notes["decisions_astray"]
        said.append(
            f"{notes['decisions']:,} decisions made by hand were applied, "
            f"{notes['relabelled']:,} of them new labels"
            + (f"; {astray:,} name pictures that the source does not have." if astray else ".")
        )
    return said


def unleaked(facts: dict[str, Any]) -> str:
    """What splits without a common group of copies mean."""
    if facts["options"]["correlation"] > 1:
        return "no test picture has an identical copy in training; near ones were not searched for"
    return "no test picture has a copy in training"


def imbalance(counts: dict[str, Any]) -> list[str]:
    """What the class sizes mean for training and testing."""
    after = counts["after"]
    total = [sum(after[s][i] for s in after) for i in range(len(EMOTIONS))]
    present = [i for i, n in enumerate(total) if n]
    if len(present) < 2:
        return ["There is only one class; a classifier needs two."]
    most = max(present, key=total.__getitem__)
    least = min(present, key=total.__getitem__)
    share = total[most] / sum(total)
    said = [
        f"{EMOTIONS[most].capitalize()} has {total[most] / total[least]:.1f} times as many "
        f"pictures as {EMOTIONS[least]}. Always saying “{EMOTIONS[most]}” would be right in "
        f"{100 * share:.0f} % of the cases: that is the accuracy to beat, and macro F1 (every "
        "class counts alike) is worth reading beside it.",
    ]
    rare = [EMOTIONS[i].value for i in present if total[i] < sum(total) / len(EMOTIONS) / 3]
    if rare:
        said.append(
            f"Without a counterweight a network seldom says {' or '.join(rare)}. A recipe that "
            "shows the rare more often (`balance.sampling=0.5`) or weighs them more, or logit "
            "adjustment after training, raises recall there for little or no overall accuracy."
        )
    few = after["test"][least]
    if few:
        half = 98 / few**0.5  # 1.96 standard errors at a recall of one half, in points
        said.append(
            f"The test split has {few} of {EMOTIONS[least]}: recall there is known to about "
            f"± {half:.0f} points, so small differences in it mean nothing."
        )
    missing = [e.value for i, e in enumerate(EMOTIONS) if not total[i]]
    if missing:
        said.append(f"No picture of {', '.join(missing)} is left; a model cannot learn it here.")
    return said


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / max(1, whole):.1f} %"
