"""Writes frames as a video that keeps their times and, where it can, the sound.

Needs the extra ``video``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from PIL import Image

from mien.infer import pyav

_CLOCK = 60_000  # ticks a second; MPEG-4 allows no more than 65,535
_CODECS = ("libx264", "libopenh264", "mpeg4")


class Film:
    """A video file that is written frame by frame.

    Args:
        path: where to; its ending names the container (``.mp4``, ``.mkv``, ``.mov``).
        kind: FFmpeg's name of the container, where the ending does not tell (``kind_of``).
        size: width and height, both even.
        rate: frames a second on average; each frame is shown at its own time all the same.
        sound: file whose sound is copied, if the container takes it.
    """

    def __init__(
        self, path: Path, size: tuple[int, int], *, rate: float = 30, sound: Path | None = None,
        kind: str | None = None,
    ) -> None:  # fmt: skip
        self.path = path
        self.kind = kind
        self.size = size
        self.rate = rate
        self.sound = sound

    def open(self) -> None:
        """Begin the file; without sound where the container does not take it.

        Raises:
            ValueError: no container of that ending, or FFmpeg has no codec for it.
        """
        self._begin(self.sound)
        try:
            self.container.start_encoding()
        except (av.FFmpegError, ValueError):
            # only its header tells whether a container takes a kind of sound
            with suppress(av.FFmpegError, ValueError):
                self.container.close()
            self._begin(None)

    def _begin(self, sound: Path | None) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        codec = next((name for name in _CODECS if name in av.codecs_available), None)
        try:
            self.container = av.open(f"file:{self.path}", "w", format=self.kind)
            rate = max(Fraction(self.rate or 30).limit_denominator(1001), Fraction(1, 1001))
            self.stream: Any = self.container.add_stream(codec, rate=rate)
        except (av.FFmpegError, ValueError, TypeError) as error:
            raise ValueError(f"{self.path}: cannot be written ({error}); name an .mp4") from None
        self.stream.width, self.stream.height = self.size
        self.stream.pix_fmt = "yuv420p"
        self.stream.codec_context.time_base = Fraction(1, _CLOCK)
        if codec == "libx264":
            self.stream.options = {"crf": "20", "preset": "veryfast"}
        else:
            self.stream.bit_rate = 8 * self.size[0] * self.size[1]
        self.audio = self._audio(sound)

    def write(self, image: Image.Image, time: float) -> None:
        """Add a frame at its time in seconds, later than the one before."""
        frame = av.VideoFrame.from_image(image)
        frame.pts, frame.time_base = round(time * _CLOCK), Fraction(1, _CLOCK)
        self._sound_until(time)
        self.container.mux(self.stream.encode(frame))

    def stop(self) -> None:
        """Leave out the sound from here on: the picture ends before its source."""
        self.audio = None

    def close(self) -> None:
        """Finish the file."""
        try:
            self._sound_until(float("inf"))
            self.container.mux(self.stream.encode())
        finally:  # what was written can be played, whatever else failed
            self.container.close()

    def abandon(self) -> None:
        """Let go of the file, finished or not."""
        self.audio = None
        with suppress(av.FFmpegError, ValueError, OSError):
            self.container.close()

    def _audio(self, sound: Path | None) -> Iterator[Any] | None:
        """Packets of the sound, addressed to the new file."""
        self.next_sound = None
        if sound is None:
            return None
        source = pyav.open_input(f"file:{sound}")
        try:
            template = source.streams.audio[0]
            target = self.container.add_stream_from_template(template)
        except (IndexError, ValueError, av.FFmpegError):
            source.close()
            return None
        return _copied(source, template, target)

    def _sound_until(self, time: float) -> None:
        while self.audio is not None:
            if self.next_sound is None:
                self.next_sound = next(self.audio, None)
                if self.next_sound is None:
                    self.audio = None
                    return
            packet = self.next_sound
            if float(packet.dts * packet.time_base) > time:
                return
            self.next_sound = None
            try:
                self.container.mux(packet)
            except av.FFmpegError:  # sound that the container takes no more of must not end a film
                self.audio = None


def kind_of(path: Path) -> str:
    """FFmpeg's name of the container that the ending of a path means.

    Raises:
        ValueError: none.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        try:
            with av.open(str(Path(scratch, "film" + path.suffix)), "w") as container:
                return str(container.format.name)
        except (av.FFmpegError, ValueError):
            raise ValueError(f"{path}: cannot be written as a film; name an .mp4") from None


def _copied(source: Any, template: Any, target: Any) -> Iterator[Any]:
    """Packets of ``template`` whose times count from the first frame of the picture."""
    picture = next(s for s in source.streams.video if not pyav.is_cover(s))
    begin = float((picture.start_time or 0) * picture.time_base)
    shift = round(begin / template.time_base)
    last = -1
    with source:
        try:
            for packet in source.demux(template):
                if packet.dts is None or packet.dts < shift:
                    continue
                packet.dts -= shift
                if packet.dts <= last:  # joined recordings restart their clock
                    continue
                last = packet.dts
                packet.pts = packet.dts if packet.pts is None else packet.pts - shift
                packet.stream = target
                yield packet
        except av.FFmpegError:  # a damaged end: the sound stops there
            return
