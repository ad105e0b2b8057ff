"""Screenshots of the page in every state: python tools/shoot_page.py [--out FOLDER] [--docs].

Seven states (empty, one face, six faces, an unclear face, an error, dragging, the camera) in light
and dark, on a desktop and a phone, in English and Korean, go to --out as PNG, to be looked at.
With --docs, the few that the documentation shows go to docs/img instead, as WebP.

Needs Chromium (Debian: apt-get install chromium) and pip install playwright; CHROMIUM names
another browser. Starts its own service on a free port of this machine and stops it.
"""

import argparse
import io
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from PIL import Image, ImageFilter
from playwright.sync_api import Browser, Page, sync_playwright
from webp import save_webp

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "src" / "mien" / "web" / "static" / "page" / "samples"
BROWSER = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
]  # fmt: skip
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
THEMES, LANGUAGES = ("light", "dark"), ("en", "ko")
STATES = ("empty", "face", "group", "unclear", "error", "dragging", "camera")
DOCS = [  # state, size, theme, language: what docs/ shows
    ("face", "desktop", "light", "en"),
    ("group", "desktop", "dark", "en"),
    ("face", "phone", "dark", "ko"),
    ("camera", "desktop", "light", "en"),
]


def main() -> None:
    """Take every shot, or those of ``DOCS``."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", default=None, help="name or folder of a model")
    parser.add_argument("--out", type=Path, default=Path("page-shots"), help="folder of the PNGs")
    parser.add_argument("--docs", action="store_true", help="write the few of docs/ instead")
    parser.add_argument("--only", nargs="*", default=STATES, choices=STATES, help="states to take")
    given = parser.parse_args()
    wanted = DOCS if given.docs else list(product(given.only, SIZES, THEMES, LANGUAGES))
    given.out = ROOT / "docs" / "img" if given.docs else given.out
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, service(given.model) as url:
        film = write_film(Path(folder) / "camera.mjpeg")
        unclear = write_unclear(Path(folder) / "portrait.jpg")
        with sync_playwright() as play:
            flags = [*FLAGS, f"--use-file-for-fake-video-capture={film}"]
            browser = play.chromium.launch(executable_path=BROWSER, args=flags)
            for state, size, theme, language in wanted:
                with opened(browser, url, size, theme, language) as page:
                    to_state(page, state, unclear)
                    name = f"page-{state}-{size}-{theme}-{language}"
                    save(page.screenshot(), given.out / name, small=given.docs)
            browser.close()


@contextmanager
def service(model: str | None) -> Iterator[str]:
    """A service on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = f"from mien.web.server import serve; serve({model!r}, port={port})"
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        url = f"http://127.0.0.1:{port}/"
        wait_for(url + "readyz")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=90)


@contextmanager
def opened(browser: Browser, url: str, size: str, theme: str, language: str) -> Iterator[Page]:
    """The page, ready, in a fresh context."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, device_scale_factor=1.5,
        color_scheme=theme, locale=language, permissions=["camera"],
        has_touch=size == "phone", is_mobile=size == "phone",
    )  # fmt: skip
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector('#promise:has-text(".")')
    yield page
    context.close()


def to_state(page: Page, state: str, unclear: Path) -> None:
    """Bring the page into one of ``STATES``."""
    files = {
        "face": [SAMPLES / "worried.jpg", SAMPLES / "astronaut.jpg"],
        "group": [SAMPLES / "group.jpg"],
        "unclear": [unclear],
        "error": [Path(__file__), SAMPLES / "stern.jpg"],
    }.get(state)
    if files:
        page.set_input_files("#file", [str(file) for file in files])
        page.locator("#table tbody tr").nth(len(files) - 1).wait_for()
        page.wait_for_selector(".notice.error" if state == "error" else ".box[aria-pressed=true]")
        page.locator(":is(.busy, #strip .working, #strip .waiting)").first.wait_for(
            state="detached"
        )
    elif state == "camera":
        page.click("#empty [data-do=camera]")
        page.wait_for_selector(".box")
        page.wait_for_timeout(9000)
        page.click("#snapshot")
    elif state == "dragging":
        page.evaluate("document.body.dispatchEvent(new DragEvent('dragenter', {bubbles: true}))")
    page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    page.wait_for_timeout(600)  # bars grow


def save(png: bytes, path: Path, *, small: bool) -> None:
    """Write a shot as it is, or as a WebP within the budget."""
    if small:
        save_webp(Image.open(io.BytesIO(png)), path)
    else:
        path.with_suffix(".png").write_bytes(png)


def write_film(path: Path) -> Path:
    """What the fake camera sees: one sample, moving a little."""
    face = Image.open(SAMPLES / "astronaut.jpg").convert("RGB").resize((480, 480))
    frames = []
    for i in range(40):
        frame = Image.new("RGB", (640, 480), "#8b97a3")
        frame.paste(face, (80 + (i if i < 20 else 40 - i) // 2, 0))
        file = io.BytesIO()
        frame.save(file, "JPEG", quality=90)
        frames.append(file.getvalue())
    path.write_bytes(b"".join(frames))
    return path


def write_unclear(path: Path) -> Path:
    """A portrait that is too small and soft for people to say what it shows."""
    face = Image.open(SAMPLES / "hopper.jpg").convert("RGB").crop((110, 70, 340, 300))
    face.resize((15, 15)).resize((120, 120)).filter(ImageFilter.GaussianBlur(3)).save(path)
    return path


def wait_for(url: str, seconds: float = 60) -> None:
    """Wait until a service answers."""
    until = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


if __name__ == "__main__":
    main()
