"""``mien predict`` with a made bundle, and a folder for it."""

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from mien.cli.predict import predict
from tests.tiny import make_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="module")
def run(bundle):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(predict)

    def run(*arguments):
        return CliRunner().invoke(app, [*map(str, arguments), "--model", str(bundle)])

    return run


@pytest.fixture
def folder(tmp_path):
    """Six crops, a text file called .png, and what a folder is not searched for."""
    rng = np.random.default_rng(1)
    place = tmp_path / "in"
    (place / "sub").mkdir(parents=True)
    for i in range(6):
        pixels = rng.integers(0, 256, (48, 48), dtype=np.uint8)
        Image.fromarray(pixels).save(place / ("sub" if i % 2 else "") / f"{i}.png")
    (place / "bad.png").write_text("not a picture")
    (place / "notes.txt").write_text("not looked at")
    (place / ".hidden.png").write_bytes(b"")
    return place
