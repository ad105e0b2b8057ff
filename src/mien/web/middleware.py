"""Around every request: an id, one line in the log, and headers that keep browsers careful."""

import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.web.problems import answer

LOG = logging.getLogger("mien.web")

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}


class Requests:
    """ASGI middleware: X-Request-ID in and out, an access line without any file name.

    What no handler foresaw is logged with its traceback and answered with a plain 500.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        scope["request_id"] = request_id
        begin, status, started = time.perf_counter(), 500, False

        async def tell(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, tell)
        except Exception:
            if started:
                raise
            LOG.exception("%s failed", request_id)
            failed = answer(Request(scope), 500, "something went wrong here; ask by the request id")
            await failed(scope, receive, tell)
        finally:
            took = (time.perf_counter() - begin) * 1000
            LOG.info(
                "%s %s %s %d %.1fms", request_id, scope["method"], _printable(scope["path"]),
                status, took,
            )  # fmt: skip


def _printable(path: str) -> str:
    return path[:200].encode("unicode_escape").decode()
