"""Bad uploads and made-up requests: no 500, no traceback, no growth, nothing written."""

import gc
import io
import struct
import zlib

import numpy as np
import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from PIL import Image
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.testclient import TestClient

from mien.web.app import create_app
from mien.web.limits import Limits


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is huge."""
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = _chunk(b"IDAT", zlib.compress(bytes(10_000_000), 9))
    return b"\x89PNG\r\n\x1a\n" + head + data + _chunk(b"IEND", b"")


def _corpus(photo: bytes) -> dict[str, bytes]:
    png, gif, tiff = io.BytesIO(), io.BytesIO(), io.BytesIO()
    picture = Image.open(io.BytesIO(photo))
    picture.resize((128, 128)).save(png, "PNG")
    picture.resize((128, 128)).convert("P").save(gif, "GIF")
    picture.resize((128, 128)).save(tiff, "TIFF")
    rng = np.random.default_rng(0)
    flipped = bytearray(photo)
    for at in rng.integers(200, len(photo), 60):
        flipped[at] ^= 255
    return {
        "empty": b"",
        "one byte": b"\xff",
        "text": b"hello",
        "noise": rng.bytes(50_000),
        "jpeg cut": photo[: len(photo) // 2],
        "jpeg head": photo[:20],
        "jpeg flipped": bytes(flipped),
        "png cut": png.getvalue()[:-200],
        "png head": png.getvalue()[:40],
        "gif cut": gif.getvalue()[:300],
        "tiff cut": tiff.getvalue()[:500],
        "bomb": _bomb(50_000, 50_000),
        "bomb below the limit": _bomb(90, 100),
        "no pixels": _bomb(0, 100),
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
        "html": b"<!doctype html><script>alert(1)</script>",
        "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n",
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n",
        "zip": b"PK\x03\x04" + bytes(100),
        "ppm": b"P6 1000000000 1000000000 255\n",
        "long tiff": b"II*\x00\x08\x00\x00\x00\xff\xff" + bytes(200),
    }


def test_bad_uploads(client, photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    corpus = _corpus(photo)
    for path in ("/v1/analyze", "/v1/classify"):
        for name, data in corpus.items():
            for answer in (
                client.post(path, files={"files": (f"../../{name}", data, "image/png")}),
                client.post(path, content=data, headers={"content-type": "image/png"}),
            ):
                assert answer.status_code < 500, (path, name, answer.text)
                assert "Traceback" not in answer.text and str(tmp_path) not in answer.text
                (entry,) = answer.json()
                assert entry.get("error") or name in ("jpeg flipped", "bomb below the limit"), name
    large = client.post(
        "/v1/analyze", content=bytes(50 * 2**20), headers={"content-type": "image/png"}
    )
    assert large.status_code == 413
    assert list(tmp_path.iterdir()) == []
    assert client.post("/v1/analyze", files={"files": photo}).json()[0]["faces"]


def test_bad_uploads_do_not_add_up(model, photo):
    corpus = list(_corpus(photo).values())
    process = psutil.Process()
    with TestClient(create_app(model, limits=Limits(pixels=1_000_000))) as client:

        def round_of(times):
            for _ in range(times):
                for data in corpus:
                    client.post("/v1/analyze", files={"files": data})
            gc.collect()
            return process.memory_info().rss, process.num_fds()

        round_of(1)
        before, files_before = round_of(2)
        after, files_after = round_of(3)
    assert after - before < 24 * 2**20
    assert files_after <= files_before + 2


@pytest.fixture(scope="module")
def schema(model):
    limits = Limits(body=2**20, pixels=1_000_000, seconds=20)
    app = create_app(model, limits=limits, token="sesame")
    return schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        ("POST", "/v1/analyze", GenerationMode.POSITIVE),
        ("POST", "/v1/analyze", GenerationMode.NEGATIVE),
        ("POST", "/v1/classify", GenerationMode.POSITIVE),
        ("POST", "/v1/classify", GenerationMode.NEGATIVE),
        ("GET", "/v1/models", GenerationMode.POSITIVE),
        ("GET", "/healthz", GenerationMode.POSITIVE),
        ("GET", "/readyz", GenerationMode.POSITIVE),
    ],
)
def test_answers_follow_the_openapi(schema, method, path, mode):
    operation = schema[path][method]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=15 if method == "POST" else 3,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def check(case):
        case.call_and_validate(
            headers={"Authorization": "Bearer sesame"},
            # no schema can say that raw crops come in whole ones
            excluded_checks=[positive_data_acceptance] if "classify" in path else [],
        )

    check()


def test_the_openapi_has_examples(client):
    document = client.get("/openapi.json").json()
    assert {"/v1/analyze", "/v1/classify", "/v1/models", "/healthz", "/readyz"} == set(
        document["paths"]
    )
    for name in ("Picture", "Face", "Expression", "Crop", "ModelInfo", "Health"):
        assert document["components"]["schemas"][name]["examples"], name
    responses = document["paths"]["/v1/analyze"]["post"]["responses"]
    assert {"200", "400", "401", "403", "408", "413", "415", "421", "422", "429", "503"} == set(
        responses
    )
    assert set(responses["413"]["content"]) == {"application/problem+json"}
