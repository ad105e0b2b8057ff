"""The review page: what ``mien data prepare`` flagged or left out, decided by keyboard."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field
from starlette.middleware.trustedhost import TrustedHostMiddleware

from mien.data.reviewing import Review
from mien.emotions import EMOTIONS
from mien.web.listening import Server, open_page

PAGE = Path(__file__).parent / "static" / "review"
LOCAL = ("127.0.0.1", "localhost")


class Change(BaseModel):
    """A decision about one picture; the action "" takes it back."""

    id: str
    action: str = ""
    emotion: str = ""


class Changes(BaseModel):
    """Decisions that belong together."""

    changes: list[Change] = Field(max_length=100_000)


def create_app(review: Review) -> FastAPI:
    """The page and its interface, for this machine alone."""
    app = FastAPI(title="mien review", docs_url=None, redoc_url=None, openapi_url=None)
    # Other names would let a foreign site reach the page through a name that resolves to here.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(LOCAL))

    @app.get("/api/entries")
    def entries() -> dict[str, object]:
        return {
            "name": review.out.resolve().name,
            "emotions": [e.value for e in EMOTIONS],
            "entries": review.entries,
            "decisions": {
                name: {"action": d.action, "emotion": d.emotion or ""}
                for name, d in review.decisions.items()
            },
        }

    # Named by its pixels: a browser may keep it, and never shows it beside another entry.
    @app.get("/api/crop/{sha256}.png")
    def crop(sha256: str) -> Response:
        try:
            png = review.crop(sha256)
        except (KeyError, OSError):
            raise HTTPException(404, "no such picture; prepare the folder again") from None
        except ValueError as error:
            raise HTTPException(404, str(error)) from None
        return Response(png, media_type="image/png", headers={"Cache-Control": "max-age=3600"})

    @app.post("/api/decisions")
    def decide(body: Changes, request: Request) -> dict[str, int]:
        origin = request.headers.get("origin")
        if origin is not None and origin.partition("//")[2] != request.headers.get("host"):
            raise HTTPException(403, "decisions are taken from the page itself alone")
        try:
            review.decide((c.id, c.action, c.emotion) for c in body.changes)
        except KeyError as error:
            raise HTTPException(404, f"no picture {error}") from None
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        return {"decided": len(review.decisions)}

    app.mount("/", StaticFiles(directory=PAGE, html=True))
    return app


def serve(review: Review, *, port: int = 8765, browser: bool = True) -> None:
    """Serve the page on this machine until it is stopped.

    Raises:
        OSError: the port is taken.
    """
    with socket.socket() as listener:
        if os.name == "posix":  # on Windows it would let two pages have one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOCAL[0], port))
        except OSError:
            raise OSError(f"port {port} is taken; give another with --port, or 0") from None
        url = f"http://{LOCAL[0]}:{listener.getsockname()[1]}/"

        def tell() -> None:
            count = f"{len(review.entries):,} pictures to look at"
            print(f"{count}: {url}  (stop with Ctrl-C)", flush=True)
            if browser:
                open_page(url)

        config = uvicorn.Config(create_app(review), log_level="warning")
        Server(config, tell).run(sockets=[listener])
