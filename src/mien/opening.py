"""What a caller gives as a picture, to an open file: paths, pipes and file objects."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path
from typing import IO, Any

MAX_BYTES = 1 << 30
"""Largest file that ``read`` decodes: more than any picture of ``MAX_PIXELS`` needs."""

RAW = frozenset((
    ".3fr", ".arw", ".cr2", ".cr3", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mrw", ".nef", ".nrw",
    ".orf", ".pef", ".raf", ".rw2", ".srw", ".x3f",
))  # fmt: skip
"""File name endings of raw photos."""
_LONGEST = 300  # letters of a name that a message repeats
CHOICES = "give a path, the bytes of a file, an open file, a Pillow image or an array"


class ImageError(ValueError):
    """A picture that cannot be used; the message is one sentence: file, what is wrong, remedy."""


def shortened(name: str) -> str:
    """A name as messages repeat it: what is no path may have a million letters."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def open_file(path: str, name: str) -> IO[bytes]:
    """The file of a path, open for reading.

    Args:
        path: as it was given.
        name: what to call it in messages.

    Raises:
        ImageError: it is none, or cannot be opened.
    """
    if path.startswith("data:"):
        raise ImageError(
            f"{path[:30]}…: a data URI, not a path; decode its base64 text and give the bytes"
        )
    if "\0" in path:
        raise ImageError(f"{path!r:.99}: no path has a NUL character in it; check the name")
    try:
        kind = os.stat(path).st_mode  # noqa: PTH116 - Path's is as good, and slower
        # opening a pipe waits for a writer; one that the shell made already has one
        named_pipe = stat.S_ISFIFO(kind) and os.path.exists(os.path.realpath(path))  # noqa: PTH110
        if stat.S_ISDIR(kind):
            raise ImageError(f"{name}: a folder, not a picture; name the files in it")
        if named_pipe or not (stat.S_ISREG(kind) or stat.S_ISFIFO(kind)):
            raise ImageError(f"{name}: a pipe, socket or device, not a picture; name a file")
        if Path(path).suffix.lower() in RAW:
            raise ImageError(f"{name}: a raw photo, which mien does not read; export it as JPEG")
        if stat.S_ISREG(kind):
            return open(path, "rb")  # noqa: PTH123 - the caller closes it
        with open(path, "rb") as pipe:  # noqa: PTH123
            return in_memory(pipe, name)
    except FileNotFoundError:
        if "://" in path:
            raise ImageError(
                f"{name}: an address; mien reads local files, so download it first"
            ) from None
        raise ImageError(f"{name}: no such file; check the path") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        remedy = "check the link" if error.errno == errno.ELOOP else "check its permissions"
        raise ImageError(f"{name}: cannot be opened ({reason}); {remedy}") from None


def in_memory(file: Any, name: str) -> IO[bytes]:
    """An open file as it is; the rest of one that cannot be read twice, in memory.

    Raises:
        ImageError: it gives something other than bytes, or nothing.
    """
    try:
        if isinstance(file, io.BufferedIOBase | io.RawIOBase) and file.seekable():
            file.seek(0)
            return file  # type: ignore[return-value]
        data = file.read(MAX_BYTES + 1)
    except (OSError, TypeError, ValueError) as error:
        raise ImageError(f"{name}: the open file cannot be read ({error}); {CHOICES}") from None
    if isinstance(data, bytes):
        return io.BytesIO(data)
    raise ImageError(
        f"{name}: the open file gives {type(data).__name__}, not bytes; open it in mode 'rb'"
    )
