"""Results as JSON: encoded in pieces off the event loop, sent at the client's pace."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mien.infer.results import Expression
from mien.web.gate import Hold

_SLICE = 2**16


def encode(entry: Mapping[str, Any], **raw: bytes) -> bytes:
    """One entry as JSON; ``raw`` are further values that are JSON already."""
    text = json.dumps(entry, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    data = text.encode("utf-8", "backslashreplace")
    for name, value in raw.items():
        data = b'%b,"%b":%b}' % (data[:-1], name.encode(), value)
    return data


def scored(entry: Mapping[str, Any], expression: Expression) -> bytes:
    """A face or an expression, with ``cam`` where there is one."""
    return encode(entry) if expression.cam is None else encode(entry, cam=maps(expression.cam))


def maps(cam: NDArray[np.floating]) -> bytes:
    """Maps (K, h, w) as JSON, rounded to 3 digits.

    Made of arrays of characters: through lists of Python's floats it takes thirty times as long,
    in which no other thread gets a turn.
    """
    levels = np.rint(np.nan_to_num(cam.astype(np.float64)).clip(-1e3, 1e3) * 1000).astype(np.int64)
    distinct, which = np.unique(levels, return_inverse=True)
    names = np.array([b"%.3f" % (level / 1000) for level in distinct.tolist()])
    width = names.itemsize
    text = names[which.reshape(-1)].view(np.uint8).reshape(*cam.shape, width)
    cells = np.full((*cam.shape, width + 1), ord(","), np.uint8)
    cells[..., :width] = np.where(text == 0, ord(" "), text)
    return _bracketed(_bracketed(_bracketed(cells)))[:-1].tobytes()


def _bracketed(cells: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Characters (..., n, m) of n items, each with a comma at its end, as one such item."""
    items = cells.reshape(*cells.shape[:-2], -1)
    items[..., -1] = ord("]")
    item = np.full((*items.shape[:-1], items.shape[-1] + 2), ord(","), np.uint8)
    item[..., 0] = ord("[")
    item[..., 1:-1] = items
    return item


def as_list(entries: Iterable[bytes]) -> list[bytes]:
    """Encoded entries as the pieces of one JSON list."""
    pieces = [b"["]
    for entry in entries:
        pieces += [b",", entry] if len(pieces) > 1 else [entry]
    return [*pieces, b"]"]


class Answer(Response):
    """JSON in pieces, charged to the request's hold until the client has taken it.

    A client that does not read it within ``seconds``, or that has to give way, is cut off.
    """

    media_type = "application/json"

    def __init__(self, pieces: Sequence[bytes], hold: Hold, *, seconds: float) -> None:
        super().__init__()
        self.pieces = pieces
        self.hold = hold
        self.seconds = seconds
        self.headers["content-length"] = str(sum(map(len, pieces)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.seconds) as clock:
                self.hold.wait_for_client(lambda: clock.reschedule(loop.time()))
                await send(
                    {
                        "type": "http.response.start",
                        "status": self.status_code,
                        "headers": self.raw_headers,
                    }
                )
                for part in _slices(self.pieces):
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            if abort := scope.get("mien.abort"):
                abort()


def _slices(pieces: Sequence[bytes]) -> Iterable[bytes]:
    """Pieces of about the size that a connection buffers, so that each send waits for the last."""
    together = bytearray()
    for piece in pieces:
        together += piece
        while len(together) >= _SLICE:
            yield bytes(together[:_SLICE])
            del together[:_SLICE]
    yield bytes(together)
