"""Request bodies to named pieces of bytes: multipart, JSON or raw, bounded, never on disk."""

import asyncio
import base64
import binascii
import json
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from mien.web.gate import Hold, unavailable
from mien.web.limits import Limits
from mien.web.problems import Problem

FIELD = "files"
IMAGES = "images"
RAW = "application/octet-stream"
JSON = "application/json"
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_DATA_URI = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(;[\w=.+-]+)*;base64,", re.ASCII)
_SHAPE = (
    f'the body is not {{"{IMAGES}": [...]}} with base64 text or {{"name": ..., "data": base64}} '
    "for each image"
)


@dataclass(frozen=True, slots=True)
class Upload:
    """One piece of a body: ``name`` as shown back to the client, ``media`` its stated type.

    ``media`` is in lower case, without parameters; ``error`` says why there are no bytes.
    """

    name: str
    data: bytes
    media: str
    error: str | None = None


def check_head(request: Request, limits: Limits) -> None:
    """Refuse a body by its headers, before any of it is read.

    Raises:
        Problem: 413, longer than the limit; 415, compressed.
    """
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > limits.body:
        raise too_large(limits)
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", ""):
        raise Problem(
            415,
            f"the body is compressed ({coding[:40]}); send it as it is, pictures are compact",
            headers={"Accept-Encoding": "identity"},
        )


def too_large(limits: Limits) -> Problem:
    """The answer to a body above the limit."""
    return Problem(413, f"the body is above the limit of {limits.body} bytes; send less at a time")


def safe_name(name: str | None) -> str:
    """The last part of a client's file name, without control characters, at most 200 long."""
    last = re.split(r"[/\\]", name or "")[-1]
    return _UNSAFE.sub("", last)[-200:] or "picture"


async def read_uploads(
    request: Request, limits: Limits, hold: Hold, *, at_most: int
) -> list[Upload]:
    """The pictures in a body.

    ``multipart/form-data`` gives every part named ``files``; ``application/json`` every entry of
    ``images``; ``image/*`` and ``application/octet-stream`` are one piece.

    Args:
        request: with an unread body.
        limits: see ``Limits``.
        hold: charged with what arrives.
        at_most: pictures.

    Raises:
        Problem: 400 damaged, 408 too slow, 413 too large or too many, 415 another type, 422 empty,
            503 no room.
    """
    check_head(request, limits)
    media = _media(request.headers.get("content-type"))
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(limits.seconds) as clock:
            hold.wait_for_client(lambda: clock.reschedule(loop.time()))
            if media == "multipart/form-data":
                found = await _multipart(request, limits, hold, at_most)
            elif media == JSON:
                body = await _whole(request, limits, hold)
                found = await asyncio.to_thread(_from_json, body, at_most)
            elif media.startswith("image/") or media == RAW:
                found = [Upload("body", await _whole(request, limits, hold), media)]
            else:
                raise Problem(
                    415,
                    f"a body of {media[:80] or 'no stated type'}; send multipart/form-data with "
                    f"{FIELD}, image/* bytes, or JSON with {IMAGES}",
                )
    except TimeoutError:
        if hold.evicted:
            raise unavailable() from None
        raise Problem(
            408, f"the body did not arrive within {limits.seconds:g} seconds; send less at a time"
        ) from None
    hold.give_up = None
    return found


def _media(stated: str | None) -> str:
    return (stated or "").partition(";")[0].strip().lower()


async def _bounded(request: Request, limits: Limits, hold: Hold) -> AsyncGenerator[bytes]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limits.body:
            raise too_large(limits)
        hold.add(len(chunk))
        yield chunk


async def _whole(request: Request, limits: Limits, hold: Hold) -> bytes:
    body = bytearray()  # a list of one-byte chunks would be fifty times their size
    async for chunk in _bounded(request, limits, hold):
        body += chunk
    return bytes(body)


async def _multipart(request: Request, limits: Limits, hold: Hold, at_most: int) -> list[Upload]:
    parser = MultiPartParser(
        request.headers, _bounded(request, limits, hold), max_files=at_most + 1, max_fields=16
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
    uploads = []
    for file in files:
        uploads.append(
            Upload(safe_name(file.filename), file.file.read(), _media(file.content_type))
        )
        file.file.close()
    return uploads


def _from_json(body: bytes, at_most: int) -> list[Upload]:
    # base64 holds none of these: more of them are no pictures, and would grow fiftyfold when read
    if body.count(b",") + body.count(b"[") + body.count(b"{") > 8 * at_most + 64:
        raise Problem(413, f"more than {at_most} images, or other entries, in one request")
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Problem(400, f"the body is not JSON ({str(error)[:100]})") from None
    if not (isinstance(given, dict) and set(given) == {IMAGES} and isinstance(given[IMAGES], list)):
        raise Problem(422, _SHAPE)
    images = given[IMAGES]
    if not images:
        raise Problem(422, f"{IMAGES}: no image; send one or more")
    if len(images) > at_most:
        raise _too_many(at_most)
    return [_image(image, at) for at, image in enumerate(images)]


def _image(given: Any, at: int) -> Upload:
    entry = {"data": given} if isinstance(given, str) else given
    good = isinstance(entry, dict) and "data" in entry and set(entry) <= {"name", "data"}
    if not good or not all(isinstance(value, str) for value in entry.values()):
        raise Problem(422, f"{IMAGES}[{at}]: {_SHAPE}")
    name = safe_name(entry.get("name", f"{IMAGES}[{at}]"))
    text = entry["data"]
    prefix = _DATA_URI.match(text[:200])
    media = (prefix[1] or "").lower() if prefix else ""
    try:
        data = base64.b64decode(text[prefix.end() :] if prefix else text, validate=True)
    except (binascii.Error, ValueError):
        error = "not base64; encode the file's bytes (addresses are not fetched)"
        return Upload(name, b"", media, error)
    return Upload(name, data, media or RAW)


def _too_many(at_most: int) -> Problem:
    return Problem(413, f"more than {at_most} files in one request; send fewer at a time")
