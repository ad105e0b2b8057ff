"""What ``mien data prepare`` does to FER-2013: copies, splits, non-faces, time and memory.

    python -m benchmarks.prepare data/fer2013 [--by-eye fer2013.parquet] [--bundle none]

Prepares the folder into a temporary one, first without models and then with them, each in a process
of its own, and prints what the first three bars of the data room ask for. ``--by-eye`` names the
table whose column ``by_eye`` says what a person saw; it is read after everything is flagged, and
votes are kept from the non-face stage.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from mien.data.ballots import merge_votes
from mien.data.formats.folders import list_folder
from mien.data.tree import grow
from mien.emotions import NOT_A_FACE, UNKNOWN

CHILD = """
import json, resource, sys, time
begin = time.perf_counter()
from mien.workflows.judging import judge_with
from mien.data.options import Options
from mien.data.prepare import prepare
source, out, bundle = sys.argv[1:]
judge = None if bundle == "-" else judge_with(None if bundle == "none" else bundle)
prepare(source, out, Options(), judge=judge)
print(json.dumps({"seconds": time.perf_counter() - begin,
    "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))
"""


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def run(source: Path, out: Path, bundle: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, source, out, bundle],
        check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def without_votes(source: Path, folder: Path) -> Path:
    """The same pictures under another root, where no votes lie beside them."""

    def link(picture: str, copy: str) -> None:
        try:
            os.link(picture, copy)
        except OSError:
            shutil.copyfile(picture, copy)

    for part in sorted(p for p in source.iterdir() if p.is_dir()):
        shutil.copytree(part, folder / part.name, copy_function=link)
    return folder


def copies(out: Path) -> None:
    facts = json.loads((out / "prepare.json").read_text())
    exact = facts["notes"]["exact_groups"]
    print(
        f"exact copies: {exact['groups']} groups, {exact['pictures']} pictures, "
        f"{exact['conflicting']} conflicting; near copies: {facts['notes']['near_pairs']} pairs"
    )
    manifest = lines(out / "manifest.csv")
    places: dict[str, set[str]] = {}
    for line in manifest:
        places.setdefault(line["group"], set()).add(line["split"])
    print(f"groups in two splits: {sum(len(s) > 1 for s in places.values())} of {len(places)}")
    by_class: dict[str, Counter[str]] = {}
    for line in manifest:
        by_class.setdefault(line["emotion"], Counter())[line["split"]] += 1
    worst = max(
        abs(100 * counts[split] / counts.total() - share)
        for counts in by_class.values()
        for split, share in (("train", 80), ("valid", 10), ("test", 10))
    )
    print(f"class shares differ from 80 : 10 : 10 by at most {worst:.2f} points")


def nonfaces(source: Path, out: Path, by_eye: Path) -> None:
    import pandas as pd

    table = pd.read_parquet(by_eye, columns=["name", "by_eye"])
    eye = {Path(n).stem: e for n, e in zip(table["name"], table["by_eye"], strict=True)}
    listing = merge_votes(list_folder(grow(source), {}), source / "votes.csv")
    gone = {
        line["id"]: line["reason"]
        for name in ("exclusions.csv", "flags.csv")
        for line in lines(out / name)
        if line["reason"] in ("not-a-face", "blank", "nearly-constant")
    }
    flagged = np.array([i in gone for i in listing.id])
    seen = np.array([str(eye[Path(i).stem]) for i in listing.id])
    for kind in ("not_a_face", "drawing", "unsure", "face"):
        of = seen == kind
        print(
            f"{kind} by eye: {flagged[of].sum()} of {of.sum()} flagged ({flagged[of].mean():.1%})"
        )
    votes = listing.votes
    clear = (votes[:, 0] >= 0) & (np.delete(votes, (UNKNOWN, NOT_A_FACE), 1).sum(1) >= 8)
    print(
        f"eight or more votes for emotions: {flagged[clear].sum()} of {clear.sum()} flagged "
        f"({flagged[clear].mean():.2%})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--by-eye", type=Path)
    parser.add_argument("--bundle", default="default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "plain"
        took = run(given.source, out, "-")
        print(f"without models: {took['seconds']:.1f} s, {took['gigabytes']:.2f} GB")
        copies(out)
        bare = Path(folder) / "pictures"
        bare.mkdir()
        source = without_votes(given.source, bare)
        if given.by_eye:
            print("\nflagged without models and without votes")
            nonfaces_from(given, source, Path(folder) / "alone", "-")
        print(f"\nflagged with the detector and {given.bundle}, without votes")
        nonfaces_from(given, source, Path(folder) / "judged", given.bundle)


def nonfaces_from(given: argparse.Namespace, source: Path, out: Path, bundle: str) -> None:
    took = run(source, out, bundle)
    print(f"{took['seconds']:.1f} s, {took['gigabytes']:.2f} GB")
    if given.by_eye:
        nonfaces(given.source, out, given.by_eye)


if __name__ == "__main__":
    main()
