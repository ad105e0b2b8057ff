"""The review page: decide by keyboard on what ``mien data prepare`` flagged or left out."""

from __future__ import annotations

from pathlib import Path

import uvicorn
from fastapi import FastAPI, HTTPException, Response
from pydantic import BaseModel, Field

from mien.data.reviewing import Review
from mien.emotions import EMOTIONS
from mien.web.files import Files
from mien.web.guard import LOOPBACK, Guard
from mien.web.listening import Server, bind, open_page

LOCAL = "127.0.0.1"
PAGE = Path(__file__).parent / "static" / "review"


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
    app.add_middleware(Guard, hosts=LOOPBACK)

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
    def decide(body: Changes) -> dict[str, int]:
        try:
            review.decide((c.id, c.action, c.emotion) for c in body.changes)
        except KeyError as error:
            raise HTTPException(404, f"no picture {error}") from None
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        return {"decided": len(review.decisions)}

    app.mount("/", Files(directory=PAGE, html=True))
    return app


def serve(review: Review, *, port: int = 8765, browser: bool = True) -> None:
    """Serve the page on this machine until it is stopped.

    Raises:
        OSError: the port is taken.
    """
    with bind(LOCAL, port) as listener:
        url = f"http://{LOCAL}:{listener.getsockname()[1]}/"

        def tell() -> None:
            count = f"{len(review.entries):,} pictures to look at"
            print(f"{count}: {url}  (stop with Ctrl-C)", flush=True)
            if browser:
                open_page(url)

        config = uvicorn.Config(create_app(review), log_level="warning")
        Server(config, tell).run(sockets=[listener])
