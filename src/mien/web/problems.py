"""Errors as problem details (RFC 9457): one shape for every answer that is not a success."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

MEDIA_TYPE = "application/problem+json"
UNAVAILABLE = "Service unavailable: at capacity or shutting down. Retry later."


class ProblemDetails(BaseModel):
    """What went wrong and what to do about it (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="One sentence: what is wrong; the remedy.")
    request_id: str = Field(description="Also in the X-Request-ID header and in the log.")


class Problem(Exception):  # noqa: N818 - the name that RFC 9457 gives it
    """A request that is answered with an error; ``detail`` is shown to the client."""

    def __init__(
        self, status: int, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def answer(
    request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """A problem-details response."""
    body = ProblemDetails(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        request_id=request.scope.get("request_id", ""),
    )
    return JSONResponse(
        body.model_dump(),
        status_code=status,
        headers=None if headers is None else dict(headers),
        media_type=MEDIA_TYPE,
    )


def install(app: FastAPI) -> None:
    """Answer the errors of an app with problem details; ``middleware`` answers the unforeseen."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> JSONResponse:
        return answer(request, error.status, error.detail, error.headers)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        return answer(request, error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return answer(request, 422, f"{where}: {first['msg']}")

    @app.exception_handler(ClientDisconnect)
    async def _gone(request: Request, error: ClientDisconnect) -> JSONResponse:
        return answer(request, 400, "the connection was closed before the body had arrived")


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries for the problems that a route may answer with."""
    return {status: _response(status) for status in statuses}


def _response(status: int) -> dict[str, Any]:
    title = HTTPStatus(status).phrase
    example = ProblemDetails(
        title=title, status=status, detail=_DETAILS.get(status, title), request_id="6f1b0c9e2d77"
    )
    schema = ProblemDetails.model_json_schema()
    content = {MEDIA_TYPE: {"schema": schema, "example": example.model_dump()}}
    return {"description": title, "content": content}


_DETAILS = {
    400: "the multipart body cannot be read (Missing boundary in multipart.)",
    401: "this service needs a token; send it as Authorization: Bearer TOKEN",
    403: "requests from pages of https://a.example are refused; start mien serve with --cors ...",
    408: "the body did not arrive within 30 seconds; send less at a time",
    413: "the body is above the limit of 33554432 bytes; send less at a time",
    415: "a body of text/plain; send multipart/form-data with files, or image/* bytes",
    422: "min_face: Input should be greater than or equal to 8",
    421: "this service does not answer as a.example; start mien serve with --allow-host a.example",
    429: "too many wrong tokens from this address; try again in a minute",
    503: UNAVAILABLE,
}
