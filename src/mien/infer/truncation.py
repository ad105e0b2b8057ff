"""Whether a film's file ends before what its own structure says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

_MATROSKA = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"moof", b"sidx", b"uuid"}


def is_truncated(path: Path) -> bool:
    """True where an MP4's or MOV's box, an MKV's segment or an AVI's list is longer than the file.

    Files of other kinds, and those written without a length, give False.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(12)
        if head[4:8] in _BOXES:
            return _boxes_end(file, size) > size
        if head[:4] == _MATROSKA:
            return _segment_end(file) > size
        if head[:4] == b"RIFF":
            return 8 + int.from_bytes(head[4:8], "little") > size
    return False


def _boxes_end(file: BinaryIO, size: int) -> int:
    """Where the last top-level box ends, by its own length."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        elif length == 0:  # up to the end of the file
            return size
        if length < 8 or not head[4:8].isalnum():  # padding or rubbish after the film
            return at
        at += length
    return at


def _segment_end(file: BinaryIO) -> int:
    """Where a Matroska file's segment ends; 0 where it has no known length."""
    file.seek(4)
    header = _varint(file)
    file.seek(header or 0, os.SEEK_CUR)
    if header is None or file.read(4) != _SEGMENT:
        return 0
    length = _varint(file)
    return 0 if length is None else file.tell() + length


def _varint(file: BinaryIO) -> int | None:
    """An EBML length; None where it is unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    count = 9 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & ((1 << (8 - count)) - 1)]) + file.read(count - 1))
    return None if value == (1 << (7 * count)) - 1 else value
