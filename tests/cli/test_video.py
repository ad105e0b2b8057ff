import csv
import json
import re
from io import StringIO

import av
import numpy as np
import pytest
import typer
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from mien.cli.following import Frames
from mien.cli.video import video
from mien.infer.video_outputs import COLUMNS
from tests.infer.footage import crossing, write
from tests.tiny import make_bundle

TIMES = [0, 0.05, 0.1, 0.3, 0.4, 0.5, 0.8, 0.9, 1.0, 1.2]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    bundle = make_bundle(tmp_path_factory.mktemp("bundles") / "tiny")
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(video)

    def run(*arguments):
        return CliRunner().invoke(
            app, [*map(str, arguments), "--model", str(bundle), "--min-face", "80"]
        )

    return run


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write(tmp_path_factory.mktemp("film") / "in.mp4", [crossing(t / 9) for t in TIMES],
                 TIMES)  # fmt: skip


@pytest.fixture(scope="module")
def made(run, film, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "new"
    result = run(film, "--out", out / "out.mp4", "--csv", out / "out.csv", "--json",
                 out / "out.jsonl", "--timeline", out / "out.png", "--lang", "ko")  # fmt: skip
    assert result.exit_code == 0, result.exception
    return out, result


def test_it_tells_who_was_seen(made):
    _, result = made
    assert "10 frames, 2 people" in result.stderr
    assert result.stdout.count(" s ") >= 4


def test_csv_and_json_have_a_row_a_face_and_frame(made):
    out, _ = made
    with (out / "out.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert tuple(table[0]) == COLUMNS
    assert len(table) == 20
    assert sorted({float(row["time"]) for row in table}) == pytest.approx(TIMES, abs=2e-3)
    assert {row["track"] for row in table} == {"1", "2"}
    lines = [json.loads(line) for line in (out / "out.jsonl").read_text().splitlines()]
    assert [(x["frame"], x["track"]) for x in lines] == [
        (int(row["frame"]), int(row["track"])) for row in table
    ]
    assert lines[0]["votes"]["happy"] == float(table[0]["votes_happy"])


def test_the_film_keeps_every_frame_at_its_time(made):
    out, _ = made
    with av.open(str(out / "out.mp4")) as container:
        frames = list(container.decode(video=0))
    assert [frame.time for frame in frames] == pytest.approx(TIMES, abs=2e-3)
    first = frames[0].to_ndarray(format="rgb24")
    assert first.shape[0] == 480
    assert first.shape[1] > 640


def test_the_timeline_has_a_row_a_person(made):
    out, _ = made
    with Image.open(out / "out.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape[1] == 1600
    assert 250 < pixels.shape[0] < 500
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100


def test_what_cannot_be_done_is_said(run, film, tmp_path):
    assert "--camera" in str(run().exception)
    assert "name a video file" in str(run(film, "--camera", "0").exception)
    assert "would be replaced" in str(run(film, "--out", film).exception)
    assert "camera 77" in str(run("--camera", "77").exception)
    text = tmp_path / "notes.mp4"
    text.write_text("dear diary")
    assert "cannot be read as a video" in str(run(text).exception)
    assert "cannot be written" in str(run(film, "--out", tmp_path / "out.xyz").exception)


def test_outputs_are_checked_before_the_film_is_read(run, film, tmp_path, monkeypatch):
    def watch(*arguments, **options):
        raise AssertionError("the film is read")

    monkeypatch.setattr("mien.infer.video.watch", watch)
    (tmp_path / "file").write_text("")
    before = film.read_bytes()
    wrong = {
        "a picture; name a .png": ["--timeline", tmp_path / "line.pngg"],
        "as a picture": ["--timeline", tmp_path / "line"],
        "a film; name an .mp4": ["--out", tmp_path / "out.mp3"],
        "name an .mp4": ["--out", tmp_path / "out.png"],
        "a folder; name a file": ["--csv", tmp_path],
        "cannot be made": ["--json", tmp_path / "file" / "out.jsonl"],
        "would be replaced": ["--csv", film],
        "pass --overwrite": ["--csv", tmp_path / "file"],
        "two outputs": ["--csv", tmp_path / "out", "--json", tmp_path / "sub" / ".." / "out"],
    }
    for message, arguments in wrong.items():
        error = run(film, *arguments).exception
        assert isinstance(error, ValueError), (arguments, error)
        assert message in str(error)
        assert "\n" not in str(error)
    assert film.read_bytes() == before
    fine = run(film, "--out", tmp_path / "o.mkv", "--timeline", tmp_path / "t.JPG")
    assert "the film is read" in str(fine.exception)
    again = run(film, "--csv", tmp_path / "file", "--overwrite")
    assert "the film is read" in str(again.exception)


def test_an_output_that_cannot_be_written_does_not_cost_the_others(run, film, tmp_path):
    result = run(film, "--csv", "/dev/full", "--json", tmp_path / "out.jsonl")
    assert "/dev/full: could not be written" in str(result.exception)
    assert "free some space" in str(result.exception)
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl"]


def test_a_film_without_a_frame_leaves_no_output(run, film, tmp_path, monkeypatch):
    monkeypatch.setattr("mien.infer.video.watch", lambda *_, **__: iter(()))
    error = run(film, "--csv", tmp_path / "out.csv", "--out", tmp_path / "out.mp4").exception
    assert "no frame could be decoded" in str(error)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("width", [40, 80])
def test_progress_fits_the_terminal_and_moves_only_where_it_can(width, monkeypatch):
    monkeypatch.setattr("mien.cli.following.PAUSE", 0.0)
    for dumb in (False, True):
        said = StringIO()
        environment = {"TERM": "dumb" if dumb else "xterm", "NO_COLOR": "1"}
        console = Console(file=said, force_terminal=True, width=width, _environ=environment)
        frames = Frames(console, 20_000)
        with frames.progress:
            for _ in range(5):
                frames.advance()
            frames.progress.refresh()
        text = said.getvalue()
        assert "5 of 20,000" in text
        assert "left" in text
        assert ("\x1b[2K" in text) != dumb
        plain = re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", text)
        # Rich takes any dumb terminal for one of 80 columns
        assert max(map(len, re.split(r"[\r\n]", plain))) <= (80 if dumb else width)
