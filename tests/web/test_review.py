"""The review page: its interface, and the page itself driven in headless Chromium."""

import csv
import hashlib
import io
import time

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from mien.data.options import Options
from mien.data.prepare import prepare
from mien.data.reviewing import Review
from mien.web.review import create_app
from tests.data.drawn import placard, write_folder

from .conftest import running


@pytest.fixture
def folder(tmp_path):
    """A prepared folder with two placards and a few copies left out."""
    source, out = tmp_path / "set", tmp_path / "out"
    write_folder(source, {"happy": 40, "sad": 40})
    rng = np.random.default_rng(0)
    for i in range(2):
        Image.fromarray(placard(rng)).save(source / "train" / "happy" / f"sign_{i}.png")
    for i in range(6):
        image = Image.open(source / "train" / "sad" / f"face_{i:04d}.png")
        image.save(source / "train" / "sad" / f"twin_{i}.png")
    prepare(source, out)
    return source, out


def decided(out):
    path = out / "decisions.csv"
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        return {d["id"]: (d["action"], d["emotion"]) for d in csv.DictReader(file)}


def wait_for(out, expected, pause=time.sleep):
    for _ in range(200):
        if decided(out) == expected:
            return
        pause(0.05)
    assert decided(out) == expected


def test_interface(folder):
    _, out = folder
    client = TestClient(create_app(Review.open(out)), base_url="http://127.0.0.1")
    data = client.get("/api/entries").json()
    first = data["entries"][0]
    answer = client.get(f"/api/crop/{first['sha256']}.png")
    assert answer.headers["content-type"] == "image/png"
    assert client.get("/api/crop/0.png").status_code == 404
    good = {"changes": [{"id": first["id"], "action": "relabel", "emotion": "sad"}]}
    assert client.post("/api/decisions", json=good).json() == {"decided": 1}
    assert decided(out) == {first["id"]: ("relabel", "sad")}
    for bad, status in (
        ([{"id": "../x", "action": "drop"}], 404),
        ([{"id": first["id"], "action": "burn"}], 422),
        ([{"id": first["id"], "action": "relabel", "emotion": "bored"}], 422),
    ):
        assert client.post("/api/decisions", json={"changes": bad}).status_code == status
    evil = {"origin": "http://evil.example"}
    assert client.post("/api/decisions", json=good, headers=evil).status_code == 403
    assert client.get("/", headers={"host": "evil.example"}).status_code == 421
    assert decided(out) == {first["id"]: ("relabel", "sad")}
    assert client.get("/api/entries").json()["decisions"][first["id"]]["action"] == "relabel"
    taken_back = {"changes": [{"id": first["id"]}]}
    assert client.post("/api/decisions", json=taken_back).json() == {"decided": 0}


def test_pages_on_one_folder_keep_each_others_decisions(folder):
    _, out = folder
    pages = [Review.open(out), Review.open(out)]
    ids = [str(entry["id"]) for entry in pages[0].entries[:2]]
    pages[0].decide([(ids[0], "drop", "")])
    pages[1].decide([(ids[1], "keep", "")])
    assert decided(out) == {ids[0]: ("drop", ""), ids[1]: ("keep", "")}
    pages[0].decide([(ids[0], "", "")])
    assert decided(out) == {ids[1]: ("keep", "")}


def test_a_crop_is_named_by_its_pixels(folder):
    """Named by row, a browser showed crops of an earlier run beside other entries."""
    source, out = folder
    prepare(source, out, Options(drop=1.1))  # the placards stay, flagged
    client = TestClient(create_app(Review.open(out)), base_url="http://127.0.0.1")
    entries = client.get("/api/entries").json()["entries"]
    for entry in entries:
        png = client.get(f"/api/crop/{entry['sha256']}.png").content
        pixels = Image.open(io.BytesIO(png)).tobytes()
        assert hashlib.sha256(pixels).hexdigest() == entry["sha256"]
    kept = {line["id"]: line["path"] for line in csv.DictReader((out / "manifest.csv").open())}
    flagged = next(entry for entry in entries if entry["id"] in kept)
    Image.new("L", (48, 48)).save(out / kept[flagged["id"]])
    answer = client.get(f"/api/crop/{flagged['sha256']}.png")
    assert answer.status_code == 404 and "prepared again" in answer.text


def test_what_could_not_be_saved_is_sent_again(folder, page):
    """A failed save was shown as decided, and the next good one hid that it was lost."""
    from playwright.sync_api import expect

    _, out = folder
    down = True
    # One route throughout: requests of a page that is just being routed slip by it.
    page.route("**/api/decisions", lambda route: route.abort() if down else route.continue_())

    def pause(seconds):
        page.wait_for_timeout(1000 * seconds)  # time.sleep would hold the route as well

    with running(create_app(Review.open(out))) as url:
        page.goto(url, wait_until="networkidle")
        page.wait_for_selector(".cell.here img")
        ids = [page.locator(f"#cell-{i}").get_attribute("title") for i in range(3)]
        page.keyboard.press("d")
        page.wait_for_selector("#problem:has-text('Not saved, 1 ')")
        page.keyboard.press("k")
        page.wait_for_selector("#problem:has-text('Not saved, 2 ')")
        assert decided(out) == {}
        down = False
        page.keyboard.press("3")
        expected = {ids[0]: ("drop", ""), ids[1]: ("keep", ""), ids[2]: ("relabel", "fear")}
        wait_for(out, expected, pause)
        expect(page.locator("#problem")).to_be_hidden()

        down = True
        page.keyboard.press("u")
        page.wait_for_selector("#problem:visible")
        down = False
        del expected[ids[2]]
        wait_for(out, expected, pause)  # no key is needed
        expect(page.locator("#problem")).to_be_hidden()

        page.evaluate("queue([{ id: 'gone', action: 'drop', emotion: '' }])")
        page.wait_for_selector("#problem:has-text('no picture')")
        page.keyboard.press("4")
        wait_for(
            out, expected | {ids[2]: ("relabel", "happy")}, pause
        )  # the refused one keeps none out
        assert page.locator("#problem").is_visible()
        page.evaluate("unsaved.clear()")
    assert all("Failed to load" in trouble for trouble in page.troubles)
    page.troubles.clear()


def test_open_relabel_drop_undo_filter_and_prepare_again(folder, page):
    from playwright.sync_api import expect

    source, out = folder
    with running(create_app(Review.open(out))) as url:
        page.goto(url)
        page.wait_for_selector(".cell.here img")
        everything = page.locator(".cell").count()
        page.locator("#reasons button", has_text="Copies").or_(
            page.locator("#reasons button", has_text="copies")
        ).first.click()
        expect(page.locator(".cell")).to_have_count(6)
        assert everything > 6
        ids = [page.locator(f"#cell-{i}").get_attribute("title") for i in range(6)]

        page.keyboard.press("k")  # keep the first, go on to the second
        wait_for(out, {ids[0]: ("keep", "")})
        page.keyboard.press("d")
        wait_for(out, {ids[0]: ("keep", ""), ids[1]: ("drop", "")})
        page.keyboard.press("u")
        wait_for(out, {ids[0]: ("keep", "")})
        assert page.inner_text("#d-file") == ids[1]
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("3")  # two at once: fear
        expected = {ids[0]: ("keep", ""), ids[1]: ("relabel", "fear"), ids[2]: ("relabel", "fear")}
        wait_for(out, expected)
        assert page.inner_text("#cell-1 i") == "fear"

        page.click("[data-state=decided]")
        expect(page.locator(".cell")).to_have_count(3)
        page.select_option("#emotion", "happy")
        page.wait_for_selector("#empty")
        page.select_option("#emotion", "")
        page.click("[data-state=all]")
        expect(page.locator(".cell")).to_have_count(6)
    prepare(source, out)
    with (out / "manifest.csv").open(newline="") as file:
        kept = {line["id"]: line["emotion"] for line in csv.DictReader(file)}
    assert kept[ids[0]] == "sad"
    assert kept[ids[1]] == kept[ids[2]] == "fear"
    assert ids[3] not in kept


def test_ten_thousand_pictures_scroll(folder, page):
    review = Review.open(folder[1])
    review.entries = (review.entries * 10_000)[:10_000]
    with running(create_app(review)) as url:
        page.goto(url)
        page.wait_for_selector(".cell.here img")
        took = page.evaluate("""async () => {
            const grid = document.getElementById("grid"), times = [];
            for (let i = 1; i <= 30; i++) {
                const begin = performance.now();
                grid.scrollTop = grid.scrollHeight * i / 30;
                draw();
                grid.getBoundingClientRect();
                times.push(performance.now() - begin);
                await new Promise((done) => setTimeout(done));
            }
            return times.sort((a, b) => a - b)[15];
        }""")
        assert page.locator(".cell").count() < 400
        assert took < 1500  # one screen drawn anew, on a slow machine with other work
        page.keyboard.press("End")
        page.wait_for_selector("#cell-9999.here")
        page.goto("about:blank")  # or thumbnails still under way meet a server that is gone
