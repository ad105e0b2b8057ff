"""Prediction tables for the command line: scores, and the labels and votes to hold against them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.emotions import EMOTIONS
from mien.measure.predictions import Predictions
from mien.measure.readers import common_rows, join, read
from mien.naming import canonical

if TYPE_CHECKING:
    from mien.data.dataset import Dataset
    from mien.infer.model import Model
    from mien.measure.small_faces import Copy

REPORTED_EVERY = 1024
"""Pictures between two reports of how many are scored."""
CARD_FACTS = ("name", "sha256", "cost", "start", "licence", "data", "calibration", "views")


def truth(data: Path, split: str) -> Predictions:
    """Labels, votes, groups and leaks, from a data folder or from a table that carries them.

    The scores of a table that comes from a folder are flat.
    """
    if data.suffix.lower() in {".npz", ".csv"} or (data / "predictions.npz").exists():
        return read(data)
    from mien.data.dataset import load

    dataset = load(data)
    flat = np.full((len(part_of(dataset, split)), len(EMOTIONS)), 1 / len(EMOTIONS))
    return table(dataset, split, flat, None, system="truth")


def part_of(dataset: Dataset, split: str) -> Dataset:
    """The pictures of a split; all of them where the folder has no splits.

    Raises:
        ValueError: the folder has splits, and none of this name.
    """
    return dataset.of(split) if (dataset.split != "").any() else dataset


def joined(scores: Predictions, known: Predictions, data: Path) -> Predictions:
    """The rows that both hold, see ``readers.join``.

    The pictures of a prepared folder are called as in the source, or by their path in the folder.
    """
    from mien.data.cells import read_csv
    from mien.data.manifest import MANIFEST

    rows = read_csv(data / MANIFEST) if data.is_dir() else []
    source_of = {row["path"]: row["id"] for row in rows}
    given: list[str] = [canonical(name) for name in scores.id.tolist()]
    source_names = {canonical(name) for name in source_of.values()}
    paths = ["/".join(PurePosixPath(name).parts[-3:]) for name in given]
    by_path = sum(path in source_of for path in paths)
    by_source = len(set(given) & source_names)
    whole = any(
        Path(name).is_relative_to(each) for name in given for each in (data, data.resolve())
    )
    if by_path > by_source or (by_path and whole):
        scores = replace(scores, id=np.array([source_of.get(path, path) for path in paths]))
    elif not by_source:
        _check_stems(given, source_of, data)
    return join(scores, known)


def _check_stems(given: list[str], source_of: dict[str, str], data: Path) -> None:
    """Refuse bare names that mean one picture in the folder and another in its source."""
    inside = {PurePosixPath(path).stem: name for path, name in source_of.items()}
    source = {PurePosixPath(name).stem: name for name in source_of.values()}
    for name in given:
        stem = PurePosixPath(name).stem
        if stem in inside and inside[stem] != source.get(stem, inside[stem]):
            raise ValueError(
                f"{data}: {name} names different pictures there and in its source; use the "
                "names in the column file of test.csv"
            )


def classify(
    source: str,
    dataset: Dataset,
    split: str,
    *,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> tuple[Predictions, dict[str, Any]]:
    """A bundle's scores of one split, and what its card says that a report repeats.

    ``progress`` is told the stage, and how many of how many pictures are scored.
    """
    import mien

    model = mien.load(source)
    both = _scores(model, part_of(dataset, split).images, progress)
    card = model.bundle.card
    facts = {name: getattr(card, name) for name in CARD_FACTS}
    return table(dataset, split, *both, system=card.name), facts


def _scores(
    model: Model, images: NDArray[np.uint8], progress: Callable[[str, int, int], None]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Label and ballot of pictures, some at a time."""
    label, ballot = [], []
    for start in range(0, max(1, len(images)), REPORTED_EVERY):
        progress("scoring", start, len(images))
        scores = model.classify(images[start : start + REPORTED_EVERY])
        label.append(scores.label)
        ballot.append(scores.ballot)
    progress("scoring", len(images), len(images))
    return np.concatenate(label), np.concatenate(ballot)


def harder(
    source: str,
    dataset: Dataset,
    split: str,
    scored: Predictions,
    *,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> list[Copy]:
    """A bundle's scores of a split as ``classify`` gave them, then of harder copies of it."""
    import mien
    from mien.measure.detail import copies, detail
    from mien.measure.small_faces import Copy

    model, crops = mien.load(source), part_of(dataset, split).images
    found = [Copy(crops.shape[-1], scored, detail(crops))]
    for side, images in copies(crops):
        label, ballot = (np.asarray(s, np.float64) for s in _scores(model, images, progress))
        found.append(Copy(side, replace(scored, label=label, ballot=ballot), detail(images)))
    return found


def table(
    dataset: Dataset,
    split: str,
    label: NDArray[np.floating],
    ballot: NDArray[np.floating] | None,
    *,
    system: str,
) -> Predictions:
    """A table of one split; leaked is what has a copy in train (near copies too, if prepared)."""
    part = part_of(dataset, split)
    training = dataset.group[dataset.split == "train"]
    return Predictions(
        id=part.id,
        y=part.emotion,
        label=np.asarray(label, np.float64),
        ballot=None if ballot is None else np.asarray(ballot, np.float64),
        counts=part.votes if part.has_votes.any() else None,
        group=part.group,
        leaked=np.isin(part.group, training) if len(training) and split != "train" else None,
        system=system,
        split=split if (dataset.split != "").any() else "",
    ).check()


def pictures_of(predictions: Predictions, data: Path) -> NDArray[np.uint8]:
    """(N, 48, 48) the crops of a table's rows.

    Raises:
        ValueError: some are not in the folder.
    """
    from mien.data.dataset import load

    dataset = load(data)
    rows, theirs = common_rows(predictions.id, dataset.id)
    if len(rows) < len(predictions):
        raise ValueError(
            f"{data}: lacks {len(predictions) - len(rows):,} of the {len(predictions):,} pictures; "
            "give the folder that was evaluated, or --no-faces"
        )
    return dataset.images[theirs]
