"""``mien serve``: uvicorn around the app, with a shutdown that finishes what was accepted."""

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn

from mien.cores import cores
from mien.infer.model import load
from mien.web.app import create_app
from mien.web.auth import check_exposure
from mien.web.limits import Limits
from mien.web.listening import Server

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
    limits: Limits | None = None,
    threads: int = 0,
    batching: bool = True,
    started: Callable[[], object] = bool,
) -> None:
    """Serve until SIGINT or SIGTERM; accepted requests are answered before it returns.

    Args:
        bundle: name or folder of a model.
        host: address to listen on.
        port: to listen on.
        token: bearer token that clients must send.
        insecure: open a non-loopback address without a token.
        origins: see ``create_app``.
        limits: see ``Limits``.
        threads: pictures worked on at a time; 0 for one a core.
        batching: see ``create_app``.
        started: called when requests are taken: the model is warm and the port is bound.

    Raises:
        ValueError: see ``check_exposure``.
        BundleError: no such model.
    """
    check_exposure(host, token, insecure=insecure)
    limits = limits or Limits()
    app = create_app(
        load(bundle, threads=1),
        limits=limits,
        token=token,
        origins=origins,
        threads=threads or cores(),
        batching=batching,
    )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,  # mien.web.middleware writes the line, with the request id
        log_config=None,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=int(2 * limits.seconds) + 1,
        limit_concurrency=16 * limits.requests,  # idle connections; requests are gated before
    )
    server = Server(config, started)
    server.run()
    if not server.started:
        sys.exit(FAILED)
