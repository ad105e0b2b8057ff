"""Frames of a video file or a camera: upright, with their times, whatever the file is like.

Needs the extra ``video``.
"""

from __future__ import annotations

import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from mien.infer import pyav
from mien.infer.truncation import is_truncated

_DEFAULT_RATE = 30.0
_PATIENCE = 10.0  # seconds that an address has to answer
_FAILURES = 32  # reads in a row that may fail before the rest of a file is given up
_SLACK = 1.0  # seconds by which a film may be shorter than its header says
_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")


@dataclass(frozen=True, slots=True)
class Still:
    """One frame: number from 0, seconds since the first one, uint8 RGB (H, W, 3)."""

    index: int
    time: float
    image: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Info:
    """What a file says of itself: ``frames`` is 0 and ``seconds`` 0 where it does not."""

    width: int
    height: int
    rate: float
    seconds: float
    frames: int


class Footage:
    """Iterates over the frames of a video.

    Times come from the file's own timestamps, so a variable frame rate stays true; frames that
    phones store lying on their side or mirrored are set upright; stretched pixels are made square.
    Frames that cannot be decoded are left out and counted in ``broken``; a file that ends too
    early gives what it has and sets ``cut_short``. The size of frames may change on the way.

    Args:
        source: path, address that FFmpeg opens, or the number of a camera.
    """

    def __init__(self, source: str | Path | int) -> None:
        self.source = source
        self.broken = 0
        self.cut_short = False

    def info(self) -> Info:
        """Size, rate and length.

        Raises:
            FileNotFoundError: no such file.
            ValueError: not a video.
        """
        with self._open() as container:
            stream = _film(container)
            rate = pyav.number(stream.average_rate) or pyav.number(stream.guessed_rate)
            seconds = container.duration / av.time_base if container.duration else 0.0
            frames = stream.frames or round(seconds * rate)
            return Info(stream.width, stream.height, rate, seconds, frames)

    def __iter__(self) -> Iterator[Still]:
        """Frames in order of time.

        Raises:
            FileNotFoundError: no such file.
            ValueError: not a video.
        """
        self.broken, self.cut_short = 0, False
        with self._open() as container:
            stream = _film(container)
            stream.thread_type = "AUTO"
            step = 1 / (pyav.number(stream.average_rate) or _DEFAULT_RATE)
            first: float | None = None
            time = -step
            shape = pyav.number(stream.sample_aspect_ratio) or 1.0
            for index, frame in enumerate(self._decoded(container, stream)):
                stamp = frame.time
                if first is None:
                    first = stamp or 0.0
                # a missing or backward stamp: as if the rate were constant
                later = None if stamp is None else stamp - first
                time = later if later is not None and later > time else time + step
                yield Still(index, time, _upright(frame, shape))
            said = _length(stream)
            if isinstance(self.source, int) or _ADDRESS.match(str(self.source)):
                return
            missing = said - (time + step)
            self.cut_short |= missing > max(_SLACK, 0.02 * said) or is_truncated(Path(self.source))

    def _open(self) -> Any:
        """An open container that has a film."""
        source = self.source
        if not isinstance(source, int) and not _ADDRESS.match(str(source)):
            source = _local(Path(source))
        try:
            if isinstance(source, int):
                container = _camera(source)
            else:
                patience = _PATIENCE if _ADDRESS.match(str(source)) else None
                container = pyav.open_input(str(source), timeout=patience)
        except (av.FFmpegError, OSError) as error:
            raise ValueError(f"{self._name}: {self._remedy(error)}") from None
        try:
            _film(container)
            self._refuse_picture(container)
        except ValueError as error:
            container.close()
            raise ValueError(f"{self._name}: {error}") from None
        return container

    def _remedy(self, error: Exception) -> str:
        """What is wrong with a source that cannot be opened, and what to do."""
        reason = getattr(error, "strerror", None) or type(error).__name__
        if isinstance(self.source, int):
            if isinstance(error, FileNotFoundError):
                return f"there is no such camera; {_cameras()}"
            if isinstance(error, PermissionError):
                return "may not be used; give yourself the right to (on Linux: the group video)"
            return f"cannot be used ({reason}); close other programs that use it, or {_cameras()}"
        if _ADDRESS.match(str(self.source)):
            return f"cannot be opened ({reason}); check the address, or download the film first"
        if isinstance(error, PermissionError):
            return "may not be read; change its permissions"
        return f"cannot be read as a video ({reason}); it may be cut short or of another kind"

    def _refuse_picture(self, container: Any) -> None:
        """Raise ValueError for a single picture, which FFmpeg takes for a film of one frame."""
        kind = container.format.name
        if kind.endswith("_pipe") or (kind == "image2" and Path(str(self.source)).is_file()):
            raise ValueError("a picture, not a film; use mien predict")

    @property
    def _name(self) -> str:
        return f"camera {self.source}" if isinstance(self.source, int) else str(self.source)

    def _decoded(self, container: Any, stream: Any) -> Iterator[Any]:
        for packet in self._packets(container, stream):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self.broken += 1
                continue
            for frame in frames:
                if frame.is_corrupt:
                    self.broken += 1
                else:
                    yield frame

    def _packets(self, container: Any, stream: Any) -> Iterator[Any]:
        """Packets, with the empty one at the end that has the decoder give what it holds back.

        After a place that cannot be read, reading goes on behind it.
        """
        failures = 0
        while failures < _FAILURES:
            try:
                for packet in container.demux(stream):
                    failures = 0
                    yield packet
                return
            except av.FFmpegError:
                failures += 1
        self.cut_short = True
        yield av.Packet()


def _local(path: Path) -> str:
    """A file's path as FFmpeg takes it for nothing else; refuses what can be no film.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a folder, a pipe, a device, or empty.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"{path}: no such file; check the path") from None
    except ValueError:  # a NUL in it
        raise ValueError(f"{str(path)!r}: no file has such a name; check the path") from None
    if stat.S_ISDIR(status.st_mode):
        raise ValueError(f"{path}: a folder; name one film in it")
    if stat.S_ISCHR(status.st_mode) and (camera := re.fullmatch(r"/dev/video(\d+)", str(path))):
        raise ValueError(f"{path}: a camera; use --camera {camera[1]}")
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path}: a pipe or a device, not a file; save the film to a file first")
    if not status.st_size:
        raise ValueError(f"{path}: the file is empty; copy or download it again")
    return f"file:{path}"


def _film(container: Any) -> Any:
    """The stream that is the film: the first that is not a cover picture.

    Raises:
        ValueError: there is none.
    """
    streams = container.streams.video
    for stream in streams:
        if not pyav.is_cover(stream):
            return stream
    if streams:
        raise ValueError("only sound with a cover picture; name a film")
    if container.streams.audio:
        raise ValueError("only sound, no pictures; name a film")
    raise ValueError("no pictures in it; it may be cut short")


def _length(stream: Any) -> float:
    """Seconds that the film lasts by its header; 0 where that does not say."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    parts = re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", ""))
    return 3600 * int(parts[1]) + 60 * int(parts[2]) + float(parts[3]) if parts else 0.0


def _upright(frame: Any, shape: float) -> NDArray[np.uint8]:
    width = max(1, round(frame.width * shape))
    array: NDArray[np.uint8] = frame.to_ndarray(format="rgb24", width=width, height=frame.height)
    swap, mirror, flip = pyav.orientation(frame)
    if swap:
        array = array.swapaxes(0, 1)
    if mirror:
        array = array[:, ::-1]
    if flip:
        array = array[::-1]
    return np.ascontiguousarray(array)


def _camera(number: int) -> Any:
    if sys.platform == "darwin":
        return av.open(str(number), format="avfoundation", options={"framerate": "30"})
    if sys.platform == "win32":
        raise ValueError("--camera: Windows has names, not numbers; record to a file first")
    return av.open(f"/dev/video{number}", format="v4l2")


def _cameras() -> str:
    """Which cameras there are, as a remedy."""
    if sys.platform != "linux":
        return "check its number"
    there = sorted(int(p.name[5:]) for p in Path("/dev").glob("video*") if p.name[5:].isdigit())
    if not there:
        return "this machine has none; name a film instead"
    return f"choose from {', '.join(map(str, there))}"
