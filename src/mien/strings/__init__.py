"""Every word that people read in their language: one JSON file a language, for Python and the page.

A file's sections: ``language`` (its name in itself), ``emotions`` (display names), ``synonyms``
(what ``mien.emotions.parse`` understands), ``drawing``, ``terminal`` and ``page``. To add a
language, add its file; ``tests/test_strings.py`` says which entries it still lacks.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent

LANGUAGES: tuple[str, ...] = tuple(sorted(file.stem for file in FOLDER.glob("*.json")))
"""Codes of the languages, such as ``"en"``."""


@cache
def strings(language: str) -> dict[str, Any]:
    """All sections of a language's file.

    Raises:
        ValueError: a language that has no file.
    """
    if language not in LANGUAGES:
        raise ValueError(f"no names in {language!r}; choose from {', '.join(LANGUAGES)}")
    read: dict[str, Any] = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return read
