"""Where the frames of a video go: CSV, JSON lines, an annotated film.

Each is written beside its place, as ``.NAME.part``, and takes its name when it is finished.

Needs the extra ``video``.
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import av
from PIL import Image

from mien.atomic import PART
from mien.infer.film import Film, kind_of
from mien.infer.overlay import Overlay
from mien.infer.rows import FACE_COLUMNS, face_cells
from mien.infer.video import Frame

COLUMNS = ("frame", "time", "track", *FACE_COLUMNS, "scene")
"""Columns of the CSV: one row a face and frame, ``time`` in seconds from the first frame, ``scene``
from 1, the next one after each hard cut."""


class FrameOutput(Protocol):
    """Anything that takes frames."""

    @property
    def path(self) -> Path:
        """Where to."""
        ...

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
        """Finish, and take the name."""
        ...

    def abandon(self) -> None:
        """Remove what was written; does nothing after ``close``."""
        ...


class Place:
    """A path to write to, and the name beside it that is written first.

    Pipes and devices (``/dev/stdout``) are written as they are.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.direct = path.exists() and not path.is_file()
        self.real = path if self.direct else path.resolve()  # a link stays one
        self.part = path if self.direct else self.real.with_name(f".{self.real.name}{PART}")

    def take(self) -> None:
        """Give the finished file its name."""
        if not self.direct:
            self.part.replace(self.real)

    def clear(self) -> None:
        """Remove an unfinished file."""
        if not self.direct:
            self.part.unlink(missing_ok=True)


class _Text:
    """A text file of rows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = Place(path)

    def open(self) -> None:
        """See ``FrameOutput.open``."""
        self.file = self.place.part.open("w", newline="", encoding="utf-8")

    def stop(self) -> None:
        """See ``FrameOutput.stop``."""

    def close(self) -> None:
        """See ``FrameOutput.close``."""
        self.file.close()
        self.place.take()

    def abandon(self) -> None:
        """See ``FrameOutput.abandon``."""
        if hasattr(self, "file"):
            with suppress(OSError):  # a full disk, once more
                self.file.close()
            self.place.clear()


class VideoCsv(_Text):
    """One row a face and frame, columns ``COLUMNS``."""

    def open(self) -> None:
        """See ``FrameOutput.open``."""
        super().open()
        self.writer = csv.DictWriter(self.file, COLUMNS, lineterminator="\n")
        self.writer.writeheader()

    def add(self, frame: Frame) -> None:
        """See ``FrameOutput.add``."""
        for face in frame.faces:
            self.writer.writerow(_moment(frame) | {"track": face.track} | face_cells(face))


class VideoJson(_Text):
    """One JSON line a face and frame: ``frame``, ``time``, ``scene`` beside ``Face.to_dict()``."""

    def add(self, frame: Frame) -> None:
        """See ``FrameOutput.add``."""
        for face in frame.faces:
            row = _moment(frame) | face.to_dict()
            self.file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _moment(frame: Frame) -> dict[str, Any]:
    return {"frame": frame.index, "time": round(frame.time, 4), "scene": frame.scene}


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
        self.place = Place(path)
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
            self.film = Film(
                self.place.part, self.overlay.size, rate=self.rate, sound=self.sound,
                kind=kind_of(self.path),
            )  # fmt: skip
            self.film.open()
        with _plain_errors():
            self.film.write(self.overlay.draw(frame), frame.time)

    def stop(self) -> None:
        """See ``FrameOutput.stop``."""
        if self.film is not None:
            self.film.stop()

    def close(self) -> None:
        """See ``FrameOutput.close``."""
        if self.film is not None:
            with _plain_errors():
                self.film.close()
            self.place.take()
            self.film = None

    def abandon(self) -> None:
        """See ``FrameOutput.abandon``."""
        if self.film is not None:
            self.film.abandon()
            self.place.clear()
            self.film = None


@contextmanager
def _plain_errors() -> Iterator[None]:
    """FFmpeg's errors as OSError, which tells a full disk."""
    try:
        yield
    except av.FFmpegError as error:
        raise OSError(error.errno, error.strerror) from None


def save_picture(picture: Image.Image, path: Path) -> None:
    """Save a picture in the format that the name's ending means, whole or not at all."""
    place = Place(path)
    try:
        picture.save(place.part, Image.registered_extensions()[path.suffix.lower()])
        place.take()
    except BaseException:
        place.clear()
        raise


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
