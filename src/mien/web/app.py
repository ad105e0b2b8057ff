"""The service: how its parts are put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import JSONResponse
from starlette.routing import Route

from mien import __version__
from mien.web import files, numbers, problems, routes
from mien.web.analyst import Analyst
from mien.web.auth import Tokens, check_origin, scheme
from mien.web.gate import Gate
from mien.web.guard import Guard
from mien.web.limits import Limits
from mien.web.middleware import Requests
from mien.web.prometheus import Metrics

if TYPE_CHECKING:
    from mien.infer.model import Model

_TRIM = 2.0  # seconds between two looks at whether memory can be given back
DESCRIPTION = """
Pictures are worked on in memory and never stored. Scores say how people would describe the
expression in a picture, not what a person feels.

`/v1/stream` is a WebSocket: send one JPEG frame a binary message, and each gets one JSON text,
`{"frame": n, "width": w, "height": h, "faces": [...]}`, with the faces of `/v1/analyze` and a
steady `id` each (null where a face is too uncertain to be followed). A frame that waits is replaced
by the next and answered with `{"frame": n, "dropped": true}`, one that cannot be read with
`{"frame": n, "error": "..."}`. Query: `min_face`, and `token` where the service needs one.
"""


def create_app(
    model: Model,
    *,
    limits: Limits | None = None,
    token: str | None = None,
    origins: Sequence[str] = (),
    hosts: Iterable[str] | None = None,
    root_path: str = "",
    threads: int = 2,
    batching: bool = True,
) -> FastAPI:
    """Make the service around a model.

    Args:
        model: loaded with ``threads=1``; the service runs several pictures at a time itself.
        limits: see ``Limits``.
        token: what clients must send as a bearer token; None for no token.
        origins: web origins that may use the service from a browser (CORS); none by default.
        hosts: names that clients may call it by (``Host``); None for any.
        root_path: where a proxy shows it, such as "/mien".
        threads: pictures worked on at a time.
        batching: whether concurrent requests share runs of the graph.

    Raises:
        ValueError: see ``check_origin``.
    """
    allowed = [check_origin(origin) for origin in origins]
    limits = limits or Limits()
    analyst = Analyst(model, limits, threads=threads, batching=batching)
    gate = Gate(limits)
    metrics = Metrics(analyst, gate)
    tokens = Tokens(token, limits.guesses)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        gate.closing = False
        await asyncio.to_thread(analyst.start)
        trimming = asyncio.create_task(_give_memory_back(analyst, gate))
        yield
        gate.closing = True
        trimming.cancel()
        with suppress(asyncio.CancelledError):
            await trimming
        await asyncio.to_thread(analyst.close)

    app = FastAPI(
        title="mien",
        summary="What a face in a picture shows, and how ten people would say it.",
        description=DESCRIPTION,
        version=__version__,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        docs_url=None,  # FastAPI's pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.gate, app.state.metrics = gate, metrics
    problems.install(app)
    security = [Depends(tokens)] + ([Depends(scheme)] if token else [])
    routers: tuple[tuple[str, APIRouter, list[Any]], ...] = (
        ("/v1", routes.v1(analyst, gate), security),
        ("", routes.health(analyst, gate), []),
        ("", routes.counts(metrics), security),
        ("/v1", routes.streams(analyst, gate, metrics, tokens), []),
    )
    for prefix, router, checks in routers:
        app.include_router(router, prefix=prefix, dependencies=checks)

    @app.get("/config.json", include_in_schema=False)
    def _config() -> JSONResponse:
        outputs = [output.name for output in model.session.get_outputs()]
        more = {
            "token": token is not None,
            "cam": "cam" in outputs,
            "stream": True,
            "limits": asdict(limits),
        }
        return JSONResponse(numbers.config(model.bundle, mode="served", **more))

    files.mount(app)
    # FastAPI keeps routers whole or takes them apart, by its version
    given = (("", app.routes), *((prefix, router.routes) for prefix, router, _ in routers))
    metrics.routes = frozenset(
        prefix + route.path for prefix, each in given for route in each if isinstance(route, Route)
    )
    if allowed:
        from starlette.middleware.cors import CORSMiddleware

        app.add_middleware(
            CORSMiddleware,
            allow_origins=allowed,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-Request-ID"],
            expose_headers=["X-Request-ID", "Retry-After"],
        )
    app.add_middleware(Guard, hosts=hosts, origins=allowed)
    app.add_middleware(Requests, saw=metrics.saw, root_path=root_path)
    return app


async def _give_memory_back(analyst: Analyst, gate: Gate) -> None:
    """Trim while work goes on or bytes are given back, and once more after the last of them."""
    seen, again = (0, 0), False
    while True:
        await asyncio.sleep(_TRIM)
        # what a request that ran out of time has begun finishes later than the request, and a
        # connection that is cut off is taken apart later than its bytes are given back
        now = analyst.pool.finished, gate.freed
        if now != seen or again:
            await asyncio.to_thread(analyst.trim)
        seen, again = now, now != seen
