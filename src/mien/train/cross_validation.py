"""Grouped, stratified cross-validation: no network scores a picture that it saw a copy of."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mien.data.dataset import Dataset
from mien.measure.predictions import Predictions
from mien.train.fit import fit
from mien.train.recipe import Recipe, vary
from mien.train.run import claim
from mien.train.samples import trainable
from mien.train.scoring import predict
from mien.train.watch import Watcher

OOF = "oof.npz"


def assign(
    emotion: NDArray[np.int64], group: NDArray[np.int64], folds: int, *, seed: int
) -> NDArray[np.int64]:
    """(N,) a fold number for each row: one for all rows of a group, each emotion spread evenly.

    Raises:
        ValueError: an emotion has fewer groups than there are folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    fold = np.full(len(emotion), -1, np.int64)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for number, (_, held) in enumerate(splitter.split(np.zeros(len(emotion)), emotion, group)):
        fold[held] = number
    return fold


def fit_folds(
    recipe: Recipe, data: Dataset, folder: Path, *, folds: int, watch: Watcher
) -> Predictions:
    """Train one network per fold, score each held-out part, and write ``oof.npz``.

    Each fold is a run of its own in ``folder/fold-I-of-K``; a stopped one goes on, a finished one
    is not trained again. Rows that a run would not learn from are not scored.

    Raises:
        ValueError: too few pictures for so many folds, the folder holds another recipe's or other
            data's, or what ``fit`` raises.
    """
    data = trainable(data)
    most = int(np.bincount(data.emotion).max()) if len(data) else 0
    if not 2 <= folds <= most:
        raise ValueError(f"--folds {folds}: choose from 2 to {most} with these pictures")
    fold = assign(data.emotion, data.group, folds, seed=recipe.seed)
    writes = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun starts
    if writes:
        claim(folder, recipe, {"data": data.fingerprint(), "images": len(data)})
    parts = []
    for number in range(folds):
        out = fold == number
        place = folder / f"fold-{number + 1}-of-{folds}"
        part = vary(recipe, {"name": f"{recipe.name}/{place.name}"})
        parts.append(score_unseen(part, data.take(~out), data.take(out), place, watch=watch))
    order = np.argsort(np.concatenate([np.flatnonzero(fold == k) for k in range(folds)]))
    label, ballot = (np.concatenate(side)[order] for side in zip(*parts, strict=True))
    table = Predictions(
        id=data.id, y=data.emotion, label=label, ballot=ballot,
        counts=data.votes if data.has_votes.any() else None, group=data.group,
        system=recipe.name, split="train",
    ).check()  # fmt: skip
    if writes:
        table.save(folder / OOF)
    return table


def score_unseen(
    recipe: Recipe, learn: Dataset, out: Dataset, place: Path, *, watch: Watcher
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Train on ``learn`` in ``place``, then score ``out``, which it has not seen.

    Returns:
        ``label`` (N, 7) and ``ballot`` (N, 10) of ``out``, normalised in double precision.
    """
    network = fit(recipe, learn, place, watch=watch)
    scores = predict(
        network, torch.from_numpy(out.images), size=recipe.network.size, crop=recipe.network.crop
    )
    label, ballot = (side.double().numpy() for side in scores)
    return label / label.sum(1, keepdims=True), ballot / ballot.sum(1, keepdims=True)
