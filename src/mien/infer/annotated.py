"""Annotated copies of pictures, in a folder that mirrors where they came from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from mien.images import read
from mien.infer.draw import annotate
from mien.infer.heat import heat
from mien.infer.results import Picture

_WRITTEN = (".jpg", ".jpeg", ".png", ".webp")


class Annotated:
    """Writes each picture with its faces drawn on it.

    Args:
        folder: where to.
        sources: all pictures of the job: below ``folder`` they stand as below the folder that
            they have in common.
        language: of the names, ``"en"`` or ``"ko"``.
        explain: also lay the activation map over each face.
    """

    def __init__(
        self, folder: Path, sources: Sequence[str], *, language: str = "en", explain: bool = False
    ) -> None:
        self.folder = folder
        self.sources = sources
        self.language = language
        self.explain = explain

    @cached_property
    def root(self) -> Path:
        """The folder that all sources have in common."""
        return Path(os.path.commonpath({Path(source).absolute().parent for source in self.sources}))

    def target(self, source: str) -> Path:
        """Where the annotated copy of ``source`` goes; other formats than the web's become PNG."""
        path = Path(source).absolute().relative_to(self.root)
        suffix = "" if path.suffix.lower() in _WRITTEN else ".png"
        return self.folder / path.with_name(path.name + suffix)

    def write(self, picture: Picture) -> None:
        """Draw and save one; a picture that could not be read has no copy.

        Raises:
            ValueError: the copy would replace its original.
        """
        if picture.error is not None:
            return
        target = self.target(picture.source)
        if target.absolute() == Path(picture.source).absolute():
            raise ValueError(f"{target}: would be replaced by its copy; name another folder")
        image = read(picture.source)
        if self.explain:
            image = heat(image, picture.faces)
        target.parent.mkdir(parents=True, exist_ok=True)
        annotate(image, picture.faces, language=self.language).save(target, quality=92)
