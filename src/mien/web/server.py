"""``mien serve``: uvicorn around the app, with a shutdown that finishes what was accepted."""

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from mien.cores import cores
from mien.infer.model import load
from mien.web.app import create_app
from mien.web.auth import check_exposure, is_loopback
from mien.web.connections import Connections
from mien.web.guard import LOOPBACK
from mien.web.limits import Limits
from mien.web.listening import Server, bind, more_files

FAILED = 3
"""What uvicorn leaves with when an app does not start."""


def address(host: str, port: int) -> str:
    """URL of a service."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def serve(
    bundle: str | Path | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    insecure: bool = False,
    origins: Sequence[str] = (),
    hosts: Sequence[str] = (),
    root_path: str = "",
    limits: Limits | None = None,
    threads: int = 0,
    batching: bool = True,
    started: Callable[[], object] = bool,
) -> None:
    """Serve until SIGINT or SIGTERM; accepted requests are finished first.

    Args:
        bundle: name or folder of a model.
        host: address to listen on.
        port: to listen on.
        token: bearer token that clients must send.
        insecure: open a non-loopback address without a token.
        origins: see ``create_app``.
        hosts: names that clients may call it by, besides those of this machine; on an address that
            others reach, none means any.
        root_path: see ``create_app``.
        limits: see ``Limits``.
        threads: pictures worked on at a time; 0 for one a core.
        batching: see ``create_app``.
        started: called when requests are taken: the model is warm and the port is bound.

    Raises:
        ValueError: see ``check_exposure``.
        BundleError: no such model.
        OSError: the port is in use, or there is no such address; see ``listening.bind``.
    """
    check_exposure(host, token, insecure=insecure)
    limits = limits or Limits()
    # a few for the model, the log and answers in progress
    limits = replace(limits, connections=min(limits.connections, more_files(2048) - 64))
    with bind(host, port) as listener:
        app = create_app(
            load(bundle, threads=1),
            limits=limits,
            token=token,
            origins=origins,
            hosts=trusted(host, hosts),
            root_path=root_path,
            threads=threads or cores(),
            batching=batching,
        )
        server = Server(_config(app, limits), started, closing=partial(_close, app))
        server.run(sockets=[listener])
    if not server.started:
        sys.exit(FAILED)


def trusted(host: str, more: Sequence[str]) -> set[str] | None:
    """Names that a service on ``host`` answers to; None for any."""
    if is_loopback(host):
        return {*LOOPBACK, host, *more}
    return {*LOOPBACK, host, *more} if more else None


def _config(app: FastAPI, limits: Limits) -> uvicorn.Config:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # its lines of WebSockets hold the query, which may hold the token
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    connections = Connections(limits)
    app.state.metrics.connections = connections.__len__
    return uvicorn.Config(
        app,
        http=connections.protocol,  # type: ignore[arg-type]
        access_log=False,  # mien.web.middleware writes the line, with the request id
        log_config=None,
        server_header=False,
        timeout_keep_alive=int(limits.idle) + 1,
        timeout_graceful_shutdown=int(2 * limits.seconds) + 1,
        ws_max_size=limits.frame + 1,  # so that the answer can be a sentence
        ws_per_message_deflate=False,  # JPEGs do not shrink, and bombs would grow
    )


def _close(app: FastAPI) -> None:
    app.state.gate.closing = True
