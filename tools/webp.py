"""Writes a picture as WebP within what a file of the repository may weigh."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

BUDGET = 150_000
"""Most bytes of a picture in the repository."""
WIDEST = 1920
TALLEST = 3000


def save_webp(image: Image.Image, path: Path) -> Path:
    """Write ``image`` to ``path`` as ``.webp``, at the best quality and size that fit.

    Returns:
        The file that was written.

    Raises:
        ValueError: it does not fit at half its size.
    """
    image = image.convert("RGB")
    image.thumbnail((WIDEST, TALLEST))
    for share in (1.0, 0.85, 0.7, 0.6, 0.5):
        smaller = image.resize((round(image.width * share), round(image.height * share)))
        for quality in (90, 80, 70, 60):
            file = io.BytesIO()
            smaller.save(file, "WEBP", quality=quality, method=6)
            if len(file.getvalue()) <= BUDGET:
                target = path.with_suffix(".webp")
                target.write_bytes(file.getvalue())
                return target
    raise ValueError(f"{path}: more than {BUDGET:,} bytes at half its size; picture less of it")
