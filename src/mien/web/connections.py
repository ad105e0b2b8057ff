"""Connection deadlines: slow request heads, idle connections and unread answers are closed."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from mien.web.limits import Limits

_EVERY = 1.0  # seconds between two looks at all connections
_LATE = (
    b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 43\r\n\r\nThe request's head did not arrive in time.\n"
)


class Connections:
    """All HTTP connections of a server, and when each has to end.

    A server that has as many as it may closes the one that has been quiet longest, rather than turn
    a new one away: a thousand idle connections cost nobody else an answer.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.all: set[Connection] = set()
        self._sweeper: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self.all)

    def protocol(self, *given: Any, **options: Any) -> Connection:
        """What uvicorn calls for each connection."""
        return Connection(self, *given, **options)

    def add(self, connection: Connection) -> None:
        """Accept a new connection, closing the longest idle one if there are too many."""
        if len(self.all) >= self.limits.connections:
            quiet = [c for c in self.all if c.waits_for_client]
            if quiet:
                min(quiet, key=lambda c: (not c.idle, c.since)).abort()
        self.all.add(connection)
        if self._sweeper is None:
            self._sweeper = connection.loop.call_later(_EVERY, self._sweep)

    def _sweep(self) -> None:
        now = time.monotonic()
        for connection in list(self.all):
            connection.check(now)
        loop = asyncio.get_running_loop()
        self._sweeper = loop.call_later(_EVERY, self._sweep) if self.all else None


class Connection(H11Protocol):
    """uvicorn's HTTP connection, which ends when its client lets it wait too long."""

    def __init__(self, connections: Connections, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.of = connections
        self.since = time.monotonic()  # when it fell idle, or a head began
        self.requested = False  # whether it has sent a request ever
        self.begun = False  # whether part of a head has come
        self.unread_since: float | None = None

    @property
    def idle(self) -> bool:
        """Whether no request is in progress."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def waits_for_client(self) -> bool:
        """Whether it can be closed without losing work."""
        return self.idle or (self.cycle.more_body and not self.cycle.response_started)

    def abort(self) -> None:
        """End it at once."""
        self.of.all.discard(self)
        self.transport.abort()

    def check(self, now: float) -> None:
        """End it if it is late."""
        limits = self.of.limits
        unread = self.transport.get_write_buffer_size() > 0
        if not unread:
            self.unread_since = None
        elif self.unread_since is None:
            self.unread_since = now
        elif now - self.unread_since > limits.seconds:
            self.abort()
            return
        if not self.idle or unread or self.transport.is_closing():
            return
        waited = now - self.since
        if self.begun or not self.requested:
            if waited > limits.header:
                if self.begun:
                    self.transport.write(_LATE)
                self.transport.close()
        elif waited > limits.idle:
            self.transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(transport)
        self.of.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self.of.all.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Part of a head or a body has come."""
        was_idle = self.idle
        super().data_received(data)
        if was_idle and self.idle and not self.begun:
            self.begun, self.since = True, time.monotonic()

    def handle_events(self) -> None:
        """Begin what has come in whole; the app may end the connection by what the scope holds."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not None and self.cycle is not before:
            self.requested, self.begun = True, False
            self.scope["mien.abort"] = self.abort  # type: ignore[typeddict-unknown-key]

    def on_response_complete(self) -> None:
        """An answer has been written."""
        self.since = time.monotonic()
        super().on_response_complete()
        if self.idle and self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self.begun = True

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """From here on it is a stream, which has limits of its own."""
        self.of.all.discard(self)
        super().handle_websocket_upgrade(event)
