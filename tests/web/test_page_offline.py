"""The static page after its first visit: without a network, and quickly."""

import os
import time

import pytest

from mien import bundle as bundles
from mien.cores import cores
from mien.web.page import write_page

from .conftest import PHOTO, static_host
from .test_local import runtime  # noqa: F401

pytestmark = pytest.mark.slow

READ = ".box[aria-pressed=true]"
BUDGET = 2.0
"""Seconds from a picture to its first answer on a page that is open, where the cores are idle."""


@pytest.fixture
def site(runtime, tmp_path):  # noqa: F811
    write_page(tmp_path / "site", bundles.find(), ort=runtime)
    return tmp_path / "site"


def test_every_file_is_kept_and_the_page_works_without_its_host(site, page):
    with static_host(site) as url:
        page.goto(url)
        page.wait_for_selector("#promise:has-text('never leave')")
        page.evaluate("async () => void (await navigator.serviceWorker.ready)")
        kept = page.evaluate(
            """async () => {
                const [name] = await caches.keys();
                const requests = await (await caches.open(name)).keys();
                return requests.map(({ url }) => url);
            }"""
        )
        files = {
            url + path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()
        }
        assert set(kept) == {url, *files} - {url + "sw.js"}
    page.reload()  # nobody answers any more
    page.wait_for_selector("#promise:has-text('never leave')")
    started = time.monotonic()
    page.set_input_files("#file", PHOTO)
    page.wait_for_selector(READ)
    crowd = max(1.0, os.getloadavg()[0] / cores())  # others that want the same cores
    assert time.monotonic() - started < BUDGET * crowd
    page.click("[data-language=ko]")
    page.wait_for_selector("#top:has-text('기쁨')")


def test_a_new_page_replaces_the_kept_one(site, page):
    with static_host(site) as url:
        page.goto(url)
        page.evaluate("async () => void (await navigator.serviceWorker.ready)")
        (before,) = page.evaluate("caches.keys()")
        text = (site / "sw.js").read_text()
        version = text.split('VERSION = "')[1].split('"')[0]
        (site / "sw.js").write_text(text.replace(version, "another"))
        page.evaluate("async () => void (await (await navigator.serviceWorker.ready).update())")
        until = time.monotonic() + 20
        while (names := page.evaluate("caches.keys()")) == [before] or len(names) > 1:
            assert time.monotonic() < until, names
            page.wait_for_timeout(100)
        assert names[0].endswith("another") and before.endswith(version)
