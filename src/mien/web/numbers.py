"""Every number and name that the page shares with Python, as JSON: defined once, read by both."""

from typing import Any

from mien import __version__
from mien.bundle import Bundle
from mien.emotions import BALLOT, BALLOT_INDEX, EMOTIONS, LANGUAGES, NOT_A_FACE, UNKNOWN
from mien.infer import crop, detect, reasons
from mien.infer.panels import COLOURS
from mien.infer.rows import COLUMNS
from mien.mix import TINY, Mix
from mien.strings import strings


def config(bundle: Bundle, *, mode: str, **more: Any) -> dict[str, Any]:
    """What the page reads as ``config.json``.

    Args:
        bundle: the model that answers.
        mode: ``"served"``, where the page posts to the service, or ``"local"``, where it runs
            the graphs itself.
        more: entries that only one mode has.
    """
    return {
        "mode": mode,
        "version": __version__,
        "bundle": {
            "name": bundle.card.name,
            "sha256": bundle.card.sha256,
            "version": __version__,
            "unclear_threshold": bundle.card.unclear_threshold,
            "expression": Mix.of_card(bundle.card.expression).to_dict(),
        },
        "languages": {language: strings(language)["language"] for language in LANGUAGES},
        "emotions": [
            {
                "id": emotion.value,
                "colour": COLOURS[emotion],
                "names": {
                    language: words[emotion.position] for language, words in LANGUAGES.items()
                },
            }
            for emotion in EMOTIONS
        ],
        "ballot": {
            "options": BALLOT,
            "seven": BALLOT_INDEX,
            "unclear": [UNKNOWN, NOT_A_FACE],
        },
        "detector": detect.default_detector().numbers,
        "crop": {
            "side": crop.SIDE,
            "frame": list(detect.LANDMARKS.values()),
            "box": detect.BOX,
            "roll": crop.ROLL,
        },
        "reasons": {
            "all": reasons.REASONS,
            "small": reasons.SMALL,
            "detail": reasons.DETAIL,
            "aside": reasons.ASIDE,
            "narrow": reasons.NARROW,
            "up": reasons.UP,
            "down": reasons.DOWN,
            "mouth": reasons.MOUTH,
            "eyes": reasons.EYES,
            "eachEye": reasons.EACH_EYE,
            "lenses": reasons.LENSES,
            "cheeks": reasons.CHEEKS,
            "middle": reasons.MIDDLE,
            "between": reasons.BETWEEN,
            "flatMouth": reasons.FLAT_MOUTH,
            "flatEye": reasons.FLAT_EYE,
            "darkEyes": reasons.DARK_EYES,
        },
        "tiny": TINY,
        "columns": list(COLUMNS),
        **more,
    }
