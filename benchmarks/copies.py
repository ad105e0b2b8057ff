"""Near copies planted in a set: how many are found, and how many reported pairs are none.

    python -m benchmarks.copies data/fer2013 [--planted 200] [--seed 0]

Adds changed copies of pictures chosen at random: encoded as JPEG, brightened, mirrored, shifted by
two pixels, a quarter each. Every reported pair is then judged by a correlation computed in another
way (numpy.corrcoef of each overlap, both ways round). The baseline is a 64-bit difference hash, as
duplicate finders use it, at a Hamming distance of 6.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from benchmarks.degraded import compressed
from numpy.typing import NDArray
from PIL import Image

from mien.data.dataset import load_folder
from mien.data.duplicates import near_copies

Crop = NDArray[np.uint8]


def encoded(image: Crop, rng: np.random.Generator) -> Crop:
    return compressed(image, int(rng.integers(50, 90)))


def brightened(image: Crop, rng: np.random.Generator) -> Crop:
    lighter = image * rng.uniform(1.05, 1.2) + rng.uniform(5, 25)
    return np.clip(lighter, 0, 255).astype(np.uint8)


def mirrored(image: Crop, rng: np.random.Generator) -> Crop:
    return np.ascontiguousarray(image[:, ::-1])


def shifted(image: Crop, rng: np.random.Generator) -> Crop:
    dy, dx = [(2, 0), (-2, 0), (0, 2), (0, -2), (2, 2), (-2, 2)][rng.integers(6)]
    return np.pad(image, 2, mode="edge")[2 + dy : 50 + dy, 2 + dx : 50 + dx]


CHANGES = (encoded, brightened, mirrored, shifted)


def aligned(a: Crop, b: Crop) -> float:
    """Best correlation over mirroring and shifts of up to three pixels."""
    best = -1.0
    for other in (b, b[:, ::-1]):
        for dy in range(-3, 4):
            for dx in range(-3, 4):
                x = a[max(0, dy) : 48 + min(0, dy), max(0, dx) : 48 + min(0, dx)]
                y = other[max(0, -dy) : 48 + min(0, -dy), max(0, -dx) : 48 + min(0, -dx)]
                if x.std() and y.std():
                    best = max(best, float(np.corrcoef(x.ravel(), y.ravel())[0, 1]))
    return best


def difference_hash(images: Crop) -> NDArray[np.uint64]:
    """64 bits: whether each of 8x8 cells is darker than its right neighbour."""
    small = np.stack([np.asarray(Image.fromarray(i).resize((9, 8))) for i in images])
    bits = (small[:, :, 1:] > small[:, :, :-1]).reshape(len(images), 64)
    return np.packbits(bits, axis=1).view(np.uint64).ravel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--planted", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    data = load_folder(given.data)
    _, first = np.unique(data.group, return_index=True)
    first = first[data.images[first].reshape(len(first), -1).std(1) >= 4]
    images = data.images[first]
    rng = np.random.default_rng(given.seed)
    chosen = rng.choice(len(images), given.planted, replace=False)
    planted = [CHANGES[i % 4](images[row], rng) for i, row in enumerate(chosen)]
    everything = np.concatenate([images, np.stack(planted)])

    begin = time.perf_counter()
    found = near_copies(lambda rows: everything[rows], np.arange(len(everything)))
    seconds = time.perf_counter() - begin
    pairs = {tuple(pair) for pair in found.pairs.tolist()}
    hit = np.array([(int(r), len(images) + i) in pairs for i, r in enumerate(chosen)])
    print(f"{len(everything):,} pictures, {len(pairs):,} pairs reported in {seconds:.1f} s")
    for i, change in enumerate(CHANGES):
        print(f"{change.__name__}: {hit[i::4].mean():.1%} of {len(hit[i::4])} found")
    print(f"planted copies found: {hit.mean():.1%}")
    score = np.array([aligned(everything[a], everything[b]) for a, b in found.pairs])
    print(f"reported pairs below 0.9 by the independent correlation: {(score < 0.9).mean():.2%}")

    begin = time.perf_counter()
    code = difference_hash(everything)
    mine = code[len(images) :, None] ^ code[None, : len(images)]
    near = np.unpackbits(mine[..., None].view(np.uint8), axis=-1).sum(-1) <= 6
    print(
        f"difference hash: {near[np.arange(given.planted), chosen].mean():.1%} of them found, "
        f"{near.sum() / given.planted:.2f} candidates a picture "
        f"({time.perf_counter() - begin:.1f} s for the planted alone)"
    )


if __name__ == "__main__":
    main()
