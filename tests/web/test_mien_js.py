"""packages/mien-js: packed by npm, and used in a browser by a page that knows nothing else."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from mien import bundle as bundles
from mien.infer.model import load

from .conftest import PHOTO, static_host
from .test_local import runtime  # noqa: F401

pytestmark = pytest.mark.slow

PACKAGE = Path(__file__).parents[2] / "packages" / "mien-js"


@pytest.fixture(scope="module")
def unpacked(runtime, tmp_path_factory) -> Path:  # noqa: F811
    """The package as npm installs it, beside a page that uses it."""
    folder = tmp_path_factory.mktemp("mien-js")
    shutil.copytree(PACKAGE, folder / "source", ignore=shutil.ignore_patterns("dist", "*.tgz"))
    environment = os.environ | {"MIEN": f"{sys.executable} -m mien", "MIEN_ORT": str(runtime)}
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder)]
    subprocess.run(command, cwd=folder / "source", env=environment, check=True, timeout=300)
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    shutil.copy(PHOTO, folder / "photo.jpg")
    (folder / "index.html").write_text(
        '<!doctype html><link rel="icon" href="data:,"><img src="photo.jpg" alt="">'
    )
    return folder


def test_the_package_holds_what_it_needs_and_no_more(unpacked):
    package = unpacked / "package"
    told = json.loads((package / "package.json").read_text())
    for name in (told["main"], told["types"], "README.md", "dist/config.json"):
        assert (package / name).is_file()
    assert not list(package.rglob("*.html")) and not list(package.rglob("*.jpg"))
    scripts = {file.name for file in (package / "dist" / "js").iterdir()}
    assert {"engine.js", "local-worker.js", "detect.js"} <= scripts
    assert "main.js" not in scripts


@pytest.mark.parametrize("given", ["img", "blob", "canvas", "base"])
def test_every_kind_of_image_gives_pythons_faces(unpacked, page, given):
    with static_host(unpacked) as url:
        page.goto(url)
        faces = page.evaluate(
            """async (given) => {
                const { analyze, load } = await import("./package/index.js");
                const img = document.querySelector("img");
                if (given === "img") return analyze(img);
                const blob = await (await fetch("photo.jpg")).blob();
                if (given === "blob") return analyze(blob, { minFace: 40 });
                if (given === "base") {
                    const mien = await load({ base: "package/dist/" });
                    const found = await mien.analyze(blob);
                    mien.close();
                    return found;
                }
                await img.decode();
                const canvas = document.createElement("canvas");
                [canvas.width, canvas.height] = [img.naturalWidth, img.naturalHeight];
                canvas.getContext("2d").drawImage(img, 0, 0);
                return analyze(canvas);
            }""",
            given,
        )
    (expected,) = load(bundles.find(), threads=1).analyze(PHOTO)
    (face,) = faces
    assert face["box"] == pytest.approx(expected.box, abs=4)
    assert face["top"] == expected.expression.top
    for group in ("expression", "votes", "label"):
        mine = {e.value: share for e, share in getattr(expected.expression, group).items()}
        assert face[group] == pytest.approx(mine, abs=0.05)


def test_what_is_no_picture_is_said(unpacked, page):
    with static_host(unpacked) as url:
        page.goto(url)
        code = page.evaluate(
            """async () => {
                const { analyze } = await import("./package/index.js");
                return analyze(new Blob(["text"])).catch((error) => error.code);
            }"""
        )
    assert code == "picture"
