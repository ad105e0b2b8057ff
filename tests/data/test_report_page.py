import re

import pytest
from PIL import Image, ImageOps

from mien.data.decisions import read_decisions
from mien.data.options import Options
from mien.data.prepare import prepare
from mien.data.report_page import write_report
from mien.data.wording import imbalance
from tests.data.drawn import write_folder


def test_the_report_is_one_offline_file_and_can_be_rebuilt(tmp_path):
    write_folder(tmp_path / "set", {"happy": 20, "sad": 12, "disgust": 2})
    (tmp_path / "set" / "train" / "sad" / "<b>x.png").write_bytes(b"bad & broken")
    out = tmp_path / "out"
    prepare(tmp_path / "set", out)
    html = (out / "report.html").read_text()
    assert not re.search(r"(src|href)=\"(?!data:|#)", html)
    assert "34 of 35 pictures are kept" in html
    assert "Unreadable" in html
    assert "<b>x.png" not in html
    assert "no picture has a copy" in html or "No group of copies lies in two splits" in html
    (out / "report.html").unlink()
    assert write_report(out).read_text() == html


def test_what_was_not_searched_for_is_not_claimed(tmp_path):
    write_folder(tmp_path / "set", {"happy": 20, "sad": 12})
    happy = tmp_path / "set" / "train" / "happy"
    for i in range(3):  # mirrored without loss, these correlate to 1
        ImageOps.mirror(Image.open(happy / f"face_{i:04d}.png")).save(happy / f"mirror_{i}.png")
    prepare(tmp_path / "set", tmp_path / "near")
    html = (tmp_path / "near" / "report.html").read_text()
    assert "Identical pixels occur in 0 groups" in html
    assert "Near copies add 3 pairs, 3 of them mirrored" in html
    assert "no test picture has a copy in training" in html
    prepare(tmp_path / "set", tmp_path / "identical", Options(correlation=2))
    html = (tmp_path / "identical" / "report.html").read_text()
    assert "no test picture has a copy in training" not in html
    assert "near ones were not searched for" in html


def test_decisions_without_a_header_are_refused(tmp_path):
    (tmp_path / "d.csv").write_text("train/sad/a.png,drop,\n")
    with pytest.raises(ValueError, match="its first line is not a header"):
        read_decisions(tmp_path / "d.csv")
    (tmp_path / "d.csv").write_text("")
    assert read_decisions(tmp_path / "d.csv") == {}


def test_a_folder_that_was_not_prepared(tmp_path):
    with pytest.raises(FileNotFoundError, match="prepare first"):
        write_report(tmp_path)


def test_what_the_imbalance_means():
    after = {
        "train": [80, 8, 0, 200, 80, 80, 80],
        "valid": [0] * 7,
        "test": [10, 1, 0, 25, 10, 10, 10],
    }
    said = " ".join(imbalance({"after": after}))
    assert "Happy has 25.0 times as many pictures as disgust" in said
    assert "right in 38 % of the cases" in said
    assert "1 of disgust: recall there is known to about ± 98 points" in said
    assert "No picture of fear is left" in said
    assert (
        "one class"
        in imbalance(
            {"after": {"train": [3, 0, 0, 0, 0, 0, 0], "valid": [0] * 7, "test": [0] * 7}}
        )[0]
    )
