"""Requests of several parts: counted together, and ended together."""

import io
import time

import pytest
from PIL import Image
from starlette.testclient import TestClient

from mien.infer.model import load
from mien.web.app import create_app

RAW = "application/octet-stream"


def _picture(kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((48, 48)).save(file, kind)
    return file.getvalue()


def _problem(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()["detail"]


def test_crops_are_counted_over_all_parts(client, monkeypatch):
    """Each part was held to the limit of the request alone."""
    nine = ("files", ("a.bin", bytes(2304 * 9), RAW))
    assert len(client.post("/v1/classify", files=[nine]).json()) == 9
    eight = ("files", ("b.bin", bytes(2304 * 8), RAW))
    picture = ("files", ("c.png", _picture(), "image/png"))
    monkeypatch.setattr("mien.web.analyst.read", lambda *_, **__: pytest.fail("work was done"))
    for files in ([nine, eight], [picture, eight, eight]):
        assert "16 crops" in _problem(client.post("/v1/classify", files=files), 413)


@pytest.mark.parametrize("kind", ["WEBP", "BMP", "TIFF", "PPM", "PNG", "JPEG"])
@pytest.mark.parametrize("stated", [RAW, "Application/Octet-Stream; charset=binary"])
def test_pictures_stated_as_bytes_are_pictures(client, kind, stated):
    """curl states nothing better for most kinds."""
    picture = _picture(kind)
    even = picture + bytes(-len(picture) % 2304)  # in whole crops, so that only the beginning tells
    if kind == "BMP":
        even = even[:2] + len(even).to_bytes(4, "little") + even[6:]
    files = [("files", (f"{i}.x", data, stated)) for i, data in enumerate((picture, even))]
    entries = client.post("/v1/classify", files=files).json()
    assert [e["source"] for e in entries] == ["0.x", "1.x"]
    assert entries[0]["expression"] == entries[1]["expression"]


def test_types_of_parts_may_have_parameters(client):
    part = ("files", ("a.bin", bytes(2304 * 2), "application/octet-stream; charset=binary"))
    entries = client.post("/v1/classify", files=[part]).json()
    assert [e["source"] for e in entries] == ["a.bin[0]", "a.bin[1]"]


def test_grey_bytes_that_begin_with_two_letters_are_grey_bytes(client):
    part = ("files", ("a.bin", b"BM" + bytes(2302), RAW))
    assert client.post("/v1/classify", files=[part]).json()[0]["source"] == "a.bin[0]"


def test_a_part_that_is_neither_is_marked_alone(client):
    files = [("files", (n, d, RAW)) for n, d in (("a", bytes(2304)), ("b", b"x"), ("c", b""))]
    good, odd, empty = client.post("/v1/classify", files=files).json()
    assert "expression" in good
    assert "1 bytes a whole number of 48x48 crops" in odd["error"]
    assert "empty" in empty["error"]


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
