"""Frames of a video file or a camera: upright, with their times, whatever the file is like.

Needs the extra ``video``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

_DEFAULT_RATE = 30.0


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
    phones store lying on their side are turned upright; stretched pixels are made square. Frames
    that cannot be decoded are left out and counted in ``broken``; a file that ends too early
    gives what it has and sets ``cut_short``.

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
            stream = container.streams.video[0]
            rate = float(stream.average_rate or stream.guessed_rate or 0)
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
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            step = 1 / float(stream.average_rate or _DEFAULT_RATE)
            first: float | None = None
            time = -step
            shape = float(stream.sample_aspect_ratio or 1)
            for index, frame in enumerate(self._decoded(container, stream)):
                stamp = frame.time
                if first is None:
                    first = stamp or 0.0
                # a missing or backward stamp: as if the rate were constant
                later = None if stamp is None else stamp - first
                time = later if later is not None and later > time else time + step
                yield Still(index, time, _upright(frame, shape))

    def _open(self) -> Any:
        """An open container that has a picture."""
        try:
            if isinstance(self.source, int):
                container = _camera(self.source)
            else:
                container = av.open(str(self.source), metadata_errors="replace")
        except FileNotFoundError:
            raise FileNotFoundError(f"{self._name}: no such file; check the path") from None
        except (av.FFmpegError, OSError) as error:
            reason = error.strerror or type(error).__name__
            raise ValueError(
                f"{self._name}: cannot be read as a video ({reason}); "
                "it may be cut short or of another kind"
            ) from None
        if not container.streams.video:
            container.close()
            raise ValueError(f"{self._name}: no pictures in it; it may be cut short, or only sound")
        return container

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
        """Packets, with the empty one at the end that has the decoder give what it holds back."""
        try:
            yield from container.demux(stream)
        except av.FFmpegError:
            self.cut_short = True
            yield av.Packet()


def _upright(frame: Any, shape: float) -> NDArray[np.uint8]:
    width = max(1, round(frame.width * shape))
    array: NDArray[np.uint8] = frame.to_ndarray(format="rgb24", width=width, height=frame.height)
    turns = round(frame.rotation / 90) % 4  # counter-clockwise, as rot90's
    return np.ascontiguousarray(np.rot90(array, turns)) if turns else array


def _camera(number: int) -> Any:
    if sys.platform == "darwin":
        return av.open(str(number), format="avfoundation", options={"framerate": "30"})
    if sys.platform == "win32":
        raise ValueError("--camera: Windows has names, not numbers; record to a file first")
    return av.open(f"/dev/video{number}", format="v4l2")
