"""Labels that a model trained without the picture does not believe (confident learning)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.measure.predictions import Predictions
from mien.naming import canonical

FILTER = "prune_by_noise_rate"


def label_issues(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], *, method: str = FILTER
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Find wrong labels with cleanlab.

    Args:
        labels: (N,) given class of each picture.
        probabilities: (N, K) scores of a model that did not see the picture in training.
        method: cleanlab's ``filter_by``.

    Returns:
        ``flagged`` (N,) bool; ``doubt`` (N,) one minus cleanlab's label quality, 0 to 1.
    """
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    classes = np.unique(labels)
    if len(classes) < 2:
        return np.zeros(len(labels), np.bool_), np.zeros(len(labels))
    # cleanlab wants every class among the labels.
    seen = probabilities[:, classes]
    seen = seen / np.maximum(seen.sum(1, keepdims=True), 1e-12)
    dense = np.searchsorted(classes, labels)
    flagged = find_label_issues(dense, seen, filter_by=method, n_jobs=1)
    return np.asarray(flagged, np.bool_), 1 - get_label_quality_scores(dense, seen)


def match(
    predictions: Predictions, ids: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows of ``ids`` that have honest scores, and these scores.

    Pictures marked as leaked (a copy was in the training data) are passed over.

    Raises:
        ValueError: no picture is common to both.
    """
    row_of = {canonical(name): row for row, name in enumerate(ids)}
    names = (canonical(name) for name in predictions.id.tolist())
    rows = np.array([row_of.get(name, -1) for name in names], np.int64)
    honest = rows >= 0
    if predictions.leaked is not None:
        honest &= ~predictions.leaked
    if not honest.any():
        raise ValueError(
            f"the predictions name none of the pictures that may be judged; they have "
            f"{predictions.id[0]!r}, the source {ids[0]!r}. Train on the same source"
        )
    return rows[honest], np.asarray(predictions.label[honest], np.float64)
