"""The service's routes: analysing, streams, health and counts."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response, WebSocket
from pydantic import BaseModel

from mien import __version__, bundle
from mien.web import problems, schemas
from mien.web.analyst import Analyst, Asker
from mien.web.answers import Answer
from mien.web.auth import Tokens, client_of
from mien.web.gate import Gate, unavailable
from mien.web.guard import refuse
from mien.web.problems import Problem
from mien.web.prometheus import CONTENT_TYPE, Metrics
from mien.web.stream import Stream, min_face_of
from mien.web.uploads import FIELD, IMAGES, read_uploads

Job = Callable[..., Awaitable[list[bytes]]]
"""What an ``Analyst`` makes of uploads: pieces of one JSON list."""
LOG = logging.getLogger("mien.web")

_BUSY = problems.responses(400, 401, 403, 408, 413, 415, 421, 422, 429, 503)
_BYTES = {"type": "string", "format": "binary"}
_FILES = {
    "type": "object",
    "required": [FIELD],
    "properties": {FIELD: {"type": "array", "minItems": 1, "items": _BYTES}},
}
_TEXT = {"type": "string", "contentEncoding": "base64"}
_NAMED = {
    "type": "object",
    "required": ["data"],
    "properties": {"name": {"type": "string"}, "data": _TEXT},
    "additionalProperties": False,
}


def _body(at_most: int) -> dict[str, Any]:
    images = {"type": "array", "minItems": 1, "maxItems": at_most, "items": {}}
    images["items"] = {"anyOf": [_TEXT, _NAMED]}
    in_json = {
        "type": "object",
        "required": [IMAGES],
        "properties": {IMAGES: images},
        "additionalProperties": False,
    }
    return {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": _FILES},
                "application/json": {"schema": in_json},
                "image/*": {"schema": _BYTES},
                "application/octet-stream": {"schema": _BYTES},
            },
        }
    }


def v1(analyst: Analyst, gate: Gate) -> APIRouter:
    """Analysing, and what models there are."""
    router = APIRouter(tags=["faces"])
    limits = analyst.limits

    async def run(request: Request, job: Job, options: BaseModel, at_most: int) -> Response:
        hold = gate.hold()
        request.scope["mien.hold"] = hold  # the middleware releases it, when all has been sent
        uploads = await read_uploads(request, limits, hold, at_most=at_most)
        with gate.place():
            pieces = await job(uploads, Asker(client_of(request)), **options.model_dump())
            hold.add(sum(map(len, pieces)))
            return Answer(pieces, hold, seconds=limits.seconds)

    # The model of an answer is for the description alone: checking it would take the event loop.
    @router.post(
        "/analyze",
        response_model=list[schemas.Picture],
        responses=_BUSY,
        openapi_extra=_body(limits.pictures),
    )
    async def analyze(
        request: Request, options: Annotated[schemas.AnalyzeOptions, Query()]
    ) -> Response:
        """Find and score the faces of one or many pictures."""
        return await run(request, analyst.analyze, options, limits.pictures)

    @router.post(
        "/classify",
        response_model=list[schemas.Crop],
        responses=_BUSY,
        openapi_extra=_body(limits.crops),
    )
    async def classify(
        request: Request, options: Annotated[schemas.ClassifyOptions, Query()]
    ) -> Response:
        """Score ready crops: pictures, or grey 48x48 bytes one after the other (octet-stream)."""
        return await run(request, analyst.classify, options, limits.crops)

    @router.get(
        "/models", response_model=list[schemas.ModelInfo], responses=problems.responses(401, 429)
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


def streams(analyst: Analyst, gate: Gate, metrics: Metrics, tokens: Tokens) -> APIRouter:
    """The WebSocket."""
    router = APIRouter()

    @router.websocket("/stream")
    async def stream(socket: WebSocket) -> None:
        query = socket.query_params
        try:
            tokens.check(socket, query.get("token"))
            try:
                min_face = min_face_of(query.get("min_face"))
            except ValueError as error:
                raise Problem(422, str(error)) from None
            with gate.stream():
                name = uuid.uuid4().hex
                await socket.accept(headers=[(b"x-request-id", name.encode())])
                LOG.info("%s stream begins", name)
                await Stream(socket, analyst, metrics, min_face=min_face).run()
                LOG.info("%s stream ends", name)
        except Problem as problem:
            await refuse(
                socket.scope, socket.receive, socket.send, problem.status, problem.detail,
                problem.headers,
            )  # fmt: skip

    return router


def health(analyst: Analyst, gate: Gate) -> APIRouter:
    """Liveness and readiness."""
    router = APIRouter(tags=["health"])

    def state(status: str) -> dict[str, Any]:
        return {"status": status, "version": __version__, "requests": gate.requests}

    @router.get("/healthz", response_model=schemas.Health)
    async def healthz() -> dict[str, Any]:
        """Liveness: the process answers."""
        return state("ok")

    @router.get("/readyz", response_model=schemas.Health, responses=problems.responses(503))
    async def readyz() -> dict[str, Any]:
        """Readiness: the model is loaded and a request would be taken now."""
        if not (analyst.ready and gate.open):
            raise unavailable()
        return state("ready")

    return router


def counts(metrics: Metrics) -> APIRouter:
    """What Prometheus asks for."""
    router = APIRouter()

    @router.get("/metrics", include_in_schema=False)
    async def _metrics() -> Response:
        return Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    return router
