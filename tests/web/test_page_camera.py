"""The camera: over the stream where the service has one, its last minute, its snapshots."""

import json

import pytest

from mien.emotions import BALLOT, EMOTIONS
from mien.web.app import create_app

from .conftest import running


@pytest.fixture(scope="module")
def url(model):
    with running(create_app(model)) as url:
        yield url


def _face(identity: int, left: float, top: str) -> dict:
    votes = {e.value: 0.88 if e.value == top else 0.02 for e in EMOTIONS}
    return {
        "id": identity, "box": [left, 100, left + 120, 220], "landmarks": None, "score": 0.9,
        "detected": True, "top": top, "unclear": 0.01,
        "expression": votes, "votes": votes, "label": votes,
        "ballot": dict.fromkeys(BALLOT, 0.1), "is_unclear": False, "reasons": [],
    }  # fmt: skip


def _with_stream(page, answer) -> list[int]:
    """Let the page believe in a stream, and answer its frames by ``answer(number)``."""
    sizes: list[int] = []

    def config(route):
        told = route.fetch().json() | {"stream": True}
        route.fulfill(json=told)

    def served(socket):
        def on_frame(frame):
            sizes.append(len(frame))
            assert frame[:2] == b"\xff\xd8"
            reply = answer(len(sizes) - 1)
            if reply is None:
                socket.close()
            else:
                socket.send(json.dumps({"frame": len(sizes) - 1} | reply))

        socket.on_message(on_frame)

    page.route("**/config.json", config)
    page.route_web_socket("**/v1/stream*", served)
    return sizes


def _start(page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector("#promise:has-text('leaves this machine')")
    page.click("#empty [data-do=camera]")
    page.wait_for_selector("#video:visible")


def test_frames_go_over_the_stream_and_faces_keep_their_places(page, url):
    """The happy face crosses the other: chosen by its id, it stays chosen."""
    posted = []
    page.on("request", lambda r: posted.append(r.url) if "analyze" in r.url else None)

    def answer(n):
        if n % 5 == 3:
            return {"dropped": True}
        return {"faces": [_face(1, 30 + min(25 * n, 480), "happy"), _face(2, 250, "sad")]}

    sizes = _with_stream(page, answer)
    _start(page, url)
    page.wait_for_selector(".box >> nth=1")
    page.wait_for_selector("#top:has-text('happy')")
    page.wait_for_selector(".pager:has-text('Face 2 of 2')")
    assert page.inner_text("#top") == "happy"
    assert len(sizes) > 5 and posted == []


def test_the_last_minute_is_drawn_and_a_snapshot_is_read(page, url):
    _with_stream(page, lambda n: {"faces": [_face(1, 100, "happy")]})
    _start(page, url)
    page.wait_for_selector("#timeline[aria-label*='happy']")
    page.wait_for_timeout(1500)
    colours = page.evaluate(
        """() => {
            const canvas = document.getElementById("timeline");
            const { width, height } = canvas;
            const pen = canvas.getContext("2d");
            const at = (x) => [...pen.getImageData(x, height / 2, 1, 1).data];
            return [at(width - 12), at(10)];
        }"""
    )
    happy, nothing = colours  # now, and a minute ago
    assert happy == pytest.approx([0xF2, 0xC4, 0x17, 255], abs=12)
    assert nothing == [0, 0, 0, 0]
    assert page.locator("#strip").is_hidden()
    page.click("#snapshot")
    page.wait_for_selector("#strip button.done")
    assert page.locator("#video").is_visible()  # the camera goes on
    page.click("#strip button")
    page.wait_for_selector("#image:visible")
    assert page.locator("#video").is_hidden() and page.locator("#history").is_hidden()
    assert "snapshot 1" in page.inner_text("#table")


def test_a_stream_that_breaks_off_leaves_the_other_way(page, url):
    sizes = _with_stream(page, lambda n: {"faces": []} if n < 2 else None)
    with page.expect_response("**/v1/analyze*"):
        _start(page, url)
    assert len(sizes) == 3
    page.keyboard.press("Escape")
    page.wait_for_selector("#empty:visible")
