"""A server that says when it listens, neither earlier nor by a guess."""

import threading
import webbrowser
from collections.abc import Callable
from socket import socket

import uvicorn


class Server(uvicorn.Server):
    """uvicorn, and one call when the app has started and the port takes connections.

    Args:
        config: of uvicorn.
        started: called once, from the event loop; it must not wait.
    """

    def __init__(self, config: uvicorn.Config, started: Callable[[], object]) -> None:
        super().__init__(config)
        self._tell = started

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Start the app, bind, then tell."""
        await super().startup(sockets=sockets)
        if self.started:
            self._tell()


def open_page(url: str) -> None:
    """Open a browser beside the event loop: some browsers hold the call until they are closed."""
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
