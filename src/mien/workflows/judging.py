"""Hands ``mien.data`` what models say of pictures, so that it needs no models itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mien.data.sketch import share_seen

if TYPE_CHECKING:
    from mien.bundle import Card
    from mien.data.dataset import Dataset
    from mien.data.faces import Judge
    from mien.data.photos import Face, Finder
    from mien.infer.detect import Detector
    from mien.measure.predictions import Predictions

CANVAS, SIDE, GREY = 192, 96, 127
LEAST_SCORE = 0.05
MOST_SEEN = 0.25
"""Share of a split that a model may have been trained on and still judge its labels."""


def face_scores(detector: Detector, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The detector's best score in each crop (n, 48, 48), doubled in size and framed in grey."""
    from PIL import Image

    scores = np.zeros(len(crops))
    edge = (CANVAS - SIDE) // 2
    for i, crop in enumerate(crops):
        canvas = np.full((CANVAS, CANVAS), GREY, np.uint8)
        large = Image.fromarray(crop).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        canvas[edge : edge + SIDE, edge : edge + SIDE] = np.asarray(large)
        found = detector.detect(np.repeat(canvas[..., None], 3, 2), min_face=CANVAS // 4)
        scores[i] = found[0].score if found else 0.0
    return scores


def finder_with(detector: Detector, key: str) -> Finder:
    """Cuts the faces that a detector finds out of photos, as prediction does.

    ``key`` names the detector in reports and for the cache.
    """
    from mien.data.photos import Face, Finder
    from mien.infer.crop import crop_face

    def find(photo: NDArray[np.uint8]) -> list[Face]:
        return [Face(crop_face(photo, each), float(each.score)) for each in detector.detect(photo)]

    return Finder(key, find)


def face_finder() -> Finder:
    """The finder with the detector that ``mien predict`` uses."""
    from mien.infer.detect import default_detector

    detector = default_detector()
    return finder_with(detector, detector.key)


def judge_with(bundle: str | None, *, detector: bool = True) -> Judge | None:
    """The models that judge crops: a bundle by name, None for none, and the face detector.

    Raises:
        BundleError: no such bundle.
    """
    from mien.data.faces import Judge

    if bundle is None and not detector:
        return None
    from mien.infer.detect import default_detector

    names = []
    finder = default_detector(threshold=LEAST_SCORE)
    if detector:
        names.append(finder.key)
    unclear = None
    if bundle is not None:
        import mien

        model = mien.load(bundle)
        names.append(f"{model.bundle.card.name} {model.bundle.card.sha256[:8]}")

        def unclear(crops: NDArray[np.uint8]) -> NDArray[np.floating]:
            return model.classify(crops).unclear

    def face(crops: NDArray[np.uint8]) -> NDArray[np.floating]:
        return face_scores(finder, crops) if detector else np.zeros(len(crops))

    return Judge(", ".join(names), face, unclear)


def label_scores(
    predictions: Path | None, bundle: str | None, source: Path, mapping: Mapping[str, str]
) -> Predictions | None:
    """Scores to find wrong labels by: a file's, or a bundle's of pictures it was not trained on.

    Raises:
        ValueError: both are given, or the bundle was trained on just these pictures.
    """
    from mien.measure.predictions import Predictions

    if predictions is not None and bundle is not None:
        raise ValueError("give --predictions or --bundle-labels, not both")
    if predictions is not None:
        return Predictions.load(predictions)
    if bundle is None:
        return None
    import mien
    from mien.data.dataset import load

    if source.is_file() or mapping:
        raise ValueError(
            "--bundle-labels works on folders whose names are emotions, without --map; use "
            "--predictions instead"
        )
    model, data = mien.load(bundle), load(source)
    fresh = not_trained_on(model.bundle.card, data)
    if not len(fresh):
        raise ValueError(
            f"{model.bundle.card.name} was trained on these pictures, so it cannot judge their "
            "labels; use out-of-fold --predictions"
        )
    scores = model.classify(fresh.images)
    return Predictions(
        id=fresh.id, y=fresh.emotion, label=scores.label.astype(np.float64),
        system=model.bundle.card.name,
    )  # fmt: skip


def not_trained_on(card: Card, data: Dataset) -> Dataset:
    """The pictures of splits that the model was not trained on, as far as its card can tell.

    Its sketch knows crops by their pixels, so other names, labels or folders do not hide them; a
    test split that shares a few copies with Training still counts as new.
    """
    known = set(np.atleast_1d(card.data.get("fingerprint", [])).tolist())
    record = card.data.get("sketch", "")
    if data.fingerprint() in known:
        return data.take(np.zeros(len(data), np.bool_))
    used = []
    for split in np.unique(data.split).tolist():
        part = data.of(split)
        if part.fingerprint() in known or share_seen(record, part.images) > MOST_SEEN:
            used.append(split)
    return data.take(~np.isin(data.split, used))
