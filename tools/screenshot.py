"""Picture a page at a given width in headless Chromium, whole, as WebP; or print it as PDF.

    python tools/screenshot.py report.html report [--width 1280] [--dark] [--pdf]

writes docs/img/report.webp. Needs ``chromium`` and ``chromedriver`` on the
path; speaks the WebDriver protocol to the latter.
"""

import argparse
import base64
import io
import json
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from PIL import Image
from webp import save_webp

IMAGES = Path(__file__).parents[1] / "docs" / "img"

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars",
)  # fmt: skip


class Browser:
    """One Chromium behind one chromedriver."""

    def __init__(self, port: int, profile: str) -> None:
        self.base = f"http://127.0.0.1:{port}"
        options = {"args": [*FLAGS, f"--user-data-dir={profile}"]}
        capabilities = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        session = self.ask("/session", capabilities)["sessionId"]
        self.base += f"/session/{session}"

    def ask(self, path: str, body: dict) -> dict:
        """POST one command and return its value."""
        data = json.dumps(body).encode()
        request = urllib.request.Request(
            self.base + path, data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["value"]

    def command(self, name: str, **params: object) -> dict:
        """One command of the DevTools protocol."""
        return self.ask("/goog/cdp/execute", {"cmd": name, "params": params})

    def close(self) -> None:
        """End the session and with it the browser."""
        urllib.request.urlopen(urllib.request.Request(self.base, method="DELETE"), timeout=30)


def shoot(browser: Browser, url: str, width: int, *, scale: float, limit: int) -> bytes:
    """The whole page at ``width`` CSS pixels, or its first ``limit`` pixels, as PNG."""
    narrow = width < 600
    size = {"width": width, "deviceScaleFactor": scale, "mobile": narrow}
    browser.command("Emulation.setDeviceMetricsOverride", height=900, **size)
    browser.ask("/url", {"url": url})
    box = browser.command("Page.getLayoutMetrics")["cssContentSize"]
    if box["width"] > width:
        print(f"{url}: {box['width']:.0f} pixels of content in a page {width} wide")
    height = min(box["height"], limit) if limit else box["height"]
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    shot = browser.command("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
    return base64.b64decode(shot["data"])


def main() -> None:
    """Parse, start, shoot, stop."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("page", help="an HTML file or a URL")
    parser.add_argument("name", help="the picture's name in docs/img, without .webp")
    parser.add_argument("--width", type=int, default=1280, help="CSS pixels")
    parser.add_argument("--scale", type=float, default=1.0, help="device pixels a CSS pixel")
    parser.add_argument("--limit", type=int, default=0, help="cut off below this many CSS pixels")
    parser.add_argument("--dark", action="store_true", help="ask for the dark scheme")
    parser.add_argument("--pdf", action="store_true", help="also print to NAME.pdf, here")
    given = parser.parse_args()
    url = given.page if "://" in given.page else Path(given.page).resolve().as_uri()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL)
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            browser = start(port, profile)
            scheme = {"name": "prefers-color-scheme", "value": "dark" if given.dark else "light"}
            browser.command("Emulation.setEmulatedMedia", features=[scheme])
            shot = shoot(browser, url, given.width, scale=given.scale, limit=given.limit)
            print(save_webp(Image.open(io.BytesIO(shot)), IMAGES / given.name))
            if given.pdf:
                browser.ask("/url", {"url": url})
                page = browser.command("Page.printToPDF", preferCSSPageSize=True)
                Path(f"{given.name}.pdf").write_bytes(base64.b64decode(page["data"]))
                print(f"{given.name}.pdf")
            browser.close()
    finally:
        driver.terminate()
        driver.wait()


def start(port: int, profile: str) -> Browser:
    """Wait for chromedriver to answer, at most ten seconds."""
    for _ in range(50):
        try:
            return Browser(port, profile)
        except (urllib.error.URLError, ConnectionError) as error:
            if isinstance(error, urllib.error.HTTPError):
                raise
            time.sleep(0.2)
    raise SystemExit("chromedriver does not answer")


if __name__ == "__main__":
    main()
