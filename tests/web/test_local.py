"""The static page against Python: the same arrays, the same photo, nothing sent anywhere."""

import base64
import io
import os
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from mien import bundle as bundles
from mien.infer.crop import crop_face
from mien.infer.model import load
from mien.web.ort_files import FILES, PACKAGE, VERSION, read_ort
from mien.web.page import write_page

from .conftest import PHOTO, static_host


@pytest.fixture(scope="session")
def runtime(tmp_path_factory) -> Path:
    """onnxruntime-web's files, fetched once; MIEN_ORT names a package that is here already."""
    folder = tmp_path_factory.mktemp("ort")
    if not os.environ.get("MIEN_ORT") and shutil.which("npm") is None:
        message = f"no npm to fetch {PACKAGE}@{VERSION} with"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    given = os.environ.get("MIEN_ORT")
    for name, data in read_ort(Path(given) if given else None).items():
        (folder / name).write_bytes(data)
    return folder


def _bundle(name: str, tiny: Path) -> Path:
    if name == "tiny":
        return tiny
    try:
        return bundles.find()
    except bundles.BundleError:
        pytest.skip("the default bundle is not in this checkout yet")


@pytest.fixture(scope="module", params=["tiny", pytest.param("default", marks=pytest.mark.slow)])
def site(request, tiny, runtime, tmp_path_factory):
    bundle = _bundle(request.param, tiny)
    out = tmp_path_factory.mktemp("site")
    write_page(out, bundle, ort=runtime)
    with static_host(out) as url:
        yield url, load(bundle, threads=1), _quantized(bundle)


def _quantized(bundle: Path) -> bool:
    nodes = onnx.load(bundle / bundles.GRAPH, load_external_data=False).graph.node
    return any("QuantizeLinear" in node.op_type for node in nodes)


@pytest.fixture(scope="module")
def png() -> bytes:
    file = io.BytesIO()
    Image.open(PHOTO).save(file, "PNG")
    return file.getvalue()


def test_same_arrays_give_the_same_scores(site, page):
    url, model, quantized = site
    image = np.asarray(Image.open(PHOTO).convert("RGB"))
    face = crop_face(image, model.detector.detect(image)[0])
    noise = np.random.default_rng(0).integers(0, 256, (6, 48, 48), np.uint8)
    flat = np.full((1, 48, 48), 128, np.uint8)
    crops = np.concatenate([face[None], np.flip(face, 1)[None], noise, flat])
    page.goto(url)
    got = page.evaluate(
        """async (text) => {
            const { connect } = await import("./js/local.js");
            return (await connect()).classify(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
        }""",
        _text(crops.tobytes()),
    )
    expected = model.classify(crops)
    tolerance = 2e-2 if quantized else 1e-3
    np.testing.assert_allclose(got["label"], expected.label, atol=tolerance)
    np.testing.assert_allclose(got["ballot"], expected.ballot, atol=tolerance)
    assert np.argmax(got["label"], 1)[:2].tolist() == expected.label.argmax(1)[:2].tolist()


def test_a_photo_gives_the_same_face(site, page, png):
    url, model, _ = site
    sent = []
    page.on("request", lambda r: sent.append((r.method, r.url)))
    page.goto(url)
    page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": png})
    page.wait_for_selector(".box[aria-pressed=true]")
    got = page.evaluate(
        """async (text) => {
            const { connect } = await import("./js/local.js");
            const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
            const blob = new Blob([bytes], { type: "image/png" });
            return (await connect()).analyze(blob, "a.png");
        }""",
        _text(png),
    )
    (expected,) = model.analyze(png)
    assert (got["width"], got["height"]) == (512, 512)
    (face,) = got["faces"]
    assert _iou(face["box"], expected.box) >= 0.9
    assert face["top"] == expected.expression.top
    assert face["reasons"] == expected.reasons == []
    assert page.locator(".bars li").first.get_attribute("data-emotion") == face["top"]
    for group in ("expression", "votes", "label"):
        mine = {e.value: s for e, s in getattr(expected.expression, group).items()}
        assert face[group] == pytest.approx(mine, abs=0.05)
    assert {method for method, _ in sent} == {"GET"}
    assert all(address.startswith((url, "blob:")) for _, address in sent)


def test_crops_agree_with_pillow_to_a_grey_level_or_two(site, page, png):
    url, model, _ = site
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    (found,) = model.detector.detect(image)
    page.goto(url)
    got = page.evaluate(
        """async ([text, face]) => {
            const config = await (await fetch("config.json")).json();
            const { placement, warp } = await import("./js/crop.js");
            const data = Uint8ClampedArray.from(atob(text), (c) => c.charCodeAt(0));
            const image = { data, width: 512, height: 512, channels: 3 };
            return [...warp(image, placement(face, config.crop), config.crop.side)];
        }""",
        [_text(image.tobytes()), {"box": found.box, "landmarks": found.landmarks.tolist()}],
    )
    error = np.abs(np.reshape(got, (48, 48)) - crop_face(image, found).astype(float))
    assert error.max() <= 2 and error.mean() < 0.3


def test_a_picture_without_a_face_and_a_file_that_is_no_picture(site, page):
    url, _, _ = site
    face = np.random.default_rng(1).integers(0, 256, (48, 48), np.uint8)
    file = io.BytesIO()
    Image.fromarray(face).save(file, "PNG")
    page.goto(url)
    page.set_input_files(
        "#file",
        [
            {"name": "crop.png", "mimeType": "image/png", "buffer": file.getvalue()},
            {"name": "no.txt", "mimeType": "text/plain", "buffer": b"not a picture"},
        ],
    )
    page.wait_for_selector("#table tr.bad")
    page.wait_for_selector("#strip button.done")
    assert "not a picture" in page.inner_text("#table tr.bad")
    assert page.get_by_text("no face").count()
    assert not page.locator(".bars li").count()


@pytest.mark.parametrize("missing", sorted(FILES))
def test_a_package_that_is_not_the_pinned_one_is_refused(tmp_path, missing):
    for name in FILES:
        (tmp_path / name).write_bytes(b"other")
    with pytest.raises(ValueError, match=f"is not that of {PACKAGE} {VERSION}"):
        read_ort(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(ValueError, match=r"holds no onnxruntime-web.*--ort"):
        read_ort(tmp_path)


def test_without_npm_the_way_by_hand_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match=r"npm is not installed.*--ort"):
        read_ort()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _iou(a, b) -> float:
    wide = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    tall = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    area = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return wide * tall / (sum(area) - wide * tall)
