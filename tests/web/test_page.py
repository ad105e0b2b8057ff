"""The served page, driven in headless Chromium as a person would."""

import csv
import io
from pathlib import Path

import pytest
from PIL import Image

from mien import bundle as bundles
from mien.infer.model import load
from mien.infer.rows import COLUMNS
from mien.web.app import create_app

from .conftest import PHOTO, running

READ = ".box[aria-pressed=true]"
ALONE = "#boxes:not(:has(.box ~ .box)) .box"


@pytest.fixture(scope="module")
def url(model):
    with running(create_app(model)) as url:
        yield url


@pytest.fixture
def crowd(tmp_path) -> Path:
    """Two faces in one picture."""
    face = Image.open(PHOTO).convert("RGB").crop((120, 20, 340, 240))
    picture = Image.new("RGB", (640, 320), "#8899aa")
    picture.paste(face, (40, 50))
    picture.paste(face.resize((160, 160)), (400, 90))
    picture.save(tmp_path / "crowd.png")
    return tmp_path / "crowd.png"


@pytest.fixture
def text(tmp_path) -> Path:
    path = tmp_path / "notes.txt"
    path.write_text("not a picture")
    return path


def test_the_astronaut_is_happy_in_two_languages(page, text, tmp_path):
    """Bar 1: upload, happy first, Korean, the table, an error for a text file."""
    try:
        bundles.find()
    except bundles.BundleError:
        pytest.skip("the default bundle is not in this checkout yet")
    with running(create_app(load(threads=1))) as url:
        page.goto(url)
        page.set_input_files("#file", [PHOTO, text])
        page.wait_for_selector("#table tr.bad")
        page.wait_for_selector(READ)
        first = page.locator(".bars li").first
        assert first.get_attribute("data-emotion") == "happy"
        assert page.inner_text("#top") == "happy"
        # people are claimed of the votes alone
        assert "Most likely, with" in page.inner_text(".lead")
        assert "Of 10 people, about" in page.inner_text(".also")
        page.click("[data-key=votes]")
        page.wait_for_selector(".lead:has-text('people would say')")
        page.click("[data-key=expression]")
        page.click("[data-language=ko]")
        page.wait_for_selector("#top:has-text('기쁨')")
        assert page.get_attribute("html", "lang") == "ko"
        assert "읽을 수 없음" in page.inner_text("#table tr.bad")
        rows = _download(page, tmp_path)
        assert rows[0]["top"] == "happy"
        assert float(rows[0]["votes_happy"]) > 0.5


def test_pictures_given_before_the_page_is_ready_are_read(page, url):
    """The page once attached its listeners after it had its settings, and lost what came first."""
    asked = []
    page.route("**/config.json", lambda route: asked.append(route))
    page.goto(url)
    page.set_input_files("#file", [PHOTO])
    page.wait_for_timeout(200)
    asked.pop().continue_()
    page.wait_for_selector(READ)


def test_upload_choose_and_download(page, url, crowd, text, tmp_path):
    page.goto(url)
    page.set_input_files("#file", [crowd, PHOTO, text])
    page.wait_for_selector("#table tr.bad")
    page.wait_for_selector(".box >> nth=1")
    assert page.locator("#strip li").count() == 3
    assert "Face 1 of 2" in page.inner_text(".pager")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".pager:has-text('Face 2 of 2')")
    page.click("[data-key=row-1-0]")
    page.wait_for_selector(ALONE)
    assert "not a picture" in page.inner_text("#table tr.bad")
    rows = _download(page, tmp_path)
    assert list(rows[0]) == list(COLUMNS)
    assert [(r["source"], r["face"]) for r in rows] == [
        ("crowd.png", "0"), ("crowd.png", "1"), ("astronaut.jpg", "0"), ("notes.txt", ""),
    ]  # fmt: skip
    for row in rows[:3]:
        votes = [float(value) for name, value in row.items() if name.startswith("votes_")]
        assert sum(votes) == pytest.approx(1, abs=1e-3)
    assert rows[3]["error"]


def test_the_table_is_safe_in_a_spreadsheet(page, url, tmp_path):
    page.goto(url)
    name = '=cmd("x"),y.png'
    page.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": b"no"})
    page.wait_for_selector("#table tr.bad")
    assert _download(page, tmp_path)[0]["source"] == "'" + name


def test_heads_maps_and_bars(page, url):
    page.goto(url)
    page.set_input_files("#file", PHOTO)
    page.wait_for_selector(READ)
    page.click("[data-key=votes]")
    page.wait_for_selector(".lead:has-text('people would say')")
    by_votes = page.inner_text("#top")
    page.click("[data-key=label]")
    page.wait_for_selector(".lead:has-text('label')")
    assert page.inner_text("#top") != by_votes  # so the made bundle has it
    assert page.locator(".people").count() == 0
    assert page.locator("#map").is_hidden()
    page.click("#maps")
    page.wait_for_selector("#map:visible")
    painted = page.evaluate(
        """() => {
            const canvas = document.querySelector("#map");
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            const box = document.querySelector(".box").getBoundingClientRect();
            const frame = canvas.getBoundingClientRect();
            let [sum, x, y] = [0, 0, 0];
            for (let i = 3; i < data.length; i += 4) {
                const at = (i - 3) / 4;
                sum += data[i];
                x += data[i] * (at % canvas.width);
                y += data[i] * Math.floor(at / canvas.width);
            }
            const scale = frame.width / canvas.width;
            return {
                sum, x: frame.left + (x / sum) * scale, y: frame.top + (y / sum) * scale,
                box: [box.left, box.top, box.right, box.bottom],
            };
        }"""
    )
    left, top, right, bottom = painted["box"]
    assert painted["sum"] > 0
    assert left < painted["x"] < right and top < painted["y"] < bottom
    page.click(".bars li[data-emotion=fear] button")
    page.wait_for_selector(".bars li.mapped[data-emotion=fear]")


def test_theme_language_and_keyboard(page, url):
    page.goto(url)
    page.wait_for_selector("#promise:has-text('leaves this machine')")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.click("#theme")
    page.click("#theme")
    assert page.get_attribute("html", "data-theme") == "dark"
    assert page.evaluate(ground) != light
    page.click("[data-language=ko]")
    page.reload()
    page.wait_for_selector("h2:has-text('얼굴 사진을 여기에 놓으세요')")
    assert page.get_attribute("html", "data-theme") == "dark"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.click("[data-sample='astronaut.jpg']")
    page.wait_for_selector(READ)
    assert "astronaut.jpg" in page.inner_text("#status")


@pytest.mark.parametrize("width", [390, 1280])
def test_names_for_screen_readers_and_no_sideways_scrolling(page, url, width):
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(url)
    page.set_input_files("#file", PHOTO)
    page.wait_for_selector(READ)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, a, img:not([alt])")]
            .filter((node) => node.checkVisibility())
            .filter((node) => !(node.ariaLabel || node.textContent.trim()))
            .map((node) => node.outerHTML)"""
    )
    assert nameless == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#toolbar").bounding_box()["height"] < 72  # one line
    # the note stands at the end of the page, over nothing
    assert page.evaluate("getComputedStyle(document.querySelector('.note')).position") == "static"


def test_dropping_and_pasting(page, url, photo):
    page.goto(url)
    for kind, field in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        page.evaluate(
            """async ([kind, field]) => {
                const blob = await (await fetch("samples/astronaut.jpg")).blob();
                const data = new DataTransfer();
                data.items.add(new File([blob], kind + ".jpg", { type: "image/jpeg" }));
                const init = { bubbles: true, [field]: data };
                const make = kind === "drop" ? DragEvent : ClipboardEvent;
                document.body.dispatchEvent(new make(kind, init));
            }""",
            [kind, field],
        )
        page.wait_for_selector(f"#table button:has-text('{kind}.jpg')")
        page.wait_for_selector(READ)


def test_the_camera_runs_and_stops(page, url):
    page.goto(url)
    with page.expect_websocket(lambda socket: "/v1/stream" in socket.url):
        page.click("#empty [data-do=camera]")
    page.wait_for_selector("#video:visible")
    page.wait_for_selector("#notice:has-text('No face in view')")
    page.click("#camera")
    page.wait_for_selector("#empty:visible")


def test_two_clicks_start_one_camera_and_stop_ends_it(page, url):
    """A second click, while the browser asks for leave, started a camera that nothing stopped."""
    page.add_init_script(
        """{
            const devices = navigator.mediaDevices;
            const real = devices.getUserMedia.bind(devices);
            const granted = new Promise((done) => { window.grant = done; });
            window.tracks = [];
            window.asked = 0;
            devices.getUserMedia = async (wish) => {
                window.asked += 1;
                await granted;
                const stream = await real(wish);
                window.tracks.push(...stream.getTracks());
                return stream;
            };
        }"""
    )
    page.goto(url)
    page.wait_for_selector("#promise:has-text('leaves this machine')")
    page.click("#empty [data-do=camera]")
    page.click("#empty [data-do=camera]")
    with page.expect_websocket(lambda socket: "/v1/stream" in socket.url):
        page.evaluate("grant()")
    page.wait_for_selector("#video:visible")
    page.click("#camera")
    page.wait_for_selector("#empty:visible")
    assert page.evaluate("tracks.map((track) => track.readyState)") == ["ended"]
    assert page.evaluate("asked") == 1


def test_a_picture_given_while_the_browser_asks_is_shown_instead_of_the_camera(page, url):
    page.add_init_script(
        """{
            const devices = navigator.mediaDevices;
            const real = devices.getUserMedia.bind(devices);
            const granted = new Promise((done) => { window.grant = done; });
            devices.getUserMedia = async (wish) => {
                await granted;
                return (window.given = await real(wish));
            };
        }"""
    )
    page.goto(url)
    page.wait_for_selector("#promise:has-text('leaves this machine')")
    page.click("#empty [data-do=camera]")
    page.set_input_files("#file", PHOTO)
    page.wait_for_selector(READ)
    page.evaluate("async () => { grant(); await new Promise((done) => setTimeout(done, 500)); }")
    assert page.evaluate("given.getTracks().map((track) => track.readyState)") == ["ended"]
    assert page.locator("#video").is_hidden()


def test_a_service_with_a_token_asks_for_it(browser, model):
    with running(create_app(model, token="sesame")) as url:
        page = browser.new_page(locale="en")
        page.goto(url)
        page.set_input_files("#file", PHOTO)
        page.fill("#token", "sesame")
        page.press("#token", "Enter")
        page.wait_for_selector(READ)
        page.goto(url + "#token=sesame")
        page.reload()
        page.set_input_files("#file", PHOTO)
        page.wait_for_selector(READ)
        assert "sesame" not in page.url
        page.close()


def _download(page, folder: Path) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.click("#save")
    path = folder / "table.csv"
    download.value.save_as(path)
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
