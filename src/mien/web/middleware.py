"""Around every request: an id, an access log line, metrics, and release of what it held."""

import logging
import re
import time
import uuid
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.web.problems import answer

LOG = logging.getLogger("mien.web")

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Requests:
    """ASGI middleware: X-Request-ID in and out, an access line without any file name.

    HEAD is answered as GET is, without the body. What no handler foresaw is logged with its
    traceback and answered with a plain 500.

    Args:
        app: what is served.
        saw: called with the method, path, status and seconds of each request.
        root_path: where a proxy shows the service; it may strip this from paths or not.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        saw: Callable[[str, str, int, float], object] | None = None,
        root_path: str = "",
    ) -> None:
        self.app = app
        self.root_path = f"/{root_path.strip('/')}" if root_path.strip("/") else ""
        self.saw = saw

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request through."""
        if self.root_path and scope["type"] != "lifespan":
            scope = {**scope, "root_path": self.root_path}
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        method, scope = scope["method"], dict(scope)
        head = method == "HEAD"
        if head:
            scope["method"] = "GET"
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
            elif head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
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
            if hold := scope.get("mien.hold"):
                hold.release()
            took = time.perf_counter() - begin
            path = _below(scope)
            if self.saw is not None:
                self.saw(method, path, status, took)
            LOG.info(
                "%s %s %s %d %.1fms", request_id, method, _printable(path), status, took * 1000
            )


def _printable(path: str) -> str:
    return path[:200].encode("unicode_escape").decode()


def _below(scope: Scope) -> str:
    """The path without the prefix of a proxy."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root + "/") else path
