"""Results as JSON: made in pieces beside the event loop, sent at the pace of the client."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mien.infer.results import Expression
from mien.web.gate import Hold

_SLICE = 2**16


def with_maps(entry: dict[str, Any], expression: Expression) -> dict[str, Any]:
    """The entry, with ``cam`` for JSON where there is one."""
    if expression.cam is None:
        return entry
    return entry | {"cam": np.round(expression.cam.astype(np.float64), 3).tolist()}


def encode(entry: dict[str, Any]) -> bytes:
    """One entry as JSON."""
    return json.dumps(entry, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(
        "utf-8", "backslashreplace"
    )


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
