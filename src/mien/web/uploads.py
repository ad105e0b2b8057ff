"""Request bodies to named pieces of bytes: multipart or raw, bounded, never on disk."""

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from mien.web.limits import Limits
from mien.web.problems import Problem

FIELD = "files"
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Upload:
    """One piece of a body: ``name`` as shown back to the client, ``media`` its stated type.

    ``media`` is in lower case, without parameters.
    """

    name: str
    data: bytes
    media: str


def announced(request: Request, limits: Limits) -> int:
    """Bytes of a body by its Content-Length; the limit where it does not say.

    Raises:
        Problem: 413, more than the limit.
    """
    stated = request.headers.get("content-length", "")
    size = int(stated) if stated.isdecimal() else limits.body
    if size > limits.body:
        raise too_large(limits)
    return size


def too_large(limits: Limits) -> Problem:
    """The answer to a body above the limit."""
    return Problem(413, f"the body is above the limit of {limits.body} bytes; send less at a time")


def safe_name(name: str | None) -> str:
    """The last part of a client's file name, without control characters, at most 200 long."""
    last = re.split(r"[/\\]", name or "")[-1]
    return _UNSAFE.sub("", last)[-200:] or "picture"


async def read_uploads(request: Request, limits: Limits, *, at_most: int) -> list[Upload]:
    """The pictures in a body.

    ``multipart/form-data`` gives every part named ``files``; ``image/*`` and
    ``application/octet-stream`` are one piece.

    Raises:
        Problem: 400 damaged, 408 too slow, 413 too large or too many, 415 another type, 422 empty.
    """
    media = _media(request.headers.get("content-type"))
    try:
        async with asyncio.timeout(limits.seconds):
            if media == "multipart/form-data":
                found = await _multipart(request, limits, at_most)
            elif media.startswith("image/") or media == "application/octet-stream":
                data = b"".join([chunk async for chunk in _bounded(request, limits)])
                found = [Upload("body", data, media)]
            else:
                raise Problem(
                    415,
                    f"a body of {media[:80] or 'no stated type'}; "
                    f"send multipart/form-data with {FIELD}, or image/* bytes",
                )
    except TimeoutError:
        raise Problem(
            408, f"the body did not arrive within {limits.seconds:g} seconds; send less at a time"
        ) from None
    return found


def _media(stated: str | None) -> str:
    return (stated or "").partition(";")[0].strip().lower()


async def _bounded(request: Request, limits: Limits) -> AsyncGenerator[bytes]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limits.body:
            raise too_large(limits)
        yield chunk


async def _multipart(request: Request, limits: Limits, at_most: int) -> list[Upload]:
    parser = MultiPartParser(
        request.headers, _bounded(request, limits), max_files=at_most + 1, max_fields=16
    )
    parser.spool_max_size = limits.body + 1  # a picture must never touch the disk
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if "Too many files" in error.message:
            raise _too_many(at_most) from None
        raise Problem(400, f"the multipart body cannot be read ({error.message})") from None
    found = [part for key, part in form.multi_items() if key == FIELD]
    files = [part for part in found if isinstance(part, UploadFile)]
    if not files:
        raise Problem(422, f"{FIELD}: no file under this name; send one or more")
    if len(files) > at_most:
        raise _too_many(at_most)
    return [
        Upload(safe_name(file.filename), file.file.read(), _media(file.content_type))
        for file in files
    ]


def _too_many(at_most: int) -> Problem:
    return Problem(413, f"more than {at_most} files in one request; send fewer at a time")
