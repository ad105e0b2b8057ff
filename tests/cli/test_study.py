import csv
import json

import pytest
from typer.testing import CliRunner

from mien.cli import build
from mien.measure.evaluate import evaluate
from tests.measure.made import make_table
from tests.measure.test_grouped import face, write


def run(*arguments):
    return CliRunner().invoke(build(), [str(a) for a in arguments])


def test_summary_writes_a_row_for_each_group_and_share(tmp_path):
    rows = [face(f"{place}/{i}.jpg", 0.1 * i) for place in "ab" for i in range(8)]
    faces = write(tmp_path / "faces.csv", rows)
    done = run("summary", faces, "--by", "folder", "--csv", tmp_path / "shares.csv")
    assert done.exit_code == 0, done.output
    with (tmp_path / "shares.csv").open(encoding="utf-8") as file:
        written = list(csv.DictReader(file))
    assert len(written) == 16 and written[0]["folder"] == "a" and written[0]["faces"] == "8"
    happy = next(r for r in written if r["expression"] == "happy")
    low, share, high = (float(happy[name]) for name in ("low", "share", "high"))
    assert low < share < high and share == pytest.approx(0.35)
    before = faces.read_bytes()
    assert isinstance(run("summary", faces, "--csv", faces).exception, ValueError)
    assert faces.read_bytes() == before


def test_methods_prints_a_paragraph_and_bibtex(tmp_path):
    result = evaluate(make_table(60), draws=20)
    (tmp_path / "metrics.json").write_text(json.dumps(result), encoding="utf-8")
    done = run("methods", tmp_path)
    assert done.exit_code == 0 and "Facial expressions were scored with mien" in done.output
    assert done.output.count("@") == 3 and "@software{mien," in done.output
    assert "@" not in run("methods", tmp_path, "--no-bibtex").output
