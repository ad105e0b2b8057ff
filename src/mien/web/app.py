"""The service: routes, and what stands around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles

from mien import __version__, bundle
from mien.strings import FOLDER as STRINGS
from mien.web import numbers, problems, schemas
from mien.web.analyst import Analyst
from mien.web.auth import check_origin, guard, scheme
from mien.web.gate import Gate
from mien.web.limits import Limits
from mien.web.middleware import Requests
from mien.web.uploads import FIELD, announced, read_uploads

if TYPE_CHECKING:
    from mien.infer.model import Model

PAGE = Path(__file__).parent / "static" / "page"

_BUSY = problems.responses(400, 401, 408, 413, 415, 422, 503)
_FILES = {
    "type": "object",
    "required": [FIELD],
    "properties": {
        FIELD: {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}
    },
}
_BYTES = {"type": "string", "format": "binary"}


def _body(*raw: str) -> dict[str, Any]:
    content = {"multipart/form-data": {"schema": _FILES}, **{m: {"schema": _BYTES} for m in raw}}
    return {"requestBody": {"required": True, "content": content}}


def create_app(
    model: Model,
    *,
    limits: Limits | None = None,
    token: str | None = None,
    origins: Sequence[str] = (),
    threads: int = 2,
    batching: bool = True,
) -> FastAPI:
    """Make the service around a model.

    Args:
        model: loaded with ``threads=1``; the service runs several pictures at a time itself.
        limits: see ``Limits``.
        token: what clients must send as a bearer token; None for no token.
        origins: web origins that may use the service from a browser (CORS); none by default.
        threads: pictures worked on at a time.
        batching: whether concurrent requests share runs of the graph.

    Raises:
        ValueError: see ``check_origin``.
    """
    allowed = [check_origin(origin) for origin in origins]
    limits = limits or Limits()
    analyst = Analyst(model, limits, threads=threads, batching=batching)
    gate = Gate(limits)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(analyst.start)
        yield
        await asyncio.to_thread(analyst.close)

    app = FastAPI(
        title="mien",
        summary="What a face in a picture shows, and how ten people would say it.",
        description="Pictures are worked on in memory and never stored. Scores say how people "
        "would describe the expression in a picture, not what a person feels.",
        version=__version__,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        docs_url=None,  # FastAPI's pages load scripts from elsewhere
        redoc_url=None,
    )
    problems.install(app)
    security = [Depends(guard(token))] + ([Depends(scheme)] if token else [])
    app.include_router(_v1(analyst, gate), prefix="/v1", dependencies=security)
    app.include_router(_health(analyst, gate))

    @app.get("/config.json", include_in_schema=False)
    def _config() -> JSONResponse:
        outputs = [output.name for output in model.session.get_outputs()]
        more = {"token": token is not None, "cam": "cam" in outputs, "limits": asdict(limits)}
        more["stream"] = any(getattr(r, "path", "") == "/v1/stream" for r in app.routes)
        return JSONResponse(numbers.config(model.bundle, mode="served", **more))

    _mount_page(app)
    if allowed:
        from starlette.middleware.cors import CORSMiddleware

        app.add_middleware(
            CORSMiddleware,
            allow_origins=allowed,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-Request-ID"],
            expose_headers=["X-Request-ID", "Retry-After"],
        )
    app.add_middleware(Requests)
    return app


def _mount_page(app: FastAPI) -> None:
    """The page's files, each under its own path: a mount at / would hide 405 of other routes."""

    def route(file: Path) -> None:
        @app.get("/" if file.name == "index.html" else f"/{file.name}", include_in_schema=False)
        def _file() -> FileResponse:
            return FileResponse(file, headers={"Cache-Control": "no-cache"})

    for file in sorted(PAGE.iterdir()):
        if file.is_file():
            route(file)
    for name, folder in {
        "js": PAGE / "js",
        "samples": PAGE / "samples",
        "strings": STRINGS,
    }.items():
        app.mount(f"/{name}", StaticFiles(directory=folder))


def _v1(analyst: Analyst, gate: Gate) -> APIRouter:
    router = APIRouter(tags=["faces"])
    limits = analyst.limits

    @router.post(
        "/analyze",
        response_model=list[schemas.Picture],
        response_model_exclude_unset=True,
        responses=_BUSY,
        openapi_extra=_body("image/*", "application/octet-stream"),
    )
    async def analyze(
        request: Request, options: Annotated[schemas.AnalyzeOptions, Query()]
    ) -> list[dict[str, Any]]:
        """Find and score the faces of one or many pictures."""
        with gate.admit(announced(request, limits)):
            uploads = await read_uploads(request, limits, at_most=limits.pictures)
            return await analyst.analyze(uploads, **options.model_dump())

    @router.post(
        "/classify",
        response_model=list[schemas.Crop],
        response_model_exclude_unset=True,
        responses=_BUSY,
        openapi_extra=_body("image/*", "application/octet-stream"),
    )
    async def classify(
        request: Request, options: Annotated[schemas.ClassifyOptions, Query()]
    ) -> list[dict[str, Any]]:
        """Score ready crops: pictures, or grey 48x48 bytes one after the other (octet-stream)."""
        with gate.admit(announced(request, limits)):
            uploads = await read_uploads(request, limits, at_most=limits.crops)
            return await analyst.classify(uploads, **options.model_dump())

    @router.get(
        "/models", response_model=list[schemas.ModelInfo], responses=problems.responses(401)
    )
    def models() -> list[dict[str, Any]]:
        """The models on this machine; `loaded` marks the one that answers."""
        mine = analyst.model.bundle
        others = [b for b in bundle.list_bundles() if b.path.resolve() != mine.path.resolve()]
        return [
            {"name": b.path.name, "loaded": b is mine, "card": asdict(b.card)}
            for b in [mine, *others]
        ]

    return router


def _health(analyst: Analyst, gate: Gate) -> APIRouter:
    router = APIRouter(tags=["health"])

    def health(status: str) -> dict[str, Any]:
        return {"status": status, "version": __version__, "requests": gate.requests}

    @router.get("/healthz", response_model=schemas.Health)
    async def healthz() -> dict[str, Any]:
        """Whether the process answers at all."""
        return health("ok")

    @router.get("/readyz", response_model=schemas.Health, responses=problems.responses(503))
    async def readyz(response: Response) -> dict[str, Any]:
        """Whether a request would be taken now: the model is warm and there is room."""
        if not (analyst.ready and gate.open):
            raise problems.Problem(
                503, "the house is full or closing; try again", headers={"Retry-After": "1"}
            )
        return health("ready")

    return router
