import csv
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.data.dataset import load
from mien.data.formats.pixelcsv import decode_pixels
from mien.data.sources import list_source
from mien.data.words import understand
from mien.emotions import BALLOT, EMOTIONS, VOTE_COLUMNS


def picture(path, value=90):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (48, 48), value).save(path)


def write_csv(path, header, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


PIXELS = " ".join(["7"] * 2304)


def test_folders_of_any_depth_case_and_language(tmp_path):
    picture(tmp_path / "archive" / "Training" / "ANGER" / "a.PNG")
    picture(tmp_path / "archive" / "validation" / "Happiness" / "batch 2" / "한글 이름.jpg")
    picture(tmp_path / "test" / unicodedata.normalize("NFD", "분노") / "b.png")
    picture(tmp_path / ".hidden" / "happy" / "c.png")
    picture(tmp_path / "__MACOSX" / "happy" / "._a.png")
    (tmp_path / "readme.txt").write_text("x")
    listing = list_source(tmp_path)
    assert [EMOTIONS[e].value for e in listing.emotion] == ["angry", "happy", "angry"]
    assert list(listing.split) == ["train", "valid", "test"]
    assert listing.ignored == 1
    assert (listing.votes == -1).all()


def test_usage_comes_from_file_names(tmp_path):
    for name in ("Training_1.png", "PublicTest_2.png", "other_3.png"):
        picture(tmp_path / "sad" / name)
    listing = list_source(tmp_path)
    assert dict(zip(listing.id, listing.usage, strict=True)) == {
        "sad/PublicTest_2.png": "PublicTest", "sad/Training_1.png": "Training",
        "sad/other_3.png": "",
    }  # fmt: skip


def test_unknown_folders_are_an_error_that_lists_what_is_understood(tmp_path):
    picture(tmp_path / "train" / "bored" / "a.png")
    picture(tmp_path / "train" / "happy" / "b.png")
    with pytest.raises(ValueError, match=r"bored.*1 pictures.*--map 'bored=drop'.*happiness"):
        list_source(tmp_path)
    dropped = list_source(tmp_path, mapping={"Bored": "drop"})
    assert dropped.emotion.tolist() == [-1, 3]
    assert dropped.outside == {0: ("mapped-out", "bored")}
    assert list_source(tmp_path, mapping={"bored": "neutral"}).emotion.tolist() == [4, 3]
    with pytest.raises(ValueError, match="sadd"):
        list_source(tmp_path, mapping={"bored": "sadd"})


def test_mapping_goes_before_known_names():
    assert understand("happy", {"HAPPY": "sad"}).emotion == 5
    assert understand("3", {"3": "happy"}).emotion == 3
    assert understand("3", {}) is None


@pytest.mark.parametrize("name", ["fer2013.csv", "icml_face_data.csv"])
def test_pixel_csv(tmp_path, name):
    header = ["emotion", "pixels", "Usage"] if name[0] == "f" else ["emotion", " Usage", " pixels"]
    rows = [(0, PIXELS, "Training"), (6, PIXELS, "PublicTest"), (4, "1 2 3", "PrivateTest")]
    if name[0] == "i":
        rows = [(e, u, p) for e, p, u in rows]
    write_csv(tmp_path / name, header, rows)
    for source in (tmp_path, tmp_path / name):
        listing = list_source(source)
        assert [EMOTIONS[e].value for e in listing.emotion] == ["angry", "neutral", "sad"]
        assert list(listing.usage) == ["Training", "PublicTest", "PrivateTest"]
        assert list(listing.split) == ["train", "valid", "test"]
        assert list(listing.id) == [f"fer000000{i}.png" for i in range(3)]
        raw = list(listing.raw())
        assert (decode_pixels(raw[0]) == 7).all()
        with pytest.raises(ValueError, match="3 pixels"):
            decode_pixels(raw[2])


def test_ferplus_goes_onto_rows(tmp_path):
    write_csv(
        tmp_path / "fer2013.csv", ["emotion", "pixels", "Usage"], [(3, PIXELS, "Training")] * 3
    )
    write_csv(
        tmp_path / "fer2013new.csv",
        ["Usage", "Image name", *BALLOT],
        [("Training", f"fer{i}.png", *([i] * 10)) for i in range(3)],
    )
    listing = list_source(tmp_path)
    assert listing.vote_file == "fer2013new.csv"
    assert listing.votes[:, 0].tolist() == [-1, 1, 2]  # a row of zeros is nobody's vote
    write_csv(tmp_path / "short.csv", ["Usage", "Image name", *BALLOT], [("", "", *range(10))])
    with pytest.raises(ValueError, match=r"1 rows, but fer2013\.csv has 3"):
        list_source(tmp_path, votes=tmp_path / "short.csv")
    picture(tmp_path / "set" / "happy" / "a.png")
    with pytest.raises(ValueError, match="counts the rows"):
        list_source(tmp_path / "set", votes=tmp_path / "fer2013new.csv")


def test_the_folder_that_figures_come_from_is_laid_out(tmp_path):
    usages = ("Training", "PublicTest", "PrivateTest", "Training")
    write_csv(
        tmp_path / "fer2013.csv", ["emotion", "pixels", "Usage"], [(6, PIXELS, u) for u in usages]
    )
    votes = [(u, f"fer{i}.png", *([0] * 10 if i == 3 else [i] * 10)) for i, u in enumerate(usages)]
    write_csv(tmp_path / "fer2013new.csv", ["Usage", "Image name", *BALLOT], votes)
    tool = Path(__file__).parents[2] / "tools" / "lay_out_fer2013.py"
    sources = [str(tmp_path / name) for name in ("fer2013.csv", "fer2013new.csv", "out")]
    subprocess.run([sys.executable, str(tool), *sources], check=True)
    data = load(tmp_path / "out")
    assert data.id.tolist() == [
        "test/neutral/PublicTest_00001.png", "train/neutral/Training_00000.png",
        "train/neutral/Training_00003.png",
    ]  # fmt: skip
    assert data.votes[:, 0].tolist() == [1, -1, -1]
    assert (data.images == 7).all()


def test_votes_by_name_with_or_without_the_suffix(tmp_path):
    for name in "abc":
        picture(tmp_path / "train" / "happy" / f"{name}.png")
    write_csv(
        tmp_path / "votes.csv",
        ["file", *VOTE_COLUMNS],
        [("train/happy/a.jpg", *range(10)), ("train\\happy\\b.png", *["2.0"] * 10),
         ("train/happy/c.png", *[""] * 10), ("elsewhere.png", *range(10))],
    )  # fmt: skip
    votes = list_source(tmp_path).votes
    assert votes[0].tolist() == list(range(10))
    assert votes[1].tolist() == [2] * 10
    assert votes[2].tolist() == [-1] * 10


def test_shares_are_no_votes(tmp_path):
    picture(tmp_path / "train" / "happy" / "a.png")
    header = ["file", *VOTE_COLUMNS]
    write_csv(tmp_path / "votes.csv", header, [("train/happy/a.png", *["0.1"] * 10)])
    with pytest.raises(ValueError, match=r"votes\.csv: line 2: .*whole numbers"):
        list_source(tmp_path)


def test_a_linked_folder_is_not_passed_over(tmp_path):
    picture(tmp_path / "elsewhere" / "b.png")
    picture(tmp_path / "set" / "angry" / "a.png")
    (tmp_path / "set" / "sad").symlink_to(tmp_path / "elsewhere")
    assert list_source(tmp_path / "set").id == ["angry/a.png", "sad/b.png"]


def test_one_line_says_what_is_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match="mien data download"):
        list_source(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="no pictures"):
        list_source(tmp_path)
    write_csv(tmp_path / "x.csv", ["a", "b"], [(1, 2)])
    with pytest.raises(ValueError, match="no columns emotion and pixels"):
        list_source(tmp_path / "x.csv")
    write_csv(tmp_path / "y.csv", ["emotion", "pixels"], [(9, PIXELS)])
    with pytest.raises(ValueError, match="labels that mean no known emotion: '9'"):
        list_source(tmp_path / "y.csv")
    write_csv(tmp_path / "fer2013.csv", ["emotion", "pixels"], [(1, PIXELS)])
    write_csv(tmp_path / "icml_face_data.csv", ["emotion", "pixels"], [(1, PIXELS)])
    with pytest.raises(ValueError, match="same pictures twice"):
        list_source(tmp_path)
    picture(tmp_path / "happy" / "a.png")
    write_csv(tmp_path / "odd.csv", ["name", "vote"], [("a", 1)])
    with pytest.raises(ValueError, match=r"neither votes\.csv"):
        list_source(tmp_path / "fer2013.csv", votes=tmp_path / "odd.csv")


@pytest.mark.parametrize("text", [b"", b"1 2 x 4", b"1 2 3 999", b"1 2 3", b"-1 2 3 4"])
def test_bad_pixels(text):
    with pytest.raises(ValueError):
        decode_pixels(text)


def test_good_pixels():
    assert decode_pixels(b'"0 1 2 255"').tolist() == [[0, 1], [2, 255]]
    assert decode_pixels(b"0 1 2 255").dtype == np.uint8
