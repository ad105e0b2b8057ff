"""One spelling for a picture's name, so that tables written elsewhere find their pictures."""

from __future__ import annotations

import unicodedata


def canonical(name: str) -> str:
    """A path in composed Unicode, with forward slashes, without ``./`` and doubled slashes.

    macOS decomposes accents and Korean syllables, Windows writes backslashes, and shells put
    ``./`` in front. Upper and lower case stay apart.
    """
    name = unicodedata.normalize("NFC", name).strip().replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return ("/" if name.startswith("/") else "") + "/".join(parts)


def bare(name: str) -> str:
    """A canonical path without the suffix of its file."""
    folder, slash, file = name.rpartition("/")
    stem = file.rpartition(".")[0]
    return folder + slash + (stem or file)
