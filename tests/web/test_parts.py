"""Requests of several parts: counted together, and ended together."""

import io
import time

import pytest
from PIL import Image
from starlette.testclient import TestClient

from mien.infer.model import load
from mien.web.app import create_app


def _png() -> bytes:
    file = io.BytesIO()
    Image.new("L", (48, 48)).save(file, "PNG")
    return file.getvalue()


def _problem(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()["detail"]


def test_crops_are_counted_over_all_parts(client, monkeypatch):
    """Each part was held to the limit of the request alone."""
    raw = "application/octet-stream"
    nine = ("files", ("a.bin", bytes(2304 * 9), raw))
    assert len(client.post("/v1/classify", files=[nine]).json()) == 9
    eight = ("files", ("b.bin", bytes(2304 * 8), raw))
    picture = ("files", ("c.png", _png(), "image/png"))
    monkeypatch.setattr("mien.web.analyst.read", lambda *_, **__: pytest.fail("work was done"))
    for files in ([nine, eight], [picture, eight, eight]):
        assert "16 crops" in _problem(client.post("/v1/classify", files=files), 413)
    short = ("files", ("d.bin", b"x", raw))
    assert "whole number" in _problem(client.post("/v1/classify", files=[picture, short]), 422)


def test_nothing_works_on_for_a_request_that_failed(tiny, photo):
    """The other pictures were searched on, without a place, after one had raised."""
    broken = load(tiny, threads=1)
    seen = []

    def fail(*_, **__):
        seen.append(1)
        time.sleep(0.1)
        raise ZeroDivisionError

    with TestClient(create_app(broken, threads=1), raise_server_exceptions=False) as client:
        broken.find = fail
        files = [("files", (f"{i}.jpg", photo, "image/jpeg")) for i in range(8)]
        _problem(client.post("/v1/analyze", files=files), 500)
        assert client.get("/healthz").json()["requests"] == 0
    assert len(seen) < 4  # the thread may have begun with the next
