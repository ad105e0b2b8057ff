"""Where the frames of a video go: CSV, JSON lines, an annotated film.

Needs the extra ``video``.
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Protocol

import av
from PIL import Image

from mien.infer.film import Film
from mien.infer.overlay import Overlay
from mien.infer.rows import FACE_COLUMNS, face_cells
from mien.infer.video import Frame

COLUMNS = ("frame", "time", "track", *FACE_COLUMNS)
"""Columns of the CSV: one row a face and frame, ``time`` in seconds from the first frame."""


class FrameOutput(Protocol):
    """Anything that takes frames."""

    def open(self) -> None:
        """Begin."""
        ...

    def add(self, frame: Frame) -> None:
        """Take one; times rise."""
        ...

    def stop(self) -> None:
        """The source goes on, but no more frames come."""
        ...

    def close(self) -> None:
        """Finish."""
        ...


class VideoCsv:
    """One row a face and frame, columns ``COLUMNS``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> None:
        """See ``FrameOutput.open``."""
        self.file = self.path.open("w", newline="", encoding="utf-8")
        self.writer = csv.DictWriter(self.file, COLUMNS, lineterminator="\n")
        self.writer.writeheader()

    def add(self, frame: Frame) -> None:
        """See ``FrameOutput.add``."""
        for face in frame.faces:
            where = {"frame": frame.index, "time": round(frame.time, 4), "track": face.track}
            self.writer.writerow(where | face_cells(face))

    def stop(self) -> None:
        """See ``FrameOutput.stop``."""

    def close(self) -> None:
        """See ``FrameOutput.close``."""
        self.file.close()


class VideoJson:
    """One JSON line a face and frame: ``frame`` and ``time`` beside ``Face.to_dict()``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> None:
        """See ``FrameOutput.open``."""
        self.file = self.path.open("w", encoding="utf-8")

    def add(self, frame: Frame) -> None:
        """See ``FrameOutput.add``."""
        where = {"frame": frame.index, "time": round(frame.time, 4)}
        for face in frame.faces:
            self.file.write(json.dumps(where | face.to_dict(), ensure_ascii=False) + "\n")

    def stop(self) -> None:
        """See ``FrameOutput.stop``."""

    def close(self) -> None:
        """See ``FrameOutput.close``."""
        self.file.close()


class VideoFilm:
    """The video with its faces drawn; begun with the first frame, whose size it takes.

    Args:
        path: the file to write.
        rate: frames a second on average.
        sound: file whose sound is copied.
        language: of the names.
    """

    def __init__(
        self, path: Path, *, rate: float = 30, sound: Path | None = None, language: str = "en"
    ) -> None:
        self.path = path
        self.rate = rate
        self.sound = sound
        self.language = language
        self.film: Film | None = None

    def open(self) -> None:
        """See ``FrameOutput.open``."""

    def add(self, frame: Frame) -> None:
        """See ``FrameOutput.add``."""
        height, width = frame.image.shape[:2]
        if self.film is None:
            self.overlay = Overlay(width, height, language=self.language)
            film = Film(self.path, self.overlay.size, rate=self.rate, sound=self.sound)
            film.open()
            self.film = film
        self.film.write(self.overlay.draw(frame), frame.time)

    def stop(self) -> None:
        """See ``FrameOutput.stop``."""
        if self.film is not None:
            self.film.stop()

    def close(self) -> None:
        """See ``FrameOutput.close``."""
        if self.film is not None:
            self.film.close()


def check_places(
    paths: Iterable[Path], *, source: Path | None = None, overwrite: bool = False
) -> None:
    """See that each output can be written, before hours of film are read; make its folder.

    Args:
        paths: the outputs.
        source: the film, which none of them may replace.
        overwrite: whether a file that is there may be replaced.

    Raises:
        ValueError: the film itself, two of one name, a folder, a file that is there, or no right
            to write.
    """
    seen: set[Path] = set()
    for path in paths:
        if source is not None and path.resolve() == source.resolve():
            raise ValueError(f"{path}: would be replaced while it is read; name another file")
        if path.resolve() in seen:
            raise ValueError(f"{path}: named for two outputs; name another file for one of them")
        seen.add(path.resolve())
        if path.is_dir():
            raise ValueError(f"{path}: a folder; name a file in it")
        if path.is_file() and not overwrite:
            raise ValueError(f"{path}: is there already; name another file, or pass --overwrite")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise ValueError(
                f"{path}: its folder cannot be made ({reason}); name another"
            ) from None
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise ValueError(f"{path}: may not be written; change its permissions, or name another")


def check_film(path: Path) -> None:
    """Write two frames to a scratch file of the same ending: containers differ in what they take.

    Raises:
        ValueError: no film can be written under such a name.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        film = Film(Path(scratch, "film" + path.suffix), (64, 64))
        try:
            film.open()
            for time in (0.0, 0.1):
                film.write(Image.new("RGB", film.size), time)
            film.close()
        except (av.FFmpegError, ValueError):
            raise ValueError(f"{path}: cannot be written as a film; name an .mp4") from None


def check_picture(path: Path) -> None:
    """Save a scratch picture in the format that the name's ending means.

    Raises:
        ValueError: no picture can be written under such a name.
    """
    try:
        kind = Image.registered_extensions()[path.suffix.lower()]
        Image.new("RGB", (64, 64)).save(BytesIO(), kind)
    except (KeyError, OSError, ValueError):
        raise ValueError(f"{path}: cannot be written as a picture; name a .png") from None
