"""Annotated copies of pictures, in a folder that mirrors where they came from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from PIL import ExifTags, Image

from mien.images import read
from mien.infer.draw import annotate
from mien.infer.heat import heat
from mien.infer.results import Picture

_LONGEST = 255
"""Bytes of a file's name that file systems take."""
_WRITTEN = (".jpg", ".jpeg", ".png", ".webp")
_SOFTWARE = "mien predict --annotate"
"""What a copy names as its maker, so that nothing else is ever replaced."""


class Annotated:
    """Writes each picture with its faces drawn on it.

    Args:
        folder: where to.
        sources: all pictures of the job: below ``folder`` they stand as below the folder that
            they have in common.
        language: of the names, such as ``"en"``.
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
        return Path(os.path.commonpath({_plain(source).parent for source in self.sources}))

    @cached_property
    def kept(self) -> set[Path]:
        """Sources whose copies keep their names, below the folder."""
        paths = (_plain(source).relative_to(self.root) for source in self.sources)
        return {path for path in paths if path.suffix.lower() in _WRITTEN}

    @cached_property
    def resolved(self) -> Path:
        """The folder without links."""
        return self.folder.resolve()

    @cached_property
    def originals(self) -> set[tuple[int, int]]:
        """Device and number of each source's file: links and ``..`` give one file many names."""
        found = set()
        for source in self.sources:
            with suppress(OSError):
                status = Path(source).stat()
                found.add((status.st_dev, status.st_ino))
        return found

    def target(self, source: str) -> Path:
        """Where the annotated copy of ``source`` goes; other formats than the web's become PNG.

        A name that gets too long by that, or is another picture's already, becomes a hash of it.

        Raises:
            ValueError: the copy would replace a picture of the job, or a link leads it elsewhere.
        """
        path = _plain(source).relative_to(self.root)
        own = path.suffix.lower()
        suffix = own if own in _WRITTEN else ".png"
        name = path.name if own == suffix else path.name + suffix
        taken = name != path.name and path.with_name(name) in self.kept
        if taken or len(os.fsencode(name)) > _LONGEST:
            name = hashlib.sha256(os.fsencode(name)).hexdigest()[:32] + suffix
        target = self.folder / path.with_name(name)
        with suppress(OSError):
            status = target.stat()
            if (status.st_dev, status.st_ino) in self.originals:
                raise ValueError(
                    f"{target}: one of the pictures to read, which an annotated copy would "
                    "replace; name another folder"
                )
        if not target.resolve().is_relative_to(self.resolved):
            raise ValueError(
                f"{target}: a link leads out of {self.folder}; remove it, or name another folder"
            )
        return target

    def check(self, *, fresh: bool = False) -> None:
        """Look at all targets, so that a job of hours does not end at its last picture.

        Args:
            fresh: files that are no copies of ours may be replaced.

        Raises:
            ValueError: see ``target``; or a file is in a copy's place that is none.
        """
        for source in self.sources:
            target = self.target(source)
            if not fresh and target.exists() and not _is_copy(target):
                raise ValueError(
                    f"{target}: would be replaced, and is no annotated copy; name another folder, "
                    "or pass --overwrite"
                )

    def lacks(self, source: str) -> bool:
        """Whether the copy is missing; unreadable pictures have none."""
        return not self.target(source).exists()

    def write(self, picture: Picture) -> None:
        """Draw and save one; a picture that could not be read has no copy.

        Raises:
            ValueError: see ``target``.
        """
        if picture.error is not None:
            return
        target = self.target(picture.source)
        image = read(picture.source)
        if self.explain:
            image = heat(image, picture.faces)
        target.parent.mkdir(parents=True, exist_ok=True)
        # a kill must leave no half copy: the next run would take it for a whole one
        scratch = target.with_name(f".{os.getpid()}.part{target.suffix}")
        try:
            copy = annotate(image, picture.faces, language=self.language)
            exif = Image.Exif()
            exif[ExifTags.Base.Software] = _SOFTWARE
            copy.save(scratch, quality=92, exif=exif)
            scratch.replace(target)
        finally:
            scratch.unlink(missing_ok=True)


def _is_copy(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return image.getexif().get(ExifTags.Base.Software) == _SOFTWARE
    except Exception:  # no picture, or a damaged one: not ours to replace
        return False


def _plain(source: str) -> Path:
    """The whole path without ``..``, which would lead out of the folder of copies."""
    return Path(os.path.abspath(source))  # noqa: PTH100 - Path.absolute keeps ".."
