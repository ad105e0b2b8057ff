"""axe-core finds nothing serious on the page, in any of its looks."""

import hashlib
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from mien.infer.model import load
from mien.web.app import create_app
from mien.web.files import PAGE

from .conftest import running

AXE, SHA256 = "axe-core@4.14.1", "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
SAMPLES = PAGE / "samples"
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LOOKS = [
    ("light", DESKTOP, False, "en"),
    ("dark", PHONE, True, "ko"),
    pytest.param("dark", DESKTOP, False, "ko", marks=pytest.mark.slow),
    pytest.param("light", PHONE, True, "en", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module")
def axe(tmp_path_factory) -> str:
    """axe-core's script, fetched once a run; only its pinned version is taken."""
    folder = tmp_path_factory.mktemp("axe")
    npm = shutil.which("npm")
    command = [npm or "npm", "pack", AXE, "--silent", "--pack-destination", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    except (OSError, subprocess.SubprocessError) as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{AXE} could not be fetched by npm: {error}")
        pytest.skip(f"{AXE} could not be fetched by npm: {error}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        data = archive.extractfile("package/axe.min.js").read()
    assert hashlib.sha256(data).hexdigest() == SHA256
    return data.decode()


@pytest.fixture(scope="module")
def url():
    with running(create_app(load(threads=1))) as url:
        yield url


@pytest.mark.parametrize(("theme", "size", "touch", "language"), LOOKS)
def test_axe_finds_nothing_serious(browser, axe, url, theme, size, touch, language):
    context = browser.new_context(
        viewport=size, color_scheme=theme, has_touch=touch, is_mobile=touch, locale=language,
        permissions=["camera"], bypass_csp=True,
    )  # fmt: skip
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector('#promise:has-text(".")')
    page.evaluate(axe)
    found = _violations(page, "empty")
    page.set_input_files("#file", [SAMPLES / "group.jpg", SAMPLES / "stern.jpg", Path(__file__)])
    page.wait_for_selector("#table tr.bad")
    page.wait_for_selector(".tag >> nth=5")
    found += _violations(page, "group")
    page.click("#maps")
    page.wait_for_selector("#map:visible")
    found += _violations(page, "heat map")
    page.click("[data-key=strip-2]")
    page.wait_for_selector(".notice.error")
    found += _violations(page, "error")
    page.click("#toolbar [data-do=camera]")
    page.wait_for_selector("#history:visible")
    found += _violations(page, "camera")
    context.close()
    assert found == []


def _violations(page, state: str) -> list[str]:
    page.locator(".busy").wait_for(state="detached")
    page.wait_for_timeout(300)  # colours and bars arrive
    result = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        f"{state}: {violation['id']}: {node['html'][:160]}"
        for violation in result["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
