"""A bundle's scores on eight fixed views of each crop, as targets to learn from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor

from mien import bundle
from mien.emotions import BALLOT, EMOTIONS

SHIFT = 2
"""Pixels that the four views are moved by, diagonally."""
VIEWS = 8


def views(crops: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Eight views of (N, 48, 48) crops: four diagonal shifts with repeated edges, and mirrored."""
    size = crops.shape[-1]
    wide = np.pad(crops, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)), mode="edge")
    for top in (0, 2 * SHIFT):
        for left in (0, 2 * SHIFT):
            view = wide[:, top : top + size, left : left + size]
            yield np.ascontiguousarray(view)
            yield np.ascontiguousarray(view[:, :, ::-1])


def ask(
    name: str, crops: NDArray[np.uint8], *, cache: Path, batch: int = 64
) -> NDArray[np.float16]:
    """A bundle's ``label`` and ``ballot`` shares on every view.

    Kept in ``cache`` under the hash of the bundle's graph and of the crops, so that the teacher is
    asked once.

    Args:
        name: name or folder of the bundle.
        crops: (N, 48, 48) uint8.
        cache: folder of the ``.npy`` files.
        batch: crops at a time.

    Returns:
        (N, 8, 17).

    Raises:
        BundleError: no such bundle.
    """
    teacher = bundle.load(name)
    digest = hashlib.sha256(f"{teacher.card.sha256} {VIEWS} {SHIFT} {crops.shape}".encode())
    digest.update(np.ascontiguousarray(crops).tobytes())
    path = cache / f"{digest.hexdigest()[:20]}.npy"
    if path.is_file():
        stored: NDArray[np.float16] = np.load(path, allow_pickle=False)
        return stored
    session = onnxruntime.InferenceSession(teacher.graph, providers=["CPUExecutionProvider"])
    scores = np.empty((len(crops), VIEWS, len(EMOTIONS) + len(BALLOT)), np.float16)
    for at in range(0, len(crops), batch):
        for k, view in enumerate(views(crops[at : at + batch])):
            out = session.run(["label", "ballot"], {"faces": view})
            scores[at : at + batch, k] = np.concatenate(out, axis=1)
    cache.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.save(file, scores)
    part.replace(path)
    return scores


def targets(scores: NDArray[np.float16], temperature: float = 1.0) -> Tensor:
    """(N, 17) label and ballot shares: the views' mean, flattened or sharpened.

    A temperature T raises shares to 1/T, as dividing logits by T does.
    """
    mean = torch.from_numpy(scores.astype(np.float32)).mean(dim=1)
    heads = mean[:, : len(EMOTIONS)], mean[:, len(EMOTIONS) :]
    softened = [head.clamp(min=1e-6) ** (1 / temperature) for head in heads]
    return torch.cat([head / head.sum(dim=1, keepdim=True) for head in softened], dim=1)
