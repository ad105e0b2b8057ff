"""What stands around the analysing routes: documentation, counts, headers, proxies, streams."""

import json
import re
import threading

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from mien.infer.model import load
from mien.web.app import create_app
from mien.web.limits import Limits
from mien.web.listening import bind
from mien.web.server import trusted

from .conftest import running


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/", "/config.json", "/docs", "/metrics"])
def test_head_is_get_without_the_body(client, path):
    head, get = client.head(path), client.get(path)
    assert head.status_code == get.status_code == 200
    assert head.content == b""
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize("path", ["/", "/js/main.js", "/docs", "/healthz", "/v1/models", "/no"])
def test_no_answer_can_be_framed_or_read_by_others(client, path):
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy and "'unsafe-eval'" not in policy
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    files = path in ("/", "/js/main.js", "/docs")
    assert headers["cache-control"] == ("no-cache" if files else "no-store")


def test_counts_are_prometheus(client, photo):
    def value(name):
        text = client.get("/metrics").text
        return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)[1])

    client.post("/v1/analyze", files={"files": photo})
    faces = value("mien_faces_total")
    name = 'mien_requests_total{method="POST",path="/v1/analyze",status="200"}'
    before = value(name)
    client.post("/v1/analyze", files={"files": photo})
    assert value(name) == before + 1
    assert value("mien_faces_total") == faces + 1
    assert value('mien_request_seconds_count{path="/v1/analyze"}') >= 2
    assert value("mien_held_bytes") == value("mien_requests_in_progress") == 0
    client.get("/made-up-by-a-client")
    client.request("BREW", "/healthz")
    text = client.get("/metrics").text
    assert "made-up" not in text and "BREW" not in text
    assert client.get("/metrics").headers["content-type"].startswith("text/plain; version=")


def test_every_route_is_counted_under_its_own_path(client):
    described = client.get("/openapi.json").json()["paths"]
    for path in (*described, "/", "/docs", "/config.json", "/openapi.json", "/metrics"):
        client.head(path)
    text = client.get("/metrics").text
    for path in (*described, "/", "/docs", "/config.json", "/openapi.json", "/metrics"):
        assert f'mien_request_seconds_count{{path="{path}"}}' in text, path


def test_counts_need_the_token_where_there_is_one(model):
    with TestClient(create_app(model, token="sesame")) as client:
        assert client.get("/metrics").status_code == 401
        good = {"authorization": "Bearer sesame"}
        assert client.get("/metrics", headers=good).status_code == 200


def test_the_documentation_needs_nothing_from_elsewhere(model, page):
    sent = []
    page.on("request", lambda request: sent.append(request.url))
    with running(create_app(model)) as url:
        page.goto(f"{url}docs")
        page.locator("[data-path='/v1/analyze']").first.wait_for()
        assert "mien" in page.locator(".info .title").first.inner_text()
        assert all(address.startswith((url, "data:", "blob:")) for address in sent)
        assert any(address.endswith("openapi.json") for address in sent)


@pytest.mark.parametrize("root", ["/mien", "mien/"])
def test_behind_a_proxy(model, root):
    with TestClient(create_app(model, root_path=root)) as client:
        for path in ("/healthz", "/mien/healthz", "/mien/docs", "/mien/js/main.js"):
            assert client.get(path).status_code == 200, path
        assert client.get("/openapi.json").json()["servers"] == [{"url": "/mien"}]


def test_which_hosts_are_trusted():
    assert trusted("127.0.0.1", ["a.example"]) == {"127.0.0.1", "localhost", "::1", "a.example"}
    assert trusted("0.0.0.0", []) is None
    assert "a.example" in trusted("0.0.0.0", ["a.example"])


def test_names_of_this_machine_with_any_port(model):
    with TestClient(create_app(model, hosts=trusted("127.0.0.1", []))) as client:
        for host in ("localhost", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST:1"):
            assert client.get("/healthz", headers={"host": host}).status_code == 200, host
        for host in ("evil.example", "127.0.0.1.evil.example", "localhost@evil", "[::1", ""):
            assert client.get("/healthz", headers={"host": host}).status_code == 421, host


@pytest.mark.parametrize(
    ("host", "told"),
    [("127.0.0.1", "is in use by another program"), ("no.such.host.invalid", "no such address"),
     ("192.0.2.1", "no such address")],
)  # fmt: skip
def test_why_it_cannot_listen(host, told):
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(OSError, match=told) as error:
            bind(host, taken.getsockname()[1])
    assert "\n" not in str(error.value)


def _told(socket):
    return json.loads(socket.receive_text())


def test_a_stream_gives_faces_steady_ids(client, photo):
    (expected,) = client.post("/v1/analyze", files={"files": photo}).json()
    with client.websocket_connect("/v1/stream") as socket:
        for number in range(3):
            socket.send_bytes(photo)
            entry = _told(socket)
            assert entry["frame"] == number
            (face,) = entry["faces"]
            assert face.pop("id") == 1
            assert face == expected["faces"][0]
            assert (entry["width"], entry["height"]) == (512, 512)
        socket.send_bytes(b"no picture")
        assert "not a picture" in _told(socket)["error"]
        socket.send_bytes(photo)
        assert _told(socket)["faces"][0]["id"] == 1
        socket.send_text("hello")
        assert "binary" in _told(socket)["error"]
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()


def test_frames_that_wait_are_replaced_by_the_latest(tiny, photo):
    slow, go = load(tiny, threads=1), threading.Event()
    with TestClient(create_app(slow)) as client:
        find = slow.find
        slow.find = lambda *given, **options: go.wait(20) and find(*given, **options)
        with client.websocket_connect("/v1/stream") as socket:
            for _ in range(5):
                socket.send_bytes(photo)
            dropped = [_told(socket) for _ in range(3)]
            go.set()
            read = [_told(socket) for _ in range(2)]
    assert [entry["frame"] for entry in dropped] in ([0, 1, 2], [1, 2, 3])
    assert all(entry["dropped"] is True for entry in dropped)
    assert read[-1]["frame"] == 4 and read[-1]["faces"]


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", {}, 401),
        ("?token=wrong", {}, 401),
        ("?token=sesame&min_face=2", {}, 422),
        ("?token=sesame", {"origin": "http://evil.example"}, 403),
        ("?token=sesame", {"host": "evil.example"}, 421),
    ],
)
def test_streams_that_are_refused(model, query, headers, status):
    app = create_app(model, token="sesame", hosts=["testserver"])
    with TestClient(app) as client:
        with (
            pytest.raises(Exception) as refused,
            client.websocket_connect(f"/v1/stream{query}", headers=headers),
        ):
            pass
        answer = refused.value
        assert getattr(answer, "status_code", None) == status, answer
        with client.websocket_connect("/v1/stream?token=sesame&min_face=30"):
            pass


def test_streams_are_counted_and_bounded(model, photo):
    limits = Limits(streams=1, frame=len(photo))
    with TestClient(create_app(model, limits=limits)) as client:
        with client.websocket_connect("/v1/stream") as socket:
            with pytest.raises(Exception) as refused, client.websocket_connect("/v1/stream"):
                pass
            assert refused.value.status_code == 503
            assert "mien_streams 1.0" in client.get("/metrics").text
            socket.send_bytes(photo + b"0")
            assert "limit" in _told(socket)["error"]
        assert "mien_streams 0.0" in client.get("/metrics").text


def test_limits_stand_once():
    import inspect

    from mien.cli.web import serve

    options = {name: p.default for name, p in inspect.signature(serve).parameters.items()}
    limits = Limits.of(
        megabytes=options["max_megabytes"],
        megapixels=options["max_megapixels"],
        pictures=options["max_pictures"],
        faces=options["max_faces"],
        requests=options["max_requests"],
        streams=options["max_streams"],
        seconds=options["timeout"],
    )
    assert limits == Limits()
