"""Time and peak memory of reading, hashing, grouping and splitting against the number of pictures.

    python -m benchmarks.scale [--counts 30000 100000 300000]

Draws a pixel CSV as FER-2013's (smooth random blotches; one picture in ten is a mirrored or
brightened copy of an earlier one), and prepares it up to the split in a process of its own for each
count. The baseline is a loop that only reads and hashes, with every picture kept in memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

CHILD = """
import json, resource, sys, time
from pathlib import Path
import numpy as np
begin = time.perf_counter()
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
from mien.data.cache import Cache
from mien.data.duplicates import find_copies
from mien.data.groups import group_copies
from mien.data.reading import read_crops
from mien.data.sources import list_source
from mien.data.split import place_groups
table, cache = map(Path, sys.argv[1:])
start = peak()
listing = list_source(table)
crops = read_crops(listing, Cache(cache))
read = time.perf_counter() - begin
usable = crops.reason == ""
copies = find_copies(crops.rows, crops.sha256, usable)
found = time.perf_counter() - begin
new = np.full(len(listing), -1)
same = np.unique(crops.sha256, return_inverse=True)[1]
group, _ = group_copies(copies.pairs, usable, new, pixels=same)
root, first, size = np.unique(group[group >= 0], return_index=True, return_counts=True)
key = crops.sha256[root].astype(str).tolist()
place_groups(listing.emotion[root], size, key, np.full(len(root), -1), ratio=(0.8, 0.1, 0.1))
split = time.perf_counter() - begin - found
print(json.dumps({"read": read, "copies": found - read, "split": split,
                  "peak": peak(), "start": start, "pairs": len(copies.pairs)}))
"""
LOOP = """
import csv, hashlib, json, resource, sys, time
import numpy as np
begin = time.perf_counter()
csv.field_size_limit(10**6)
images, seen = [], {}
with open(sys.argv[1], newline="") as file:
    for line in csv.DictReader(file):
        image = np.array(line["pixels"].split(), np.uint8)
        seen.setdefault(hashlib.sha256(image.tobytes()).digest(), len(images))
        images.append(image)
print(json.dumps({"seconds": time.perf_counter() - begin,
                  "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def draw(path: Path, count: int, seed: int = 0) -> None:
    """Write ``count`` rows, 2,000 at a time."""
    rng = np.random.default_rng(seed)
    word = np.array([str(v) for v in range(256)], dtype=object)
    # Each picture adds up three windows of one field of soft noise, so that no two are alike.
    field = np.fft.irfft2(
        np.fft.rfft2(rng.normal(size=(1024, 1024)))
        / (4 + np.hypot(*np.meshgrid(np.fft.rfftfreq(1024, 1 / 48), np.fft.fftfreq(1024, 1 / 48))))
        ** 1.5
    )
    field = (field / field.std()).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(field, (48, 48))
    with path.open("w") as file:
        file.write("emotion,pixels,Usage\n")
        for first in range(0, count, 2000):
            rows, columns = rng.integers(0, 976, (2, 3, min(2000, count - first)))
            sums = windows[rows[0], columns[0]] + windows[rows[1], columns[1]]
            sums += windows[rows[2], columns[2]][:, ::-1]
            pictures = np.clip(128 + 30 * sums, 0, 255).astype(np.uint8).reshape(-1, 2304)
            for i in range(9, len(pictures), 10):
                earlier = pictures[rng.integers(0, i)].reshape(48, 48)
                changed = earlier[:, ::-1] if i % 20 == 9 else np.minimum(earlier, 235) + 20
                pictures[i] = changed.ravel()
            labels = rng.integers(0, 7, len(pictures))
            for label, picture in zip(labels, pictures, strict=True):
                file.write(f"{label},{' '.join(word[picture])},Training\n")


def run(code: str, *args: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", code, *args], check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=[30_000, 100_000, 300_000])
    parser.add_argument("--baseline", type=int, default=30_000, help="pictures of the plain loop")
    given = parser.parse_args()
    head = ("pictures", "pixels MB", "read s", "copies s", "split s", "total s", "us a picture",
            "peak MB", "above start", "bytes a picture", "pairs")  # fmt: skip
    print(" | ".join(head))
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "fer2013.csv"
        for count in given.counts:
            draw(table, count)
            if count == given.baseline:
                loop = run(LOOP, table)
            took = run(CHILD, table, Path(folder) / f"cache{count}")
            total = took["read"] + took["copies"] + took["split"]
            extra = took["peak"] - took["start"]
            cells = (
                f"{count:,}", f"{count * 2304 / 2**20:.0f}", f"{took['read']:.1f}",
                f"{took['copies']:.1f}", f"{took['split']:.1f}", f"{total:.1f}",
                f"{1e6 * total / count:.0f}", f"{took['peak']:.0f}", f"{extra:.0f}",
                f"{extra * 2**20 / count:.0f}", f"{took['pairs']:,}",
            )  # fmt: skip
            print(" | ".join(cells), flush=True)
        if given.baseline in given.counts:
            print(
                f"plain loop, {given.baseline:,} pictures read and hashed alone: "
                f"{loop['seconds']:.1f} s, peak {loop['peak']:.0f} MB"
            )


if __name__ == "__main__":
    main()
