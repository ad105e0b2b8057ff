"""Several faces in one picture: their order, their labels, the summary, and what people keep."""

import io
import json
import shlex
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from mien.infer.model import load
from mien.web.app import create_app
from mien.web.files import PAGE

from .conftest import running

SAMPLES = PAGE / "samples"
READ = ".box[aria-pressed=true]"
ALONE = "#boxes:not(:has(.box ~ .box)) .box"


@pytest.fixture(scope="module")
def url():
    with running(create_app(load(threads=1))) as url:
        yield url


@pytest.fixture
def group(page, url):
    page.goto(url)
    page.wait_for_selector("#promise:has-text('leaves this machine')")
    page.click("[data-sample='group.jpg']")
    page.wait_for_selector(".box >> nth=5")
    page.wait_for_selector(".tag >> nth=5")
    return page


def _rects(page, selector: str) -> np.ndarray:
    return np.array(
        page.evaluate(
            """(selector) => [...document.querySelectorAll(selector)].map((node) => {
                const { left, top, right, bottom } = node.getBoundingClientRect();
                return [left, top, right, bottom];
            })""",
            selector,
        )
    )


def _shared(rects: np.ndarray) -> float:
    """The largest area that two rectangles have in common."""
    low = np.maximum(rects[:, None, :2], rects[None, :, :2])
    high = np.minimum(rects[:, None, 2:], rects[None, :, 2:])
    area = np.clip(high - low, 0, None).prod(axis=2)
    np.fill_diagonal(area, 0)
    return area.max()


@pytest.mark.parametrize("width", [390, 1280])
def test_every_face_of_a_group_has_its_label_in_reading_order(group, width):
    group.set_viewport_size({"width": width, "height": 844})
    group.wait_for_timeout(300)
    boxes, tags = _rects(group, ".box"), _rects(group, ".tag")
    assert len(boxes) == len(tags) == 6
    assert _shared(tags) == 0
    figure = _rects(group, "#photo")[0]
    assert (tags[:, :2] >= figure[:2] - 1).all() and (tags[:, 2:] <= figure[2:] + 1).all()
    texts = group.locator(".tag").all_inner_texts()
    assert [text.split()[0] for text in texts] == list("123456")
    assert all(len(text.split()) >= 2 for text in texts)  # there is room for their names
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert (np.diff(middle[:3, 0]) > 0).all() and (np.diff(middle[3:, 0]) > 0).all()
    assert middle[:3, 1].max() < middle[3:, 1].min()


def test_faces_are_summed_up_in_both_languages(group):
    wide = Image.new("RGB", (1152, 384))
    for at, name in enumerate(("worried", "astronaut", "worried")):
        portrait = Image.open(SAMPLES / f"{name}.jpg").resize((384, 384))
        wide.paste(portrait, (384 * at, 0))
    file = io.BytesIO()
    wide.save(file, "PNG")
    tops, split = Counter(), 0
    for face in load(threads=1).analyze(wide):
        share = max(face.expression.votes.values())
        tops[face.expression.top] += share >= 0.55
        split += share < 0.55  # at most five of ten
    assert split == 2
    assert sum(tops.values()) == 1
    group.set_input_files(
        "#file", {"name": "three.png", "mimeType": "image/png", "buffer": file.getvalue()}
    )
    for language, rest in (
        ("en", f"people would disagree on {split}"),
        ("ko", f"갈릴 얼굴 {split}"),
    ):
        group.click(f"[data-language={language}]")
        group.wait_for_selector(f".group:has-text('{rest}')")
        said = group.inner_text(".group")
        for emotion, count in tops.items():
            name = emotion.name_in(language)
            assert not count or f"{count} {name}" in said or f"{name} {count}" in said
        if language == "en":
            assert said in group.inner_text("#status")


def test_labels_of_a_crowd_never_overlap(page, url):
    page.goto(url)
    page.wait_for_selector("#promise:has-text('leaves this machine')")
    rng = np.random.default_rng(3)
    corners = rng.uniform(0, [760, 560], (80, 2))
    boxes = np.hstack([corners, corners + rng.uniform(14, 60, (80, 1))])
    placed = page.evaluate(
        """async (boxes) => {
            const { placeLabels } = await import("./js/labels.js");
            const sizes = boxes.map(() => [[110, 20], [80, 20], [24, 20]]);
            return placeLabels(boxes, sizes, [800, 600], 5)
                .map(({ x, y, width, height }) => [x, y, x + width, y + height]);
        }""",
        boxes.tolist(),
    )
    rects = np.array(placed)
    assert rects.shape == (80, 4)
    assert _shared(rects) == 0
    assert (rects >= 0).all() and (rects <= [800, 600, 800, 600]).all()
    assert rects[5, 2] - rects[5, 0] == 110  # the chosen one has its whole label


def test_tilted_rows_keep_their_order(page, url):
    page.goto(url)
    tilted = [(x, 100 + 0.1 * x) for x in (300, 0, 200, 100)] + [(150, 260), (20, 250)]
    faces = [{"box": [x, y, x + 80, y + 80]} for x, y in tilted]
    got = page.evaluate(
        """async (faces) => {
            const { inReadingOrder } = await import("./js/group.js");
            return inReadingOrder(faces).map(({ box }) => box[0]);
        }""",
        faces,
    )
    assert got == [0, 100, 200, 300, 20, 150]


def test_the_annotated_picture_is_saved_at_full_size(group, tmp_path):
    with group.expect_download() as download:
        group.click("#picture")
    assert download.value.suggested_filename == "group-mien.jpg"
    download.value.save_as(tmp_path / "saved.jpg")
    saved = Image.open(tmp_path / "saved.jpg").convert("RGB")
    plain = Image.open(SAMPLES / "group.jpg").convert("RGB")
    assert saved.width == plain.width and plain.height < saved.height < plain.height + 80
    drawn = np.asarray(saved.crop((0, 0, *plain.size)), int)
    changed = np.abs(drawn - np.asarray(plain, int)).max(axis=2) > 60
    assert 0.01 < changed.mean() < 0.2  # boxes and labels, and nothing else
    assert not changed[:20].any()


def test_curl_python_and_json_are_copied(group, url):
    group.context.grant_permissions(["clipboard-read", "clipboard-write"])
    copied = {}
    for form in ("curl", "Python", "JSON"):
        group.click(f"[data-copy={form}]")
        group.wait_for_selector(f"[data-copy={form}]:has-text('Copied')")
        copied[form] = group.evaluate("navigator.clipboard.readText()")
    words = shlex.split(copied["curl"].replace("\\\n", ""))
    assert words == ["curl", "-F", 'files=@"group.jpg"', url + "v1/analyze"]
    compile(copied["Python"], "copied", "exec")
    assert 'analyze_many(["group.jpg"])' in copied["Python"]
    (picture,) = json.loads(copied["JSON"])
    assert (picture["source"], picture["width"], len(picture["faces"])) == ("group.jpg", 1200, 6)
    assert {"box", "expression", "votes", "label", "ballot", "unclear"} <= picture["faces"][
        0
    ].keys()
    assert "cam" not in picture["faces"][0]


def test_the_crop_is_the_face(group):
    mean = "(c) => { const d = c.getContext('2d').getImageData(40, 60, 64, 64).data; let s = 0;"
    mean += " for (let i = 0; i < d.length; i += 4) s += d[i]; return s / (d.length / 4); }"
    dark = group.eval_on_selector(".crop", mean)
    group.click("[data-key=box-3]")
    group.wait_for_selector(".pager:has-text('Face 4 of 6')")
    light = group.eval_on_selector(".crop", mean)
    plain = np.asarray(Image.open(SAMPLES / "group.jpg").convert("RGB"), float)[..., 0]
    assert dark == pytest.approx(plain[190:270, 150:250].mean(), abs=25)
    assert light == pytest.approx(plain[590:670, 150:250].mean(), abs=25)


def test_arrows_and_escape(group):
    buffer = io.BytesIO()
    Image.open(SAMPLES / "stern.jpg").save(buffer, "PNG")
    group.focus("[data-key=box-0]")
    group.keyboard.press("ArrowRight")
    group.wait_for_selector(".pager:has-text('Face 2 of 6')")
    group.wait_for_selector("[data-key=box-1]:focus")
    group.keyboard.press("ArrowLeft")
    group.keyboard.press("ArrowLeft")
    group.wait_for_selector(".pager:has-text('Face 6 of 6')")
    assert group.locator(".box[tabindex='0']").count() == 1
    style = "getComputedStyle(document.activeElement).outlineStyle"
    assert group.evaluate(style) != "none"
    stern = {"name": "b.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    group.set_input_files("#file", stern)
    group.wait_for_selector(ALONE)
    group.focus("#toolbar [data-do=pick]")
    group.keyboard.press("ArrowUp")
    group.wait_for_selector(".box >> nth=5")
    group.focus("#strip [aria-current=true]")
    group.keyboard.press("ArrowRight")
    group.wait_for_selector("[data-key=strip-1]:focus")
    group.click("#maps")
    group.wait_for_selector("#map:visible")
    group.keyboard.press("Escape")
    group.wait_for_selector("#map", state="hidden")


def test_the_focus_is_never_lost(page, url):
    page.goto(url)
    page.wait_for_selector("#promise:has-text('leaves this machine')")
    page.focus("[data-sample='stern.jpg']")
    page.keyboard.press("Enter")
    page.wait_for_selector(READ)
    assert page.evaluate("document.activeElement.id") == "frame"
    page.focus("#toolbar [data-do=clear]")
    page.keyboard.press("Enter")
    page.wait_for_selector("#empty:visible")
    page.wait_for_selector("#empty [data-do=pick]:focus")


def test_while_dragging_there_is_one_message(page, url):
    page.goto(url)
    page.wait_for_selector("#promise:has-text('leaves this machine')")
    drag = "(kind) => document.body.dispatchEvent(new DragEvent(kind, { bubbles: true }))"
    page.evaluate(drag, "dragenter")
    page.wait_for_selector("#veil:visible")
    assert page.inner_text("#frame").strip() == "Drop photos here"
    page.evaluate(drag, "dragleave")
    page.wait_for_selector("#empty h2:visible")


def test_phones_are_not_told_to_drop(browser, url):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, locale="en", has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("#promise:has-text('leaves this machine')")
    words = page.inner_text("main")
    assert "Choose photos" in words and "Drop" not in words and "paste" not in words
    page.tap("[data-sample='stern.jpg']")
    page.wait_for_selector(READ)
    buttons = page.locator("#toolbar button:visible")
    for i in range(buttons.count()):
        assert buttons.nth(i).inner_text().strip()
    context.close()
