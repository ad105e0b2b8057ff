"""What the words of a source mean: emotions, other classes, splits, numbered classes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from mien.emotions import Emotion, parse, synonyms

DROP = "drop"
MAPPED_OUT, OTHER_CLASS, NO_LABEL = "mapped-out", "other-class", "no-label"
"""Reasons why a picture of a source has none of the seven labels."""

_OTHERS = (
    "contempt contemptuous none neither uncertain unknown unsure unlabeled unlabelled other others "
    "nf noface nonface notface notaface 경멸 기타 불명 없음"
)
OTHER_CLASSES = frozenset(_OTHERS.split())
"""Classes that data sets of faces have beside the seven; never guessed to be one of them."""

_SPLITS = {
    "train": "train training trn tr learn 학습 훈련",
    "valid": "valid validation val vali dev devel development eval evaluation publictest 검증",
    "test": "test testing tst privatetest holdout 테스트 시험 평가",
}
_SPLIT_OF = {word: split for split, words in _SPLITS.items() for word in words.split()}
_AROUND = re.compile(r"^(fer2013|ferplus|affectnet|rafdb)|(set|data|images|imgs|faces|folder)$")

NUMBERS: dict[str, tuple[str, ...]] = {
    "fer2013": ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt"),
    "affectnet": ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt",
                  "none", "uncertain", "non-face"),
    "rafdb": ("", "surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"),
    "ckplus": ("neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise"),
}  # fmt: skip
"""Names of the numbered classes of each data set, from 0; "" where a number is not used."""


class Class(NamedTuple):
    """A class of a source: one of the seven emotions by index, else why it is left out."""

    emotion: int
    reason: str = ""
    detail: str = ""


UNLABELLED = -1


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()


@cache
def split_of(word: str) -> str:
    """The split that a folder or a cell means: "train", "valid", "test", or "" for none."""
    plain = re.sub(r"[\s_-]", "", _plain(word))
    shorter = _AROUND.sub("", _AROUND.sub("", plain))
    return _SPLIT_OF.get(plain) or _SPLIT_OF.get(shorter, "")


def numbered(data_set: str) -> dict[str, str]:
    """Number, as text, to class name of a data set in ``NUMBERS``."""
    return {str(i): name for i, name in enumerate(NUMBERS[data_set]) if name}


def whole(text: str) -> str:
    """A whole number without what tables put around it ("3.0", "+3", "03"); else the text."""
    return str(int(float(text))) if re.fullmatch(r"\s*\+?\d{1,3}(\.0*)?\s*", text) else text


def understand(
    name: str, mapping: Mapping[str, str], numbers: Mapping[str, str] | None = None
) -> Class | None:
    """The class that a folder or a label stands for; None where nobody can say.

    ``mapping`` (of ``--map``) goes first, then ``numbers``; names are compared without case and in
    composed Unicode. A number before or after a word ("0_angry", "Sad (120)") is passed over.
    """
    plain = _plain(name)
    mapped = {_plain(k): v for k, v in mapping.items()}
    number = whole(plain)
    target = mapped.get(plain, mapped.get(number))
    if target is None:
        target = (numbers or {}).get(number, plain)
        # A word behind a number may be mapped as well: 3 stands for "happy", mapped to "drop".
        target = mapped.get(target, target)
    if target == DROP:
        return Class(UNLABELLED, MAPPED_OUT, name.strip())
    for word in (target, re.sub(r"^[\W\d_]+|[\W\d_]+$", "", target)):
        emotion = parse(word)
        if emotion is not None:
            return Class(emotion.position)
        if re.sub(r"[\W_]", "", word) in OTHER_CLASSES:
            return Class(UNLABELLED, OTHER_CLASS, word)
    return None


def check_mapping(mapping: Mapping[str, str]) -> None:
    """Raise ValueError where a value is neither an emotion nor "drop"."""
    for name, target in mapping.items():
        if target != DROP and parse(target) is None:
            known = ", ".join(Emotion)
            raise ValueError(f"--map {name}={target}: {target!r} is none of {known}, {DROP}")


def unknown_names(
    counts: Mapping[str, int], what: str, numbers: Mapping[str, str] | None = None
) -> ValueError:
    """The error for names that nobody understood, with what would have been.

    ``numbers`` what numbered classes mean, where that is known.
    """
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    found = ", ".join(f"{name[-60:]!r} ({n} pictures)" for name, n in most[:8])
    if len(most) > 8:
        found += f" and {len(most) - 8} more"
    last = min(counts).rpartition("/")[2]
    if not numbers and any(whole(name.rpartition("/")[2]).isdecimal() for name in counts):
        return ValueError(
            f"{what} that are numbers: {found}. Data sets count emotions differently; add "
            f"--numbers {', or '.join(NUMBERS)}, or --map {last}=happy and so on"
        )
    known = "; ".join(f"{e.value}: {', '.join(words[1:])}" for e, words in synonyms().items())
    if numbers:
        known += "; " + ", ".join(f"{number} {name}" for number, name in numbers.items())
    return ValueError(
        f"{what} that mean no known emotion: {found}. Add --map '{last}=drop', or one of the "
        f"seven emotions instead of drop. Understood are {known}"
    )
