"""Pictures of report.html and of the review page for docs/, of drawn faces alone.

    python tools/shoot_review.py [--out docs/img] [--keep FOLDER]

Draws a messy set (copies, conflicts, signs, blanks, wrong labels), prepares it, and pictures the
report and the review page: data-report.webp and data-review.webp at 1280 pixels; with --narrow at
390, as data-report-390.webp and so on. Needs Chromium (Debian: apt-get install
chromium) and pip install playwright; CHROMIUM names another browser.
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright
from webp import save_webp

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.data.drawn import CHANGES, face, placard, write_folder, write_votes  # noqa: E402

from mien.data.prepare import prepare  # noqa: E402
from mien.measure.predictions import Predictions  # noqa: E402

BROWSER = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
COUNTS = {"angry": 150, "disgust": 24, "fear": 140, "happy": 260, "neutral": 190, "sad": 180,
          "surprise": 120}  # fmt: skip
SERVE = "from mien.cli.data import app; app()"


def messy(root: Path) -> None:
    """A set as it might come from the net."""
    write_folder(root, COUNTS)
    rng = np.random.default_rng(8)
    train = root / "train"
    for kind in COUNTS:
        for i in range(int(rng.integers(6, 14))):
            image = np.asarray(Image.open(train / kind / f"face_{i:04d}.png"))
            for change in CHANGES[: int(rng.integers(1, 5))]:
                name = f"again_{i:04d}_{change.__name__}.png"
                Image.fromarray(change(image, rng)).save(train / kind / name)
    for i in range(14, 22):
        shutil.copy(train / "sad" / f"face_{i:04d}.png", train / "fear" / f"same_{i:04d}.png")
    for i in range(9):
        Image.fromarray(placard(rng)).save(train / "neutral" / f"sign_{i}.png")
    for i in range(3):
        Image.new("L", (48, 48), int(rng.integers(0, 255))).save(train / "angry" / f"blank_{i}.png")
    for i in range(24):
        Image.fromarray(face(rng, "happy")).save(train / "sad" / f"lost_{i:04d}.png")
    (train / "happy" / "broken.png").write_bytes(b"no picture")
    write_votes(root, {f"train/sad/face_{i:04d}.png": {"sad": 7, "fear": 2} for i in range(14, 18)})


def predictions(ids: list[str], emotion: np.ndarray) -> Predictions:
    """Scores of nobody: sure of the label, but for the happy faces among the sad ones."""
    scores = np.full((len(ids), 7), 0.03)
    believed = np.where(["lost_" in i for i in ids], 3, emotion)
    scores[np.arange(len(ids)), believed] = 0.82
    return Predictions(id=np.array(ids), y=emotion, label=scores, system="made up, for the picture")


def main() -> None:
    """Draw, prepare, and take every picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "img")
    parser.add_argument("--narrow", action="store_true", help="At 390 pixels, a phone's width.")
    parser.add_argument("--keep", type=Path, help="Leave the prepared set here.")
    given = parser.parse_args()
    given.out.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "drawn-faces", given.keep or Path(folder) / "prepared"
        messy(source)
        first = prepare(source, out)
        ids = [i for i, r in zip(first.listing.id, first.fates.reason, strict=True) if not r]
        rows = [first.listing.id.index(i) for i in ids]
        prepare(source, out, predictions=predictions(ids, first.fates.emotion[rows]))
        service = subprocess.Popen(
            [sys.executable, "-c", SERVE, "review", out, "--port", "0", "--no-browser"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            url = service.stdout.readline().split(": ")[1].split()[0]
            shoot(given.out, out / "report.html", url, narrow=given.narrow)
        finally:
            service.terminate()


def shoot(out: Path, report: Path, url: str, *, narrow: bool) -> None:
    """Report and page at one width."""
    width, height = (390, 844) if narrow else (1280, 900)
    end = f"-{width}" if narrow else ""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=BROWSER, args=FLAGS)
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="light")
        page.goto(report.as_uri())
        tall = min(3000, page.evaluate("document.documentElement.scrollHeight"))
        page.set_viewport_size({"width": width, "height": tall})
        save(page.screenshot(), out / f"data-report{end}")
        page.set_viewport_size({"width": width, "height": height})
        page.goto(url)
        page.wait_for_selector(".cell.here img")
        page.locator("#reasons button", has_text="mislabelled").click()
        for key in ("a", "ArrowRight", "k", "6", "d"):
            page.keyboard.press(key)
        page.wait_for_selector(".cell i.drop")
        page.wait_for_timeout(300)
        save(page.screenshot(), out / f"data-review{end}")
        browser.close()


def save(png: bytes, path: Path) -> None:
    """Write a shot as WebP."""
    print(save_webp(Image.open(io.BytesIO(png)), path))


if __name__ == "__main__":
    main()
