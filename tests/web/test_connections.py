"""Slow clients over real connections: late, idle, half-sent and unread ones starve nobody."""

import http.client
import json
import socket
import threading
import time

import pytest
import uvicorn

from mien.web.app import create_app
from mien.web.connections import Connections
from mien.web.limits import Limits

SLOW = {
    "chunked": b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
    "body": b"Content-Length: 999\r\n\r\na",
}


class _Served:
    """An app behind the connections of ``mien serve``, with short times."""

    def __init__(self, app, limits):
        self.connections = Connections(limits)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        config = uvicorn.Config(
            app, http=self.connections.protocol, log_level="error", access_log=False
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(
            target=self.server.run, kwargs={"sockets": [self.listener]}, daemon=True
        )

    def __enter__(self):
        self.thread.start()
        until = time.monotonic() + 60
        while not self.server.started and time.monotonic() < until:
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        self.server.should_exit = True
        self.thread.join(30)
        self.listener.close()

    def open(self, sent=b""):
        client = socket.create_connection(("127.0.0.1", self.port), 10)
        client.sendall(sent)
        return client

    def ask(self, method="GET", path="/healthz", body=None, headers=None):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        client.request(method, path, body, headers or {})
        answer = client.getresponse()
        answer.data = answer.read()
        client.close()
        return answer


def _closed(client, seconds):
    client.settimeout(seconds)
    try:
        while data := client.recv(65536):
            last = data
        return locals().get("last", b"closed")
    except ConnectionError:
        return b"closed"


@pytest.fixture(scope="module")
def served(model):
    limits = Limits(
        body=2**20, held=2**20, requests=4, connections=24, header=0.5, idle=1, seconds=3
    )
    app = create_app(model, limits=limits)
    with _Served(app, limits) as served:
        served.app = app
        yield served


@pytest.mark.parametrize("sent", [b"", b"POST /v1/analyze HTTP/1.1\r\nHost: a\r\n"])
def test_late_heads_are_cut_off(served, sent):
    with served.open(sent) as client:
        told = _closed(client, 5)
    assert told.startswith(b"HTTP/1.1 408") if sent else told == b"closed"


def test_a_head_that_trickles_on_a_used_connection_is_cut_off(served):
    with served.open(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n") as client:
        client.settimeout(5)
        assert b"200 OK" in client.recv(65536)
        begin = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() - begin < 5:
                client.sendall(b"X")
                time.sleep(0.1)
    assert time.monotonic() - begin < 4


@pytest.mark.parametrize("kind", ["idle", "head", *SLOW])
def test_more_slow_connections_than_there_may_be_starve_nobody(served, photo, kind):
    begun = b"POST /v1/analyze HTTP/1.1\r\nHost: a\r\nContent-Type: image/jpeg\r\n"
    sent = {"idle": b"", "head": begun}.get(kind) or (begun + SLOW[kind] if kind in SLOW else b"")
    clients = [served.open(sent) for _ in range(40)]
    try:
        begin = time.monotonic()
        assert served.ask().status == 200
        assert time.monotonic() - begin < 0.5
        answer = served.ask("POST", "/v1/analyze", photo, {"Content-Type": "image/jpeg"})
        assert answer.status == 200 and json.loads(answer.data)[0]["faces"]
        assert len(served.connections) <= 24
    finally:
        for client in clients:
            client.close()


def test_half_sent_bodies_give_way_to_whole_ones(served, photo):
    begun = b"POST /v1/analyze HTTP/1.1\r\nHost: a\r\nContent-Type: image/jpeg\r\n"
    filled = begun + b"Content-Length: 1000000\r\n\r\n" + bytes(500_000)
    clients = [served.open(filled) for _ in range(3)]
    gate = served.app.state.gate
    try:
        until = time.monotonic() + 10
        while gate.held < 900_000:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert gate.held <= 2**20
        answer = served.ask("POST", "/v1/analyze", photo, {"Content-Type": "image/jpeg"})
        assert answer.status == 200
    finally:
        for client in clients:
            client.close()
    while gate.held and time.monotonic() < until + 10:
        time.sleep(0.01)
    assert gate.held == 0 and not gate.holds


def test_answers_that_are_not_read_give_their_bytes_back(served):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", served.port))
    size = 2304 * 300
    head = f"POST /v1/classify HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\nContent-Type: "
    client.sendall(head.encode() + b"application/octet-stream\r\n\r\n" + bytes(size))
    gate = served.app.state.gate
    until = time.monotonic() + 20
    while not gate.held:
        assert time.monotonic() < until
        time.sleep(0.005)
    while gate.held:
        assert time.monotonic() < until, "it is kept"
        time.sleep(0.05)
    client.close()
