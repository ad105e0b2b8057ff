"""Static files of the service: the page and the documentation of its interface."""

from collections.abc import Mapping
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

from mien.strings import FOLDER as STRINGS
from mien.web.guard import PAGE_POLICY

STATIC = Path(__file__).parent / "static"
PAGE = STATIC / "page"
DOCS = STATIC / "docs"
HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-cache",  # asked for again, but not sent again while it is the same
    "Content-Security-Policy": PAGE_POLICY,
}


class Files(StaticFiles):
    """A folder of page files, with the headers of pages."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """One file."""
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response


def mount(app: FastAPI) -> None:
    """Route the page and its documentation.

    Each file at the top has a path of its own: a mount at / would hide 405 of other routes.
    """

    def route(path: str, file: Path) -> None:
        @app.get(path, include_in_schema=False)
        def _file() -> FileResponse:
            return FileResponse(file, headers=HEADERS)

    for entry in sorted(PAGE.iterdir()):
        if entry.is_dir():
            app.mount(f"/{entry.name}", Files(directory=entry))
        else:
            route("/" if entry.name == "index.html" else f"/{entry.name}", entry)
    app.mount("/strings", Files(directory=STRINGS))
    route("/docs", DOCS / "index.html")
    app.mount("/docs", Files(directory=DOCS))
