"""A bundle's scores as targets to learn from: on fixed views of each crop, or on every batch.

What a bundle was calibrated on was held back from training, so its calibration is not taught.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor

from mien import bundle
from mien.emotions import BALLOT, EMOTIONS
from mien.infer.lanes import Lanes
from mien.onnxfile import tensors, with_outputs

SHIFT = 2
"""Pixels that the four views are moved by, diagonally."""
VIEWS = 8
REPORTED_EVERY = 256
"""Crops between two reports of how far the teacher is."""


def facts(name: str) -> dict[str, Any]:
    """What a run notes of its teacher: its name, its graph's sha256 and how it came about."""
    card = bundle.load(name).card
    return {"name": card.name, "sha256": card.sha256, "lineage": list(card.lineage)}


def views(crops: NDArray[np.uint8], count: int = VIEWS) -> Iterator[NDArray[np.uint8]]:
    """Views of (N, 48, 48) crops, each followed by its mirror image.

    Eight are four diagonal shifts with repeated edges; two are the crop as it is.
    """
    size = crops.shape[-1]
    if count == 2:
        yield crops
        yield np.ascontiguousarray(crops[:, :, ::-1])
        return
    wide = np.pad(crops, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)), mode="edge")
    for top in (0, 2 * SHIFT):
        for left in (0, 2 * SHIFT):
            view = wide[:, top : top + size, left : left + size]
            yield np.ascontiguousarray(view)
            yield np.ascontiguousarray(view[:, :, ::-1])


def ask(
    name: str,
    crops: NDArray[np.uint8],
    *,
    cache: Path,
    count: int = VIEWS,
    batch: int = REPORTED_EVERY,
    track: Callable[[int, int], None] = lambda done, total: None,
) -> NDArray[np.float16]:
    """A bundle's ``label`` and ``ballot`` shares on every view, before calibration.

    Kept in ``cache`` under the hash of the bundle's graph and of the crops, so that the teacher is
    asked once; what was answered before a stop is not asked again.

    Args:
        name: name or folder of the bundle.
        crops: (N, 48, 48) uint8.
        cache: folder of the ``.npy`` files.
        count: views of each crop, 8 or 2.
        batch: crops that are answered, written and told of together.
        track: is told of how many crops of how many the teacher has been asked.

    Returns:
        (N, count, 17).

    Raises:
        BundleError: no such bundle.
    """
    teacher = bundle.load(name)
    told = f"{teacher.card.sha256} before calibration {count} {SHIFT} {crops.shape}"
    digest = hashlib.sha256(told.encode())
    digest.update(np.ascontiguousarray(crops).tobytes())
    path = cache / f"{digest.hexdigest()[:20]}.npy"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):  # one process asks, the others wait for it
            if not path.is_file():
                _ask(teacher, crops, path, count=count, batch=batch, track=track)
    answered: NDArray[np.float16] = np.load(path, allow_pickle=False)
    return answered


def _ask(
    teacher: bundle.Bundle,
    crops: NDArray[np.uint8],
    path: Path,
    *,
    count: int,
    batch: int,
    track: Callable[[int, int], None],
) -> None:
    """Write the teacher's scores to ``path``, resuming after a stop."""
    part = path.with_suffix(".part")
    scores = _partial(part, (len(crops), count, len(EMOTIONS) + len(BALLOT)))
    left = np.flatnonzero(np.isnan(scores).any(axis=(1, 2)))
    lanes, names = _uncalibrated(teacher)
    for at in range(0, len(left), batch):
        track(len(crops) - len(left) + at, len(crops))
        rows = left[at : at + batch]
        for k, view in enumerate(views(crops[rows], count)):
            if k % 2 and teacher.card.views > 1:  # it looks at the mirror view anyway
                scores[rows, k] = scores[rows, k - 1]
                continue
            scores[rows, k] = np.concatenate(lanes.run(names, view), axis=1)
    track(len(crops), len(crops))
    scores.flush()
    del scores  # closed, or Windows would not rename it
    part.replace(path)


def _uncalibrated(teacher: bundle.Bundle, *, threads: int = 0) -> tuple[Lanes, list[str]]:
    """What answers, and what its graph calls both heads' shares before calibration.

    ``recalibrate.append`` calls them ``label_0`` and ``ballot_0``; a graph that was never
    calibrated has none.
    """
    graph = teacher.read()
    made = tensors(graph)
    inner = {head: f"{head}_0" for head in ("label", "ballot") if f"{head}_0" in made}
    wider = with_outputs(graph, list(inner.values()))
    lanes = Lanes(wider, threads=threads, name=str(teacher.graph))
    return lanes, [inner.get(head, head) for head in ("label", "ballot")]


def _partial(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """The scores so far, NaN where there are none yet."""
    if path.is_file():
        try:
            found = np.lib.format.open_memmap(path, mode="r+")
            if found.shape == shape:
                return found
        except ValueError:  # killed before it was made
            pass
    scores = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
    scores[:] = np.nan
    return scores


def targets(scores: NDArray[np.float16], temperature: float = 1.0) -> Tensor:
    """(N, 17) label and ballot shares: the views' mean, flattened or sharpened.

    A temperature T raises shares to 1/T, as dividing logits by T does.
    """
    return _soften(torch.from_numpy(scores.astype(np.float32)).mean(dim=1), temperature)


def on_batches(name: str, temperature: float = 1.0) -> Callable[[Tensor], Tensor]:
    """A bundle that is asked about every batch of training, as the network sees it.

    What it is asked for changes with every draw, so that there is always something left to learn;
    its answers on pictures that it was trained on itself are surer than on any others. Source:
    Beyer et al., Knowledge distillation: a good teacher is patient and consistent, CVPR 2022.

    Args:
        name: name or folder of the bundle.
        temperature: as that of ``targets``.

    Returns:
        A function of (N, 1, 48, 48) grey values in 0..255, which returns (N, 17) shares.

    Raises:
        BundleError: no such bundle.
    """
    teacher = bundle.load(name)
    lanes, names = _uncalibrated(teacher, threads=torch.get_num_threads())

    def answer(grey: Tensor) -> Tensor:
        faces = grey[:, 0].round().to(torch.uint8).cpu().numpy()
        shares = np.concatenate(lanes.run(names, faces), axis=1)
        return _soften(torch.from_numpy(shares).float(), temperature)

    return answer


def _soften(shares: Tensor, temperature: float) -> Tensor:
    heads = shares[:, : len(EMOTIONS)], shares[:, len(EMOTIONS) :]
    softened = [head.clamp(min=1e-6) ** (1 / temperature) for head in heads]
    return torch.cat([head / head.sum(dim=1, keepdim=True) for head in softened], dim=1)
