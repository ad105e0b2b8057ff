"""Screenshots of the page for docs/: python tools/shoot_page.py [--model NAME] [--out docs].

Needs Chromium (Debian: apt-get install chromium) and pip install playwright; CHROMIUM names
another browser. Starts its own service on a free port of this machine and stops it.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
BROWSER = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
DESKTOP, PHONE = (1280, 900), (390, 844)
SHOTS = [  # name, size, theme, language, which picture is chosen
    ("page-desktop-light", DESKTOP, "light", "en", 0),
    ("page-desktop-dark", DESKTOP, "dark", "ko", 1),
    ("page-phone-light", PHONE, "light", "ko", 0),
    ("page-phone-dark", PHONE, "dark", "en", 1),
]


def main() -> None:
    """Take every shot of ``SHOTS``, and two of the empty page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=None)
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    parser.add_argument("--pictures", type=Path, nargs="*", default=None)
    given = parser.parse_args()
    pictures = given.pictures or portraits()
    given.out.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = f"from mien.web.server import serve; serve({given.model!r}, port={port})"
    service = subprocess.Popen([sys.executable, "-c", code])
    try:
        url = f"http://127.0.0.1:{port}/"
        wait_for(url + "readyz")
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=BROWSER, args=FLAGS)
            for name, size, theme, language, chosen in SHOTS:
                context = browser.new_context(
                    viewport={"width": size[0], "height": size[1]},
                    device_scale_factor=2 if size == PHONE else 1.5,
                    color_scheme=theme,
                    locale=language,
                )
                page = context.new_page()
                page.goto(url)
                page.wait_for_selector('#promise:has-text(".")')
                if name in ("page-desktop-light", "page-phone-dark"):
                    page.screenshot(path=given.out / f"{name.rpartition('-')[0]}-empty.png")
                read(page, pictures, min(chosen, len(pictures) - 1))
                page.screenshot(path=given.out / f"{name}.png")
                if name == "page-desktop-light":
                    page.click("#maps")
                    page.locator(".frame").screenshot(path=given.out / "page-heat-map.png")
                    page.locator("#results").screenshot(path=given.out / "page-table.png")
                context.close()
            browser.close()
    finally:
        service.terminate()
        service.wait(timeout=90)


def portraits() -> list[Path]:
    """Two public-domain portraits: NASA's astronaut, and Grace Hopper out of matplotlib."""
    import matplotlib

    sample = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    return [ROOT / "examples" / "astronaut.jpg", sample]


def read(page: Page, pictures: list[Path], chosen: int) -> None:
    """Upload pictures, choose one, and wait until all are read and drawn."""
    page.set_input_files("#file", [str(path) for path in pictures])
    page.wait_for_selector(".box[aria-pressed=true]")
    page.locator("#table tbody tr").nth(len(pictures) - 1).wait_for()
    page.click(f"[data-key=row-{chosen}-0]")
    page.locator(".busy").wait_for(state="detached")
    page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    page.wait_for_timeout(600)  # bars grow


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
