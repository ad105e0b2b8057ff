"""A server on a port that is bound before a model is loaded, and that says when it listens."""

import errno
import os
import socket
import threading
import webbrowser
from collections.abc import Callable

import uvicorn


class Server(uvicorn.Server):
    """uvicorn, and one call when the app has started and the port takes connections.

    Args:
        config: of uvicorn.
        started: called once, from the event loop; it must not wait.
        closing: called when the first signal to stop comes.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        started: Callable[[], object],
        closing: Callable[[], object] = bool,
    ) -> None:
        super().__init__(config)
        self._tell = started
        self._closing = closing

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the app, bind, then tell."""
        await super().startup(sockets=sockets)
        if self.started:
            self._tell()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse new work, then finish what was accepted."""
        self._closing()
        await super().shutdown(sockets=sockets)


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to an address, not yet listening.

    Raises:
        OSError: in one sentence: the port is in use or not allowed, or there is no such address.
    """
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError):
        raise OSError(f"{host}: no such address on this machine; give another --host") from None
    listener = socket.socket(family, kind, protocol)
    if os.name == "posix":  # on Windows it would let two servers have one port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(where)
    except OSError as error:
        listener.close()
        raise OSError(_why(error, host, port)) from None
    return listener


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use by another program; stop that one, or give another --port"
    if error.errno == errno.EACCES:
        return f"port {port} needs a privileged user; give a --port above 1023"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host}: no such address on this machine; give another --host"
    return f"cannot listen on {host} port {port}: {error.strerror or error}"


def more_files(wanted: int) -> int:
    """Raise this process's limit of open files where it is below ``wanted``; returns the limit."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else soft


def open_page(url: str) -> None:
    """Open a browser beside the event loop: some browsers hold the call until they are closed."""
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
