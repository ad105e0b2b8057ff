"""The data dictionary: every column and key that mien writes, with its unit, range and meaning.

The names come from the code; what they mean stands here. A name without a meaning is an error, so
a column that is added is described before the docs build again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from tools.docs.reference import table

SCHEMA = Path(__file__).parents[2] / "docs" / "schema.json"

MEANINGS: dict[str, tuple[str, str]] = {
    # pictures and faces
    "source": ("text", "Path or name of the picture as it was given. A file name that is not "
               "UTF-8 stands with its stray bytes escaped."),
    "width": ("pixels, from 1", "Width of the upright picture; empty beside an error."),
    "height": ("pixels, from 1", "Height of the upright picture; empty beside an error."),
    "faces": ("count, from 0", "Faces found in the picture."),
    "face": ("number, from 0", "Number of this face in its picture; empty where none was found."),
    "box_(left|top|right|bottom)": ("pixels", "Edge of the face's box in the upright picture; may "
                                    "lie outside it."),
    "(landmarks?|landmark)_.*": ("pixels", "A facial landmark in the upright picture."),
    "score|detector_score": ("share, 0 to 1", "The detector's confidence that this is a face."),
    "detected": ("true or false", "False where the whole picture was taken as a crop."),
    "top": ("one of the seven expressions", "Highest score of the chosen head."),
    "confidence": ("share, 0 to 1", "Score of `top`."),
    "expression_.*": ("share, 0 to 1", "The reading shown first, mixed from votes and label; the "
                     "seven sum to 1."),
    "votes_(?!neutral$|happiness|surprise$|sadness|anger|disgust$|fear$|contempt|unknown|NF).*"
    "|votes_(disgust|fear|neutral|surprise)": (
        "share, 0 to 1", "Estimated share of people who would choose this expression; the seven "
        "sum to 1."),
    "label_.*": ("share, 0 to 1", "Probability of this FER-2013 label; the seven sum to 1."),
    "ballot_.*": ("share, 0 to 1", "Estimated share of annotators who would choose this option of "
                  "FER+; the ten sum to 1."),
    "embedding": ("list of numbers, no unit", "Pooled features, from which the scores are "
                  "computed; comparable within one model only."),
    "unclear": ("share, 0 to 1", "Estimated share of people who could not say, or would see no "
                "face: `unknown` and `NF` of the ballot."),
    "is_unclear": ("true or false", "Whether `unclear` reaches the threshold in the card."),
    "reasons": ("any of `small`, `blurred`, `turned`, `covered`", "Why the face is hard to read, "
                "words with a space between two; empty where nothing is the matter."),
    "error": ("text", "Why the picture could not be read; empty otherwise."),
    "model": ("text", "Name of the model."),
    "model_sha256|bundle_sha256|bundle": ("hexadecimal", "SHA-256 of the model's graph."),
    "mien|mien_version|version": ("text", "Version of mien that wrote the row."),
    "head": ("`expression`, `votes` or `label`", "Which scores `top` looks at."),
    # videos
    "frame": ("number, from 0", "Number of the frame."),
    "scene": ("number, from 1", "Number of the scene; the next one begins after each hard cut."),
    "time": ("seconds, from 0", "Time since the first frame."),
    "track": ("number, from 1", "Number of the person within the video."),
}  # fmt: skip

DATA: dict[str, tuple[str, str]] = {
    "id": ("text", "The picture's path in the source, or its row."),
    "path": ("text", "Path of the picture in the prepared folder."),
    "emotion": ("one of the seven expressions", "The label."),
    "split": ("`train`, `valid` or `test`", "Where the picture was placed."),
    "group": ("number", "Equal for copies of one picture; a group never spans two splits."),
    "sha256": ("hexadecimal", "SHA-256 of the 48x48 pixels."),
    "source": ("text", "Where the picture came from."),
    "votes_.*": ("count, from 0", "Annotators who chose this option; empty without votes."),
    "reason": (
        "word",
        "Why the picture was left out or flagged; the [stages](../how-to/prepare.md#what-happens) "
        "list the words.",
    ),
    "score": ("0 to 1", "How strongly the reason holds."),
    "detail": ("text", "What was measured, or which copy was kept."),
    "suggestion": ("one of the seven expressions", "Label that the model and the copies suggest."),
    "a|b": ("text", "Ids of two pictures that are copies."),
    "correlation": ("-1 to 1", "Correlation of their pixels at the best shift."),
    "mirrored": ("true or false", "Whether one is the mirror image of the other."),
}

PREDICTIONS: dict[str, tuple[str, str]] = {
    "id": ("(N,) text", "Which picture a row is of."),
    "y": ("(N,) integer, -1 to 6", "Index of the label in the order of `mien.EMOTIONS`; -1 is "
          "unknown."),
    "label": ("(N, 7) shares, 0 to 1", "Probability of each FER-2013 label; rows sum to 1."),
    "ballot": ("(N, 10) shares, 0 to 1", "Vote shares in the order of `mien.BALLOT`; rows sum to "
               "1; absent for a system without votes."),
    "counts": ("(N, 10) integer, from -1", "Votes counted; a row of -1 where nobody voted."),
    "group": ("(N,) integer", "Equal for copies of one picture."),
    "leaked": ("(N,) true or false", "Whether a copy is in the training data."),
    "system": ("text", "Name of the model or system."),
    "split": ("text", "Name of the split."),
}  # fmt: skip

CARD: dict[str, tuple[str, str]] = {
    "name": ("text", "Name of the model."),
    "sha256": ("hexadecimal", "SHA-256 of `model.onnx`, checked whenever it is loaded."),
    "labels": ("list of 7 names", "Order of the `label` scores."),
    "ballot": ("list of 10 names", "Order of the `ballot` scores."),
    "size": ("pixels", "Side of a crop."),
    "views": ("count, from 1", "Mirror views averaged inside the graph."),
    "frame": ("name → (x, y) in pixels", "Where landmarks lie in a crop."),
    "unclear_threshold": ("share, 0 to 1", "From which `unclear` a face is called unclear."),
    "network": ("object", "Members, their sizes and weights, and how the graph is stored."),
    "start": ("text", "Origin and licence of the starting weights."),
    "data": ("object", "What it was trained on, with a fingerprint."),
    "lineage": (
        "list of text",
        "One line for each training behind the model, its teachers' included, with content hashes.",
    ),
    "metrics": ("object", "Figures with their split and 95 % interval."),
    "cost": ("object", "Parameters, multiply-adds, bytes, milliseconds a face."),
    "calibration": ("object", "What the graph does to its scores, and what that was fitted on."),
    "expression": ("object", "How `expression` is mixed: `share` of the label, seven `offsets`."),
    "licence": ("text", "Terms of code and weights."),
    "format": ("integer", "Version of the bundle's format."),
}

SUMMARY: dict[str, tuple[str, str]] = {
    "faces": ("count", "Faces in the group."),
    "clusters": ("count", "Pictures (or other clusters) that the faces come from."),
    "expression": ("one of the seven, or `unclear`", "What the share is of."),
    "share": ("share, 0 to 1", "Mean of that score over the group's faces."),
    "low|high": ("share, 0 to 1", "Ends of the 95 % cluster-bootstrap interval."),
}


def describe(names: Iterable[str], meanings: dict[str, tuple[str, str]]) -> list[tuple[str, ...]]:
    """A row for each name: name, unit and range, meaning.

    Raises:
        ValueError: a name has no meaning here.
    """
    rows = []
    for name in names:
        found = next((m for key, m in meanings.items() if re.fullmatch(key, name)), None)
        if found is None:
            raise ValueError(f"{name}: describe this column in tools/docs/columns.py")
        rows.append((f"`{name}`", *found))
    return rows


def tables() -> dict[str, list[tuple[str, ...]]]:
    """Every file or answer that mien writes: its title, and a row for each of its names."""
    from mien.bundle import Card
    from mien.data import manifest
    from mien.infer import embeddings, rows, video_outputs
    from mien.measure import grouped
    from mien.measure.predictions import Predictions

    return {
        "Rows of `mien predict --csv` and `--parquet`": describe(rows.COLUMNS, MEANINGS),
        "Rows of `mien video --csv`": describe(video_outputs.COLUMNS, MEANINGS),
        "JSON of `mien predict --json` and `--jsonl`": _json(),
        "`mien predict --embeddings`, one row or entry per face": describe(
            embeddings.COLUMNS, MEANINGS),
        "Rows of `mien summary --csv`, after the columns of `--by`": describe(
            grouped.COLUMNS, SUMMARY),
        "`manifest.csv` of `mien data prepare`": describe(manifest.MANIFEST_COLUMNS, DATA),
        "`exclusions.csv`": describe(manifest.EXCLUSION_COLUMNS, DATA),
        "`flags.csv`": describe(manifest.FLAG_COLUMNS, DATA),
        "`duplicates.csv`": describe(manifest.DUPLICATE_COLUMNS, DATA),
        "`predictions.npz` of `mien evaluate`": describe(
            (f.name for f in fields(Predictions)), PREDICTIONS),
        "`card.json` of a bundle": describe((f.name for f in fields(Card)), CARD),
    }  # fmt: skip


def _json() -> list[tuple[str, ...]]:
    """Every key of docs/schema.json, with the path that leads to it."""
    document = json.loads(SCHEMA.read_text(encoding="utf-8"))
    found: list[tuple[str, ...]] = []

    def walk(schema: dict[str, Any], path: str) -> None:
        for key, value in schema.get("properties", {}).items():
            resolved = _resolved(document, value)
            here = f"{path}{key}"
            said = str(value.get("description") or resolved.get("description", ""))
            if path.endswith(("expression.", "votes.", "label.", "ballot.")):
                continue  # said once, at the table that holds them
            found.append((f"`{here}`", _kind(document, resolved), said))
            inner = _resolved(document, resolved.get("items", {}))
            walk(resolved, f"{here}.")
            walk(inner, f"{here}[].")

    walk(document, "")
    return found


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    target: Any = document
    for part in reference.removeprefix("#/").split("/"):
        target = target[part]
    return {**target, **{k: v for k, v in schema.items() if k != "$ref"}}


def _kind(document: dict[str, Any], schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(f"`{v}`" for v in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_kind(document, _resolved(document, s)) for s in schema["anyOf"])
    kind = str(schema.get("type", "any"))
    if kind == "array":
        inner = _kind(document, _resolved(document, schema.get("items", {})))
        count = schema.get("minItems")
        exact = f"{count} of " if count and count == schema.get("maxItems") else ""
        return f"list: {exact}{inner}"
    if kind == "object" and (keys := schema.get("properties")):
        inner = {_kind(document, _resolved(document, s)) for s in keys.values()}
        if len(inner) == 1:
            return "object of " + ", ".join(f"`{k}`" for k in keys) + f": {inner.pop()}"
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{kind}, {low} to {high}"
    return kind if low is None else f"{kind}, from {low}"


def page() -> str:
    """The data dictionary as Markdown."""
    text = [
        "# Data dictionary", "",
        "Every column and key that mien writes. `[]` stands for each entry of a list. "
        "What [votes, label and unclear](../explanation/scores.md) mean is explained elsewhere. "
        "The JSON is also described by [schema.json](../schema.json).", "",
    ]  # fmt: skip
    for title, rows in tables().items():
        text += [f"## {title}", "", table(("name", "unit and range", "meaning"), rows), ""]
    return "\n".join(text)
