"""Guards around every request: allowed hosts, allowed sites, security headers."""

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.web.problems import answer

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Names of this machine that no other site's domain can resolve to."""

_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
_CLOSED = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; "
    "worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""Content-Security-Policy of pages and their files."""

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Content-Security-Policy": _CLOSED,
    "Cache-Control": "no-store",
}


class Guard:
    """ASGI middleware for requests and WebSockets.

    A request that names another host is refused: a foreign site whose domain is made to resolve to
    this machine (DNS rebinding) would count as the page itself. So is one that may cost or change
    something and comes from a page of another site, unless ``origins`` names it. Answers carry
    headers that forbid framing, foreign scripts and caching, where a route does not say otherwise.

    Args:
        app: what is guarded.
        hosts: names that requests may give, without ports; None for any.
        origins: web origins of other sites that may use it; "*" for all.
    """

    def __init__(
        self, app: ASGIApp, *, hosts: Iterable[str] | None = None, origins: Sequence[str] = ()
    ) -> None:
        self.app = app
        self.hosts = None if hosts is None else {host.strip("[]").lower() for host in hosts}
        self.origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request through, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def careful(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    sent.setdefault(name, value)
            await send(message)

        refused = self._refusal(scope, headers)
        if refused is not None:
            await refuse(scope, receive, careful, *refused)
            return
        await self.app(scope, receive, careful)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if self.hosts is not None and name_of(host) not in self.hosts:
            named = name_of(host)[:80] or "no host"
            return 421, f"this service does not answer as {named}; allow it with --allow-host"
        harmless = scope["type"] == "http" and scope["method"] in _SAFE
        if not harmless and not self._same_site(headers, host):
            site = headers.get("origin", "another site")[:80]
            return 403, f"requests from pages of {site} are refused; allow it with --cors"
        return None

    def _same_site(self, headers: Mapping[str, str], host: str) -> bool:
        """Whether no page of a foreign site sent this; programs send neither header."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if "*" in self.origins or (origin is not None and origin.lower() in self.origins):
            return True
        if site is not None:
            return site in ("same-origin", "none")
        return origin is None or urlsplit(origin).netloc.lower() == host.lower()


def name_of(host: str) -> str:
    """A Host header without its port, in lower case; "" where it is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


async def refuse(
    scope: Scope,
    receive: Receive,
    send: Send,
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Answer with a problem; a WebSocket whose server cannot do that is closed."""
    if scope["type"] == "http":
        await answer(Request(scope), status, detail, headers)(scope, receive, send)
        return
    await receive()  # websocket.connect
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": detail[:120]})
        return
    body = answer(Request({**scope, "type": "http", "method": "GET"}), status, detail, headers)
    await send(
        {"type": "websocket.http.response.start", "status": status, "headers": body.raw_headers}
    )
    await send({"type": "websocket.http.response.body", "body": body.body})
