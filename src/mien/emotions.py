"""The seven emotions: their order, their names, and how other data sets' labels map onto them.

Every array of seven scores in mien follows ``EMOTIONS`` (FER-2013's folder names in alphabetical
order); every array of ten follows ``BALLOT`` (the columns of FER+, Barsoum et al. 2016).
"""

import unicodedata
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from mien.strings import LANGUAGES as CODES
from mien.strings import strings


class Emotion(StrEnum):
    """An expression that a face shows; compares equal to its lower-case English name."""

    ANGRY = "angry"
    DISGUST = "disgust"
    FEAR = "fear"
    HAPPY = "happy"
    NEUTRAL = "neutral"
    SAD = "sad"
    SURPRISE = "surprise"

    @property
    def position(self) -> int:
        """Position in every array of seven scores."""
        return EMOTIONS.index(self)

    def name_in(self, language: str) -> str:
        """Display name in a language of ``LANGUAGES``.

        Raises:
            ValueError: any other language.
        """
        return names(language)[self.position]


EMOTIONS: tuple[Emotion, ...] = tuple(Emotion)

BALLOT: tuple[str, ...] = (
    "neutral", "happiness", "surprise", "sadness", "anger",
    "disgust", "fear", "contempt", "unknown", "NF",
)  # fmt: skip
"""FER+ columns in the published order; NF means "not a face"."""

VOTE_COLUMNS: tuple[str, ...] = tuple(f"votes_{option}" for option in BALLOT)

_BALLOT_NAME = {
    Emotion.ANGRY: "anger",
    Emotion.HAPPY: "happiness",
    Emotion.SAD: "sadness",
}
BALLOT_INDEX: tuple[int, ...] = tuple(BALLOT.index(_BALLOT_NAME.get(e, e.value)) for e in EMOTIONS)
"""Column of the ballot for each of the seven emotions."""

CONTEMPT, UNKNOWN, NOT_A_FACE = (
    BALLOT.index("contempt"),
    BALLOT.index("unknown"),
    BALLOT.index("NF"),
)

LANGUAGES: dict[str, tuple[str, ...]] = {
    code: tuple(strings(code)["emotions"][emotion] for emotion in EMOTIONS) for code in CODES
}
"""Display names in the order of ``EMOTIONS``, by language."""

_SYNONYMS: dict[Emotion, tuple[str, ...]] = {
    emotion: tuple(
        dict.fromkeys(
            word
            for code in CODES
            for word in (strings(code)["emotions"][emotion], *strings(code)["synonyms"][emotion])
            if word != emotion.value
        )
    )
    for emotion in EMOTIONS
}


def _bare(name: str) -> str:
    """A name without what spellings differ in: case, hyphens, accents as signs of their own."""
    return unicodedata.normalize("NFC", name).strip().casefold().replace("_", "").replace("-", "")


_BY_NAME: dict[str, Emotion] = {
    _bare(word): emotion for emotion in EMOTIONS for word in (emotion.value, *_SYNONYMS[emotion])
}


def names(language: str = "en") -> tuple[str, ...]:
    """The seven display names in order.

    Raises:
        ValueError: a language other than the keys of ``LANGUAGES``.
    """
    strings(language)
    return LANGUAGES[language]


def parse(name: str) -> Emotion | None:
    """The emotion that a folder or column name means (any case, common synonyms), or None."""
    return _BY_NAME.get(_bare(name))


def synonyms() -> dict[Emotion, tuple[str, ...]]:
    """Every spelling that ``parse`` understands, for error messages."""
    return {e: (e.value, *_SYNONYMS[e]) for e in EMOTIONS}


HEADS = ("expression", "votes", "label")
"""Readings of a face: mixed from both heads (shown first), people's votes, FER-2013's label."""
OUTPUTS = HEADS[1:]
"""Those that a network is measured by; the first is mixed from them."""


def check_head(head: str, *, among: tuple[str, ...] = HEADS) -> None:
    """Refuse what is no head.

    Raises:
        ValueError: it is not one of ``among``.
    """
    if head not in among:
        raise ValueError(f"no head {head!r}; choose from {', '.join(among)}")


def votes_from_ballot(
    ballot: NDArray[np.floating],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Split ballots into the seven emotions and what stands beside them.

    The only place where ``votes`` and ``unclear`` are derived.

    Args:
        ballot: (N, 10) shares or counts in the order of ``BALLOT``.

    Returns:
        ``votes`` (N, 7): the seven emotions reordered to ``EMOTIONS`` and renormalised to 1
        (uniform where none has a vote); ``unclear`` (N,): the share of unknown and NF.
    """
    shares = np.asarray(ballot, dtype=np.float64)
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
    seven = shares[:, BALLOT_INDEX]
    total = seven.sum(axis=1, keepdims=True)
    votes = np.where(total > 0, seven / np.maximum(total, 1e-12), 1 / len(EMOTIONS))
    return votes, shares[:, UNKNOWN] + shares[:, NOT_A_FACE]
