"""Image folders as people have them: any depth, any file names, emotions by folder."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mien.data.dataset import SPLITS
from mien.data.listing import NO_LABEL, USAGES, Listing, no_votes
from mien.emotions import Emotion, parse, synonyms
from mien.images import is_picture
from mien.walk import walk

DROP = "drop"


def understand(name: str, mapping: Mapping[str, str]) -> int | None:
    """Index of the emotion a folder or label stands for, ``NO_LABEL`` to drop it, None if unknown.

    ``mapping`` goes first; names are compared without case and in composed Unicode, since macOS
    unpacks Korean folder names decomposed.
    """
    name = unicodedata.normalize("NFC", name).strip()
    target = {k.casefold(): v for k, v in mapping.items()}.get(name.casefold(), name)
    if target == DROP:
        return NO_LABEL
    emotion = parse(target)
    return None if emotion is None else emotion.position


def check_mapping(mapping: Mapping[str, str]) -> None:
    """Raise ValueError where a value is neither an emotion nor "drop"."""
    for name, target in mapping.items():
        if target != DROP and parse(target) is None:
            known = ", ".join(Emotion)
            raise ValueError(f"--map {name}={target}: {target!r} is none of {known}, {DROP}")


def unknown_names(counts: Mapping[str, int], what: str) -> ValueError:
    """The error for names that nobody understood, with what would have been."""
    found = ", ".join(f"{name!r} ({n} pictures)" for name, n in sorted(counts.items()))
    known = "; ".join(f"{e.value}: {', '.join(words[1:])}" for e, words in synonyms().items())
    first = min(counts)
    return ValueError(
        f"{what} that mean no known emotion: {found}; understood are {known}. "
        f"Add --map '{Path(first).name}=drop', or one of the seven emotions instead of drop"
    )


def list_folder(root: Path, mapping: Mapping[str, str]) -> Listing:
    """Every picture below ``root``, sorted by path, without hidden and ``__MACOSX`` entries.

    Linked folders are entered like any other. The nearest folder above a picture that names an
    emotion is its label; one that names a split ("train", "validation", "test") is its split; a
    file name that begins with "Training_", "PublicTest_" or "PrivateTest_" tells its usage in the
    FER-2013 contest.

    Raises:
        ValueError: folders that mean no emotion, or a file name that is not UTF-8.
        FileNotFoundError: no picture at all.
        OSError: a folder that cannot be read.
    """
    ids: list[str] = []
    emotion: list[int] = []
    split: list[str] = []
    unknown: Counter[str] = Counter()
    other = 0
    for folder, files in walk(
        root, refuse=_refuse, enter=lambda path: not path.name.startswith("__MACOSX")
    ):
        pictures = [f for f in files if is_picture(f)]
        other += sum(not f.startswith(".") for f in files) - len(pictures)
        if not pictures:
            continue
        relative = folder.relative_to(root)
        above = list(reversed(relative.parts))
        named = next((e for e in (understand(n, mapping) for n in above) if e is not None), None)
        if named is None:
            unknown[relative.as_posix()] += len(pictures)
            continue
        place = next((SPLITS[n.lower()] for n in above if n.lower() in SPLITS), "")
        ids += [(relative / file).as_posix() for file in pictures]
        emotion += [named] * len(pictures)
        split += [place] * len(pictures)
    if unknown:
        raise unknown_names(unknown, f"{root}: folders")
    if not ids:
        raise FileNotFoundError(
            f"{root}: no pictures in it; expected <emotion>/*.png at any depth, or fer2013.csv"
        )
    try:
        "".join(ids).encode()
    except UnicodeEncodeError:
        raise ValueError(f"{root}: a file name is not UTF-8; rename it, e.g. with convmv") from None
    order = np.argsort(np.array(ids), kind="stable")
    sorted_ids = [ids[i] for i in order]
    usage = [Path(name).name.split("_")[0] for name in sorted_ids]
    return Listing(
        root=root,
        id=sorted_ids,
        emotion=np.array(emotion, np.int64)[order],
        split=[split[i] for i in order],
        usage=[u if u.lower() in USAGES else "" for u in usage],
        votes=no_votes(len(ids)),
        ignored=other,
    )


def _refuse(error: OSError) -> None:
    raise OSError(
        f"{error.filename}: cannot be read ({error.strerror}); check its permissions"
    ) from None
