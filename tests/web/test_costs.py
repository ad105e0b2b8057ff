"""Requests made to cost more than they show: each is bounded, and nobody else waits for it."""

import base64
import gzip
import io
import json
import struct
import threading
import time
import zlib

import pytest
from PIL import Image
from starlette.testclient import TestClient

from mien.web.app import create_app
from mien.web.fair import LARGE, FairPool
from mien.web.limits import Limits
from mien.web.memory import shrink


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
    return _body(json.dumps({"images": images}).encode())


def _body(data: bytes, kind: str = "application/json", **headers: str) -> dict:
    return {"content": data, "headers": {"content-type": kind, **headers}}


def _cases(photo: bytes) -> dict[str, tuple[str, dict, int]]:
    analyze, classify, maps = "/v1/analyze", "/v1/classify", "/v1/classify?cam=true"
    raw, jpeg = "application/octet-stream", "image/jpeg"
    zipped = _body(gzip.compress(photo), jpeg, **{"content-encoding": "gzip"})

    def sent(**headers: str) -> dict:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return {"files": {"files": photo}, "headers": names}

    return {
        "maps of many crops": (maps, _body(bytes(2304 * 9), raw), 413),
        "maps of as many as allowed": (maps, _body(bytes(2304 * 8), raw), 200),
        "more crops than allowed": (classify, _body(bytes(2304 * 17), raw), 413),
        "compressed": (analyze, zipped, 415),
        "JSON of many numbers": (analyze, _json([1] * 9999), 413),
        "deep JSON": (analyze, _body(b"[" * 99_999), 413),
        "more images than allowed": (analyze, _json(["AAAA"] * 5), 413),
        "another page posts": (analyze, sent(origin="http://evil.example"), 403),
        "another site's form": (analyze, sent(sec_fetch_site="cross-site"), 403),
        "a neighbour's page": (
            analyze, sent(sec_fetch_site="same-site", origin="http://testserver:9"), 403
        ),
        "a sandboxed page": (analyze, sent(origin="null"), 403),
        "the page itself": (analyze, sent(origin="http://testserver"), 200),
        "a rebound name": (analyze, sent(host="evil.example"), 421),
        "an address for a host": (analyze, sent(host="127.0.0.1:1"), 421),
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


def test_memory_of_large_pictures_is_given_back(model, monkeypatch):
    shrunk = []
    monkeypatch.setattr("mien.web.memory.shrink", shrunk.append)
    monkeypatch.setattr("mien.web.app._TRIM", 0.05)
    with TestClient(create_app(model)) as client:
        client.post("/v1/analyze?min_face=8", files={"files": _bomb(1000)})
        until = time.monotonic() + 10
        while len(shrunk) < 2:
            assert time.monotonic() < until
            time.sleep(0.02)
        done = 0
        while len(shrunk) > done:  # and not when nothing has been done
            assert time.monotonic() < until
            done = len(shrunk)
            time.sleep(0.5)
    assert set(shrunk) == {model.session, model.detector.session}


def test_memory_of_an_answer_that_nobody_read_is_given_back(model, monkeypatch):
    trims = []
    monkeypatch.setattr("mien.web.memory.trim", lambda *sessions: trims.append(sessions))
    monkeypatch.setattr("mien.web.app._TRIM", 0.02)
    app = create_app(model)
    with TestClient(app):
        time.sleep(0.2)
        assert not trims
        hold = app.state.gate.hold()
        hold.add(5)
        time.sleep(0.2)
        assert not trims  # the client may still read it
        hold.release()
        until = time.monotonic() + 10
        while len(trims) < 2:  # and once more, when the connection has been taken apart
            assert time.monotonic() < until
            time.sleep(0.02)
        time.sleep(0.2)
        assert len(trims) == 2


def test_a_session_is_emptied_by_a_run(model):
    shrink(model.session)
    shrink(model.detector.session)
