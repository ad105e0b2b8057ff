"""Files of results: whose they are, and what is said where they cannot be gone on with."""

import csv
from pathlib import Path

import pytest

from mien.infer.job import Job
from mien.infer.outputs import CsvOutput, JsonLinesOutput, check_file
from mien.infer.parquet import ParquetOutput
from mien.infer.record import Made
from mien.infer.results import Picture
from tests.full_disk import no_file_above

MADE = Made("tiny", sha256="a" * 64)
KINDS = pytest.mark.parametrize("kind", [CsvOutput, JsonLinesOutput, ParquetOutput])


def written_by(output, *names):
    output.open()
    for name in names:
        output.write(Picture(name, 48, 48))
    output.close()


@KINDS
def test_a_second_run_on_an_output_is_refused_until_the_first_ends(kind, tmp_path):
    first = kind(tmp_path / "out", MADE)
    first.open()
    first.write(Picture("a.png", 48, 48))
    for fresh in (False, True):
        with pytest.raises(ValueError, match="out: another run is writing it"):
            kind(tmp_path / "out", MADE).open(fresh=fresh)
    first.close()
    second = kind(tmp_path / "out", MADE)
    assert second.open() == {"a.png"}
    second.close()


@KINDS
def test_a_refused_output_is_free_for_another_try(kind, tmp_path):
    written_by(kind(tmp_path / "out", MADE), "a.png")
    other = kind(tmp_path / "out", Made("other"))
    with pytest.raises(ValueError, match="holds results"):
        other.open()
    assert other.open(fresh=True) == set()
    other.close()


@KINDS
def test_what_could_not_be_read_is_counted_when_gone_on_with(kind, tmp_path):
    first = kind(tmp_path / "out", MADE)
    first.open()
    first.write(Picture("a.png", 48, 48))
    first.write(Picture("b.png", error="b.png: cannot be opened"))
    first.close()
    output = kind(tmp_path / "out", MADE)
    assert output.open() == {"a.png", "b.png"}
    assert output.unread == 1
    output.close()


@KINDS
def test_retry_takes_out_what_could_not_be_read_and_nothing_else(kind, tmp_path):
    names = ["a.png", "bad\n1.png", "b.png", "bad 2.png", "bad 3.png", "c.png", "bad 4.png"]
    first = kind(tmp_path / "out", MADE)
    first.open()
    for name in names:
        error = f"{name}: cannot be opened" if name.startswith("bad") else None
        first.write(Picture(name, 48, 48, error=error))
    first.close()
    written_by(kind(tmp_path / "good", MADE), "a.png", "b.png", "c.png")

    again = kind(tmp_path / "out", MADE)
    assert again.open(retry=True) == {"a.png", "b.png", "c.png"}
    assert again.unread == 0
    with pytest.raises(ValueError, match="another run is writing it"):
        kind(tmp_path / "out", MADE).open()
    if kind is not ParquetOutput:
        assert (tmp_path / "out").read_bytes() == (tmp_path / "good").read_bytes()
    again.write(Picture("bad 2.png", 48, 48))
    again.close()
    assert not list(tmp_path.glob("*.part")) and not list((tmp_path).glob("out/_retry*"))
    last = kind(tmp_path / "out", MADE)
    assert last.open(retry=True) == {"a.png", "b.png", "c.png", "bad 2.png"}
    last.close()


@KINDS
def test_retry_of_nothing_but_errors_begins_anew(kind, tmp_path):
    first = kind(tmp_path / "out", MADE)
    first.open()
    first.write(Picture("bad.png", error="bad.png: cannot be opened"))
    first.close()
    again = kind(tmp_path / "out", MADE)
    assert again.open(retry=True) == set()
    again.write(Picture("bad.png", 48, 48))
    again.close()
    last = kind(tmp_path / "out", MADE)
    assert last.open() == {"bad.png"} and last.unread == 0
    last.close()


@pytest.mark.parametrize("name", ["a\rb.png", 'a"\rb,c.png', "a\nb.png"])
@KINDS
def test_any_name_can_be_gone_on_with(kind, name, tmp_path):
    written_by(kind(tmp_path / "out", MADE), name, "b.png")
    output = kind(tmp_path / "out", MADE)
    assert output.open() == {name, "b.png"}
    output.close()
    if kind is CsvOutput:
        with (tmp_path / "out").open(newline="") as file:
            assert [row["source"] for row in csv.DictReader(file)] == [name, "b.png"]


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        (CsvOutput, b"b.png,48,48,0", b"b.png,48,48,none"),
        (CsvOutput, b"b.png,48,48,0", b"b.png\r,48,48,0"),
        (JsonLinesOutput, b'"b.png",', b'"b.png"'),
    ],
)
def test_damage_is_told_by_file_and_line(kind, old, new, tmp_path):
    path = tmp_path / "out"
    written_by(kind(path, MADE), "a.png", "b.png", "c.png")
    text = path.read_bytes()
    assert old in text
    path.write_bytes(text.replace(old, new))
    with pytest.raises(ValueError, match=r"out: line \d is damaged; .*--overwrite"):
        kind(path, MADE).open()
    assert path.read_bytes() == text.replace(old, new)


def test_a_device_is_no_output():
    with pytest.raises(ValueError, match="/dev/null: not a file"):
        check_file(Path("/dev/null"))


def test_a_full_disk_names_the_file_and_closes_the_analysis(tmp_path):
    closed = []

    def analysed():
        try:
            for number in range(10_000):
                yield Picture(f"{number}.png", 48, 48)
        finally:
            closed.append(True)

    output = CsvOutput(tmp_path / "faces.csv", MADE)
    job = Job([f"{number}.png" for number in range(10_000)], [output])
    job.open()
    pictures = analysed()
    with (
        no_file_above(20_000),
        pytest.raises(OSError, match=r"faces.csv: cannot be written .*; free some space"),
    ):
        list(job.run(pictures))
    assert closed == [True]
    again = CsvOutput(tmp_path / "faces.csv", MADE)
    assert len(again.open()) > 100
    again.close()
