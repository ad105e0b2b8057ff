"""What a run leaves: rights, formulas, escapes, rows after signals, misleading names."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import mien
from mien.cli import build
from mien.cli.plain import visible, visible_json
from mien.infer.job import Summary
from mien.infer.outputs import CsvOutput, guarded, unguarded
from mien.infer.parquet import ParquetOutput, parts
from mien.infer.results import Picture
from tests.infer.test_outputs import KINDS, MADE
from tests.tiny import make_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture
def folder(tmp_path):
    """Forty crops."""
    place = tmp_path / "in"
    place.mkdir()
    rng = np.random.default_rng(1)
    for number in range(40):
        Image.fromarray(rng.integers(0, 256, (48, 48), np.uint8)).save(place / f"{number:02}.png")
    return place


def run(*arguments):
    return CliRunner().invoke(build(), [*map(str, arguments)])


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
def test_files_have_the_rights_that_the_user_asks_for(folder, bundle, tmp_path):
    before = os.umask(mask := 0o026)
    try:
        outputs = [x for n in ("csv", "jsonl", "parquet") for x in (f"--{n}", tmp_path / f"a.{n}")]
        options = ("--crops", "--model", bundle, *outputs, "--annotate", tmp_path / "drawn")
        assert run("predict", folder / "00.png", *options).exit_code == 0
    finally:
        os.umask(before)
    made = [p for p in tmp_path.rglob("*") if p.is_file() and folder not in p.parents]
    assert len(made) >= 6
    assert {oct(path.stat().st_mode & 0o777) for path in made} == {oct(0o666 & ~mask)}


DANGEROUS = ["=1+1.png", "+1.png", "-1.png", "@SUM(A1).png", "\tx.png", "'=x.png", "''@.png"]


@pytest.mark.parametrize("name", [*DANGEROUS, "plain.png", "'quoted'.png", "a=b.png", ""])
def test_a_cell_is_no_formula_and_can_be_read_back(name):
    cell = guarded(name)
    assert not re.match(r"[=+\-@\t\r]", cell)
    assert unguarded(cell) == name
    assert (cell == name) == (name not in DANGEROUS)
    assert guarded(-0.5) == -0.5 and guarded(None) is None


def test_formulas_in_names_and_errors_reach_no_spreadsheet(tmp_path):
    path = tmp_path / "out.csv"
    for turn in range(2):  # the second goes on with the first, and writes nothing twice
        output = CsvOutput(path, MADE)
        assert output.open() == (set(DANGEROUS) if turn else set())
        for name in [] if turn else DANGEROUS:
            output.write(Picture(name, 48, 48, error=f"{name}: bad"))
        output.close()
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["source"] for row in rows] == [f"'{name}" for name in DANGEROUS]
    assert all(row["error"].startswith("'") for row in rows)


def test_numbers_keep_their_minus(folder, bundle, tmp_path):
    model = mien.load(bundle, threads=1)
    (face,) = model.analyze(folder / "00.png", crops=True)
    from dataclasses import replace

    output = CsvOutput(tmp_path / "out.csv", MADE)
    output.open()
    output.write(Picture("a.png", 48, 48, [replace(face, box=(-3.5, -1, 2, 4))]))
    output.close()
    with (tmp_path / "out.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (float(row["box_left"]), float(row["box_top"])) == (-3.5, -1)


def test_rows_say_what_made_them(folder, bundle, tmp_path):
    card = json.loads((bundle / "card.json").read_text())
    options = (
        "--crops",
        "--model",
        bundle,
        "--csv",
        tmp_path / "a.csv",
        "--jsonl",
        tmp_path / "a.jsonl",
    )
    run("predict", folder / "00.png", *options)
    with (tmp_path / "a.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    line = json.loads((tmp_path / "a.jsonl").read_text())
    for entry in (row, line):
        assert (entry["model_sha256"], entry["mien_version"]) == (card["sha256"], mien.__version__)
    assert row["detector_score"] == row["score"] == "1.0"
    assert line["faces"][0]["detector_score"] == line["faces"][0]["score"] == 1.0


ESCAPES = ["\x1b[31mred", "\x1b]0;title\x07", "a\rb", "\x9b2J", "\u202egnp.exe", "a\u2028b", "\x00"]


@pytest.mark.parametrize("text", ESCAPES)
def test_a_terminal_obeys_no_name(text):
    shown = visible(text)
    assert shown.isprintable() and shown.isascii()
    encoded = visible_json(json.dumps({"a\n": text}, ensure_ascii=False, indent=1))
    assert json.loads(encoded) == {"a\n": text}
    assert all(letter.isprintable() or letter == "\n" for letter in encoded)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such names")
@pytest.mark.parametrize("how", [[], ["--json"], ["--csv", "out.csv"]])
def test_names_with_escapes_are_shown_written_out(folder, bundle, tmp_path, monkeypatch, how):
    monkeypatch.chdir(tmp_path)
    for text in ESCAPES[:-1]:
        name = text.replace("/", "_")
        (folder / f"{name}.png").write_bytes(b"")
        (folder / f"{name} good.png").write_bytes((folder / "00.png").read_bytes())
    result = run("predict", folder, "--crops", "--model", bundle, *how)
    assert result.exit_code == 0
    for stream in (result.stdout, result.stderr):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e]", stream)
    assert "good.png" in result.stdout or how[:1] == ["--csv"]


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("--csv", "out.xlsx"), ("--csv", "out.parquet"), ("--csv", "out.JSONL"),
        ("--jsonl", "out.csv"), ("--jsonl", "out.json"), ("--parquet", "out.csv"),
    ],
)  # fmt: skip
def test_a_name_that_promises_another_format_is_refused(folder, bundle, tmp_path, option, name):
    result = run("predict", folder, "--model", bundle, option, tmp_path / name)
    assert isinstance(result.exception, ValueError)
    assert option in str(result.exception) and "ends in" in str(result.exception)
    assert not (tmp_path / name).exists()


def test_copies_do_not_go_into_a_file(folder, bundle):
    result = run("predict", folder, "--model", bundle, "--annotate", folder / "00.png")
    assert "name a folder" in str(result.exception)


def test_an_address_is_an_entry_that_says_so(bundle):
    result = run("predict", "https://example.org/a.jpg", "--model", bundle)
    assert result.exit_code == 1
    assert "an address" in result.stderr and "download" in result.stderr


def test_crops_get_a_hint_and_photos_none(folder, bundle, tmp_path):
    assert "--crops" in run("predict", folder, "--model", bundle).stderr
    assert "--crops" not in run("predict", folder, "--crops", "--model", bundle).stderr
    Image.new("RGB", (400, 300)).save(tmp_path / "photo.png")
    assert "--crops" not in run("predict", tmp_path / "photo.png", "--model", bundle).stderr


def test_a_few_small_pictures_among_photos_are_no_folder_of_crops():
    summary = Summary()
    for size in [(48, 48)] * 3 + [(4000, 3000)] * 4:
        summary.add(Picture("a", *size))
    assert summary.small == 3 and not summary.likely_crops


@KINDS
def test_what_is_pending_is_written_by_the_minute(kind, tmp_path, monkeypatch):
    """What a kill would lose: nothing older than a minute."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    output = kind(tmp_path / "out", MADE)
    output.open()
    for number in range(7):
        output.write(Picture(f"{number}.png", 48, 48))
        now[0] += 20
    if kind is ParquetOutput:
        assert len(parts(str(tmp_path / "out"))) == 2
        import pyarrow.parquet as pq

        assert pq.read_table(tmp_path / "out").num_rows >= 6
    else:
        assert len((tmp_path / "out").read_bytes().splitlines()) >= 7
    output.close()


SLOW = """
import sys, time
from mien.infer import many
read = many.read
def slowly(source):
    time.sleep(0.05)
    return read(source)
many.read = slowly
from mien.cli import main
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(
    "name",
    [
        "SIGTERM",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("SIGHUP", "SIGQUIT", "SIGINT")),
    ],
)
def test_a_signal_loses_no_row_that_was_made(folder, bundle, tmp_path, name):
    table, lines, out = tmp_path / "a.csv", tmp_path / "a.jsonl", tmp_path / "out"
    options = ("--crops", "--model", bundle, "--threads", 1)
    options += ("--csv", table, "--jsonl", lines, "--parquet", out)
    pictures = [folder / f"{number:02}.png" for number in range(40)]
    command = [sys.executable, "-c", SLOW, "predict", *pictures, *options]
    running = subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (lines.exists() and lines.stat().st_size):
        time.sleep(0.02)
    running.send_signal(getattr(signal, name))
    said = running.communicate(timeout=60)[1]
    assert running.returncode == 128 + getattr(signal, name), said
    import pyarrow.parquet as pq

    def sources():
        with table.open(newline="") as file:
            rows = [row["source"] for row in csv.DictReader(file)]
        entries = [json.loads(line)["source"] for line in lines.read_text().splitlines()]
        return [sorted(rows), sorted(entries), sorted(pq.read_table(out)["source"].to_pylist())]

    held = [len(found) for found in sources()]
    assert min(held) > 0 and max(held) < 40
    assert max(held) - min(held) <= 1  # the signal may come between two outputs
    assert run("predict", folder, *options).exit_code == 0
    assert sources() == [sorted(map(str, pictures))] * 3


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["pridict", "a.jpg"], "predict"),
        (["photo.jpg"], "mien predict photo.jpg"),
        (["prepare", "x"], "mien data prepare"),
        (["models", "ad", "x"], "add"),
        (["predict", "a.jpg", "--cvs", "x"], "--csv"),
    ],
)
def test_a_typing_error_gets_what_was_meant(typed, meant):
    result = run(*typed)
    assert result.exit_code == 2
    assert meant in " ".join(result.output.replace("│", " ").split())
