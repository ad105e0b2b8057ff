"""The HTTP service: answers, errors, limits."""

import io
import json
import tempfile
import time

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from mien.infer.model import load
from mien.web import numbers
from mien.web.app import create_app
from mien.web.auth import check_exposure, check_origin, is_loopback
from mien.web.limits import Limits
from mien.web.uploads import safe_name

EMOTIONS = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]


def _png(size=(64, 64), colour="grey") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def _problem(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" not in answer.text
    return body["detail"]


def test_many_files_give_a_list_in_order(client, photo):
    files = [
        ("files", ("a.jpg", photo, "image/jpeg")),
        ("files", ("b.txt", b"text", "text/plain")),
        ("files", ("c.png", _png((300, 200)), "image/png")),
    ]
    answer = client.post("/v1/analyze", files=files)
    assert answer.status_code == 200
    a, b, c = answer.json()
    assert (a["source"], a["width"], a["height"]) == ("a.jpg", 512, 512)
    (face,) = a["faces"]
    assert {"box", "landmarks", "detected", "top", "expression", "votes", "label"} <= set(face)
    assert face["reasons"] == []
    assert list(face["votes"]) == EMOTIONS
    assert sum(face["votes"].values()) == pytest.approx(1, abs=1e-3)
    assert face["top"] == max(face["expression"], key=face["expression"].get)
    assert len(face["landmarks"]) == 5 and face["detected"] is True
    assert b["faces"] == [] and "not a picture" in b["error"]
    assert c["faces"] == [] and "error" not in c


def test_the_service_says_what_the_model_says(client, model, photo):
    (expected,) = model.analyze(photo)
    raw = client.post("/v1/analyze", content=photo, headers={"content-type": "image/jpeg"})
    (picture,) = raw.json()
    assert picture["faces"] == [expected.to_dict()]


def test_head_and_maps_and_booleans(client, photo):
    def post(query):
        headers = {"content-type": "image/jpeg"}
        return client.post(f"/v1/analyze?{query}", content=photo, headers=headers)

    face = post("head=label&cam=true").json()[0]["faces"][0]
    assert face["top"] == max(face["label"], key=face["label"].get)
    assert np.shape(face["cam"]) == (7, 4, 4)
    assert "cam" not in post("cam=false").json()[0]["faces"][0]
    assert "cam" in _problem(post("cam=maybe"), 422)
    assert "head" in _problem(post("head=mood"), 422)
    assert "min_face" in _problem(post("min_face=0"), 422)
    assert "minface" in _problem(post("minface=20"), 422)


def test_no_face_is_an_answer(client):
    crop = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)
    file = io.BytesIO()
    Image.fromarray(crop).save(file, "PNG")
    answer = client.post("/v1/analyze", files={"files": ("c.png", file.getvalue())})
    assert answer.json()[0]["faces"] == []


def test_classify_takes_pictures_and_bytes(client, model):
    crops = np.random.default_rng(1).integers(0, 256, (3, 48, 48), np.uint8)
    expected = [e.to_dict() for e in model.classify(crops).expressions()]
    headers = {"content-type": "application/octet-stream"}
    answer = client.post("/v1/classify", content=crops.tobytes(), headers=headers)
    assert [entry["expression"] for entry in answer.json()] == expected
    files = []
    for i, crop in enumerate(crops):
        file = io.BytesIO()
        Image.fromarray(crop).save(file, "PNG")
        files.append(("files", (f"{i}.png", file.getvalue(), "image/png")))
    files.append(("files", ("no.png", b"", "image/png")))
    *good, bad = client.post("/v1/classify", files=files).json()
    assert [entry["expression"] for entry in good] == expected
    assert "empty" in bad["error"]
    (short,) = client.post("/v1/classify", content=b"x" * 100, headers=headers).json()
    assert "100 bytes a whole number" in short["error"]
    many = client.post("/v1/classify", content=b"x" * 2304 * 17, headers=headers)
    assert "16 crops" in _problem(many, 413)


def test_limits_on_bytes_pixels_and_pictures(client):
    headers = {"content-type": "image/png"}
    big = client.post("/v1/analyze", content=b"x" * (2**20 + 1), headers=headers)
    assert "1048576 bytes" in _problem(big, 413)

    def chunks():
        for _ in range(40):
            yield b"x" * 2**16

    assert "1048576 bytes" in _problem(
        client.post("/v1/analyze", content=chunks(), headers=headers), 413
    )
    wide = client.post("/v1/analyze", content=_png((2000, 2000)), headers=headers).json()
    assert "1 megapixels" in wide[0]["error"]
    nine = [("files", (f"{i}.png", _png(), "image/png")) for i in range(9)]
    assert "8 files" in _problem(client.post("/v1/analyze", files=nine), 413)


def test_faces_beyond_the_limit_are_counted(model, photo):
    face = Image.open(io.BytesIO(photo)).convert("RGB").crop((120, 20, 340, 240))
    picture = Image.new("RGB", (660, 220))
    for i in range(3):
        picture.paste(face, (220 * i, 0))
    file = io.BytesIO()
    picture.save(file, "PNG")
    with TestClient(create_app(model, limits=Limits(faces=2))) as client:
        (entry,) = client.post("/v1/analyze", files={"files": file.getvalue()}).json()
    assert len(entry["faces"]) == 2 and entry["dropped"] == 1


def test_bodies_that_are_not_what_they_say(client):
    assert "text/plain" in _problem(
        client.post("/v1/analyze", content="x", headers={"content-type": "text/plain"}), 415
    )
    _problem(client.post("/v1/analyze"), 415)
    broken = {"content-type": "multipart/form-data"}
    assert "boundary" in _problem(client.post("/v1/analyze", content=b"x", headers=broken), 400)
    cut = {"content-type": "multipart/form-data; boundary=x"}
    for body in (b"--x\r\nContent-Disp", b"--y\r\n\r\n", b"--x\r\n\r\nabc\r\n--x--", b"\x00" * 99):
        answer = client.post("/v1/analyze", content=body, headers=cut)
        assert answer.status_code in (400, 422), answer.text
    field = b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\ntext\r\n--x--\r\n'
    text = client.post("/v1/analyze", content=field, headers=cut)
    assert "no file" in _problem(text, 422)
    _problem(client.post("/v1/analyze", files={"other": _png()}), 422)
    _problem(client.get("/nothing"), 404)
    _problem(client.get("/v1/analyze"), 405)


def test_file_names_lose_their_folders(client, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("../../etc/passwd", "C:\\x\\passwd", "/etc/passwd", "a\u202epasswd"):
        answer = client.post("/v1/analyze", files={"files": (name, _png())})
        assert answer.json()[0]["source"].endswith("passwd")
        assert not set(answer.json()[0]["source"]) & set("/\\:\u202e")
    assert list(tmp_path.iterdir()) == []
    assert safe_name("x" * 999) == "x" * 200
    assert safe_name("..\x00\n/") == safe_name(None) == "picture"


def test_no_picture_touches_the_disk(model, photo, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a temporary file was made")

    monkeypatch.setattr(tempfile, "_TemporaryFileWrapper", refuse)
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", refuse)
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1200, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    assert len(file.getvalue()) > 2**22
    with TestClient(create_app(model)) as client:
        answer = client.post("/v1/analyze", files={"files": ("n.png", file.getvalue())})
    assert answer.status_code == 200


def test_models_health_and_ids(client, tiny):
    (mine, *_) = client.get("/v1/models").json()
    assert mine["loaded"] and mine["card"]["labels"] == EMOTIONS
    assert client.get("/healthz").json()["status"] == "ok"
    assert client.get("/readyz").json()["status"] == "ready"
    ids = {client.get("/healthz").headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
    given = client.get("/healthz", headers={"x-request-id": "mine-1"})
    assert given.headers["x-request-id"] == "mine-1"
    forged = client.get("/healthz", headers={"x-request-id": "a b\tc"})
    assert forged.headers["x-request-id"] != "a b\tc"


def test_work_that_takes_too_long_is_given_up(tiny, photo):
    slow = load(tiny, threads=1)
    find = slow.find

    def dawdle(*given, **options):
        time.sleep(0.4)
        return find(*given, **options)

    slow.find = dawdle
    with TestClient(create_app(slow, limits=Limits(seconds=0.3))) as client:
        answer = client.post("/v1/analyze", files={"files": photo})
        assert "0.3 seconds" in _problem(answer, 503)
        assert client.get("/healthz").json()["requests"] == 0


def test_a_bug_is_a_plain_500(tiny, photo):
    broken = load(tiny, threads=1)
    find = broken.find
    app = create_app(broken)
    with TestClient(app, raise_server_exceptions=False) as client:
        broken.find = lambda *_, **__: 1 / 0
        detail = _problem(client.post("/v1/analyze", files={"files": photo}), 500)
        assert "division" not in detail
        broken.find = find
        assert client.post("/v1/analyze", files={"files": photo}).status_code == 200


def test_tokens(model, photo):
    with TestClient(create_app(model, token="sesame")) as client:
        for headers in ({}, {"authorization": "Bearer no"}, {"authorization": "Basic sesame"}):
            answer = client.post("/v1/analyze", files={"files": photo}, headers=headers)
            _problem(answer, 401)
            assert answer.headers["www-authenticate"] == "Bearer"
        _problem(client.get("/v1/models", headers={"authorization": "Bearer ü".encode()}), 401)
        good = {"authorization": "bearer sesame"}
        assert client.get("/v1/models", headers=good).status_code == 200
        assert client.get("/healthz").status_code == client.get("/").status_code == 200


def test_other_machines_need_a_token():
    assert all(map(is_loopback, ("127.0.0.1", "localhost", "::1", "[::1]", "127.8.8.8")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.5", "example.org", "")))
    check_exposure("127.0.0.1", None, insecure=False)
    with pytest.raises(ValueError, match="begins or ends with a space"):
        check_exposure("127.0.0.1", "sesame ", insecure=False)
    check_exposure("0.0.0.0", "sesame", insecure=False)
    check_exposure("0.0.0.0", None, insecure=True)
    with pytest.raises(ValueError, match="set a token"):
        check_exposure("0.0.0.0", None, insecure=False)
    with pytest.raises(ValueError, match="empty"):
        check_exposure("127.0.0.1", " ", insecure=False)


def test_cors_is_off_until_asked_for(client, model):
    ask = {"origin": "https://a.example", "access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in client.options("/v1/analyze", headers=ask).headers
    with TestClient(create_app(model, origins=["https://a.example"])) as open_to_one:
        answer = open_to_one.options("/v1/analyze", headers=ask)
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        other = open_to_one.options("/v1/analyze", headers=ask | {"origin": "https://b.example"})
        assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize("origin", ["https://a.example/", " HTTPS://A.example", "*"])
def test_origins_are_taken_as_browsers_send_them(model, origin):
    ask = {"origin": "https://a.example", "access-control-request-method": "POST"}
    with TestClient(create_app(model, origins=[origin])) as open_to_one:
        answer = open_to_one.options("/v1/analyze", headers=ask)
    assert answer.headers["access-control-allow-origin"] in ("https://a.example", "*")


@pytest.mark.parametrize(
    "origin", ["a.example", "https://a.example/page", "https://*.example", "https://a,https://b",
               "https://a.example//", ""]
)  # fmt: skip
def test_what_is_no_origin_is_refused(model, origin):
    with pytest.raises(ValueError, match=r"scheme://host"):
        create_app(model, origins=[origin])


@pytest.mark.parametrize("origin", ["http://[::1]:8000", "http://localhost:5173"])
def test_origins_with_a_port(origin):
    assert check_origin(f"{origin}/") == origin


def test_the_page_and_its_numbers(client, model):
    page = client.get("/")
    assert "text/html" in page.headers["content-type"]
    assert page.headers["x-frame-options"] == "DENY"
    config = client.get("/config.json").json()
    assert config["cam"] is True and config["mode"] == "served"
    assert ([e["id"] for e in config["emotions"]], len(config["crop"]["frame"])) == (EMOTIONS, 5)
    local = json.loads(json.dumps(numbers.config(model.bundle, mode="local")))
    assert (local["detector"], local["reasons"]) == (config["detector"], config["reasons"])
    assert local["bundle"]["expression"] == {"share": 0.35, "offsets": [0.0] * 7}
    _problem(client.get("/../app.py"), 404)


@pytest.mark.parametrize("name", Limits.__dataclass_fields__)
def test_limits_must_be_limits(name):
    with pytest.raises(ValueError, match=name):
        Limits(**{name: 0})
