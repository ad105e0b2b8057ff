"""Requests made to cost more than they show: each is bounded, and nobody else waits for it."""

import base64
import gzip
import http.client
import io
import json
import socket
import struct
import threading
import time
import zlib

import numpy as np
import pytest
import uvicorn
from PIL import Image
from starlette.testclient import TestClient

from mien.web.app import create_app
from mien.web.connections import Connections
from mien.web.fair import LARGE, FairPool
from mien.web.limits import Limits

RAW = {"content-type": "application/octet-stream"}
SLOW = {"chunked": b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n", "body": b"Content-Length: 999\r\n\r\na"}  # fmt: skip


def _bomb(side: int) -> bytes:
    """A PNG of a few kilobytes that takes side x side x 4 bytes."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = zlib.compress((b"\0" + bytes(4 * side)) * side, 9)
    head = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", rows), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _json(images) -> dict:
    return {"content": json.dumps({"images": images}), "headers": {"content-type": "application/json"}}  # fmt: skip


def _cases(photo: bytes) -> dict[str, tuple[str, dict, int]]:
    zipped = {"content": gzip.compress(photo), "headers": {"content-type": "image/jpeg", "content-encoding": "gzip"}}  # fmt: skip
    return {
        "maps of many crops": ("/v1/classify?cam=true", {"content": bytes(2304 * 9), "headers": RAW}, 413),
        "maps of as many as allowed": ("/v1/classify?cam=true", {"content": bytes(2304 * 8), "headers": RAW}, 200),
        "more crops than allowed": ("/v1/classify", {"content": bytes(2304 * 17), "headers": RAW}, 413),
        "compressed": ("/v1/analyze", zipped, 415),
        "JSON of many numbers": ("/v1/analyze", _json([1] * 9999), 413),
        "deep JSON": ("/v1/analyze", {"content": b"[" * 99_999, "headers": {"content-type": "application/json"}}, 413),
        "more images than allowed": ("/v1/analyze", _json(["AAAA"] * 5), 413),
        "another page posts": ("/v1/analyze", {"files": {"files": photo}, "headers": {"origin": "http://evil.example"}}, 403),
        "another site's form": ("/v1/analyze", {"files": {"files": photo}, "headers": {"sec-fetch-site": "cross-site"}}, 403),
        "a neighbour's page": ("/v1/analyze", {"files": {"files": photo}, "headers": {"sec-fetch-site": "same-site", "origin": "http://testserver:9"}}, 403),
        "a sandboxed page": ("/v1/analyze", {"files": {"files": photo}, "headers": {"origin": "null"}}, 403),
        "the page itself": ("/v1/analyze", {"files": {"files": photo}, "headers": {"origin": "http://testserver"}}, 200),
        "a rebound name": ("/v1/analyze", {"files": {"files": photo}, "headers": {"host": "evil.example"}}, 421),
        "an address for a host": ("/v1/analyze", {"files": {"files": photo}, "headers": {"host": "127.0.0.1:1"}}, 421),
    }  # fmt: skip


@pytest.fixture(scope="module")
def narrow(model):
    limits = Limits(body=2**20, pixels=4_000_000, together=5_000_000, pictures=4, crops=16, maps=8)
    app = create_app(model, limits=limits, hosts=["testserver"])
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("kind", _cases(b""))
def test_what_costs_more_than_it_shows(narrow, photo, kind):
    path, given, status = _cases(photo)[kind]
    answer = narrow.post(path, **given)
    assert answer.status_code == status, answer.text[:300]
    if status != 200:
        detail = answer.json()["detail"]
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(detail) < 200 and "\n" not in detail


def test_pixels_of_a_request_are_counted_together(narrow, photo):
    files = [("files", (f"{i}.png", _bomb(1900))) for i in range(2)] + [("files", ("a.jpg", photo))]
    first, second, last = narrow.post("/v1/analyze", files=files).json()
    assert "error" not in first
    assert second["error"] == "beyond the 5 megapixels of one request; send it in another"
    assert "beyond" in last["error"]


def test_faces_of_all_pictures_share_one_answer(model, photo):
    face = Image.open(io.BytesIO(photo)).convert("RGB").crop((120, 20, 340, 240))
    three = Image.new("RGB", (660, 220))
    for i in range(3):
        three.paste(face, (220 * i, 0))
    file = io.BytesIO()
    three.save(file, "PNG")
    with TestClient(create_app(model, limits=Limits(crops=4, maps=2))) as client:
        files = [("files", ("a.png", file.getvalue())), ("files", ("b.png", file.getvalue()))]
        a, b = client.post("/v1/analyze?cam=true", files=files).json()
    assert (len(a["faces"]), a["dropped"]) == (3, 0)
    assert (len(b["faces"]), b["dropped"]) == (1, 2)
    assert ["cam" in face for face in a["faces"] + b["faces"]] == [True, True, False, False]


def test_json_is_as_good_as_multipart(narrow, photo):
    text = base64.b64encode(photo).decode()
    images = [
        text,
        {"name": "../b.jpg", "data": f"data:image/jpeg;base64,{text}"},
        "http://127.0.0.1/x",
    ]
    one, two, three = narrow.post("/v1/analyze", **_json(images)).json()
    (direct,) = narrow.post("/v1/analyze", files={"files": photo}).json()
    assert one["faces"] == two["faces"] == direct["faces"] != []
    assert (one["source"], two["source"]) == ("images[0]", "b.jpg")
    assert "not base64" in three["error"]
    crop = base64.b64encode(bytes(2304)).decode()
    assert "expression" in narrow.post("/v1/classify", **_json([crop])).json()[0]
    for wrong in ([], [1], [{"name": "a"}], [{"data": "", "x": ""}], {"a": 1}):
        assert narrow.post("/v1/analyze", **_json(wrong)).status_code == 422
    broken = {"content": b"{", "headers": {"content-type": "application/json"}}
    assert narrow.post("/v1/analyze", **broken).status_code == 400


def test_tokens_cannot_be_guessed_for_long(model):
    with TestClient(create_app(model, token="sesame", limits=Limits(guesses=3))) as client:

        def ask(token):
            return client.get("/v1/models", headers={"authorization": f"Bearer {token}"})

        assert ask("sesame").status_code == 200
        assert [ask(f"guess {i}").status_code for i in range(5)] == [401, 401, 401, 429, 429]
        assert int(ask("sesame").headers["retry-after"]) <= 61
        assert client.get("/healthz").status_code == 200


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


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_large_pictures_leave_room_for_small_ones_and_their_budget(threads):
    pool, log, lock, now = FairPool(threads, 2 * LARGE), [], threading.Lock(), [0, 0]

    def large():
        with lock:
            now[0] += 1
            now[1] = max(now)
        time.sleep(0.05)
        with lock:
            now[0] -= 1
            log.append("large")

    big = [pool.submit(large, client=c, request=c, pixels=LARGE + 1) for c in "abc" for _ in "12"]
    small = pool.submit(lambda: log.append("small"), client="d", request="d", pixels=1000)
    pool.start()
    small.result(5)
    assert log.count("large") <= 1
    for future in big:
        future.result(5)
    pool.close()
    assert now[1] == 1  # two of them are above the budget
    assert pool.waiting == 0


def test_a_pool_serves_requests_of_one_client_in_turn():
    pool, order = FairPool(1, 10**9), []
    futures = [
        pool.submit(lambda name=name: order.append(name), client="x", request=name, pixels=1000)
        for name in "aaaab"
    ]
    cancelled = pool.submit(lambda: order.append("never"), client="y", request="c")
    assert cancelled.cancel()
    pool.start()
    for future in futures:
        future.result(5)
    pool.close()
    assert order.index("b") <= 1 and "never" not in order and pool.waiting == 0


def test_memory_of_large_pictures_is_given_back(model):
    app = create_app(model)
    with TestClient(app) as client:
        client.post("/v1/analyze", files={"files": _bomb(64)})
        assert (
            client.post("/v1/analyze?min_face=8", files={"files": _bomb(3000)}).json()[0]["faces"]
            == []
        )
        session = model.detector.session
        before = _resident()
        for _ in range(3):
            client.app.state.metrics.analyst.trim()
        assert _resident() <= before
    assert session.run(None, {i.name: np.zeros([d if isinstance(d, int) else 64 for d in i.shape], np.uint8 if "uint8" in i.type else np.float32) for i in session.get_inputs()})  # fmt: skip


def _resident() -> int:
    import psutil

    return psutil.Process().memory_info().rss
