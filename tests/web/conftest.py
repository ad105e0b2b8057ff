"""A service with a made bundle, a real one on a port, and a browser to look at it."""

import functools
import http.server
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from starlette.testclient import TestClient

from mien.infer.model import Model, load
from mien.web.app import create_app
from mien.web.limits import Limits
from tests.tiny import make_bundle

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PHOTO = Path(__file__).parents[2] / "examples" / "astronaut.jpg"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
]  # fmt: skip


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="session")
def model(tiny) -> Model:
    return load(tiny, threads=1)


@pytest.fixture(scope="session")
def photo() -> bytes:
    return PHOTO.read_bytes()


@pytest.fixture(scope="module")
def client(model) -> Iterator[TestClient]:
    limits = Limits(body=2**20, pixels=1_000_000, pictures=8, crops=16, seconds=20)
    with TestClient(create_app(model, limits=limits), raise_server_exceptions=False) as client:
        yield client


@contextmanager
def running(app) -> Iterator[str]:
    """Serve an app with uvicorn on a free port of this machine."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        until = time.monotonic() + 60
        while not server.started and time.monotonic() < until:
            time.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join(60)


@contextmanager
def static_host(folder: Path) -> Iterator[str]:
    """Serve a folder as any static host would."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
            ".mjs": "text/javascript"
        }

        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.fixture(scope="session")
def browser():
    """Chromium; where it is missing, CI fails and a developer's run skips."""
    if not Path(CHROMIUM).exists():
        message = f"no Chromium at {CHROMIUM}; apt-get install chromium, or set CHROMIUM"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A fresh page whose console errors and uncaught exceptions fail the test."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, locale="en", permissions=["camera"]
    )
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.troubles = []
    page.on("pageerror", lambda error: page.troubles.append(str(error)))
    page.on("console", lambda m: page.troubles.append(m.text) if m.type == "error" else None)
    yield page
    context.close()
    assert page.troubles == []
