import csv

import numpy as np
import pytest

from mien.emotions import EMOTIONS
from mien.measure.grouped import SHARES, read_faces, summarize


def write(path, rows, extra=()):
    names = ["source", *extra, *(f"votes_{e}" for e in EMOTIONS), "unclear"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)
    return path


def face(source, happy, *extra, unclear=0.1):
    rest = (1 - happy) / 6
    return [source, *extra, *(happy if e == "happy" else rest for e in EMOTIONS), unclear]


def test_shares_are_means_over_the_faces_of_each_folder(tmp_path):
    rows = [face("a/1.jpg", 0.9), face("a/2.jpg", 0.7), face("b\\3.jpg", 0.2)]
    rows += [["c/none.jpg", *[""] * 8]]
    faces = read_faces(write(tmp_path / "faces.csv", rows))
    assert faces.skipped == 1
    first, second = summarize(faces, by=["folder"])
    happy = SHARES.index("happy")
    assert (first.key, first.faces, first.clusters) == (("a",), 2, 2)
    assert first.share[happy] == pytest.approx(0.8)
    assert first.low[happy] == pytest.approx(0.7) and first.high[happy] == pytest.approx(0.9)
    assert second.key == ("b",) and np.isnan(second.low).all()


def test_faces_of_one_picture_are_resampled_together(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for picture in range(30):
        happy = rng.random()
        rows += [face(f"{picture}.jpg", happy, f"p{picture}-{i}") for i in range(20)]
    faces = read_faces(write(tmp_path / "faces.csv", rows, extra=["person"]))
    (together,) = summarize(faces)
    (apart,) = summarize(faces, cluster="person")
    width = [(g.high - g.low)[SHARES.index("happy")] for g in (together, apart)]
    assert width[0] > 3 * width[1]  # twenty equal faces a picture: sqrt(20) = 4.5
    assert together.clusters == 30 and apart.clusters == 600


@pytest.mark.parametrize("cell", ["", "nan", "1.5", "much"])
def test_a_cell_that_is_no_share_is_named_with_its_line(tmp_path, cell):
    rows = [face("a.jpg", 0.5), face("b.jpg", 0.5)]
    rows[1][-1] = cell
    with pytest.raises(ValueError, match=r"line 3: unclear is"):
        read_faces(write(tmp_path / "faces.csv", rows))


def test_what_is_no_table_of_faces_is_refused(tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("id,happy\n1,0.5\n", encoding="utf-8")
    with pytest.raises(ValueError, match="lacks the column votes_angry"):
        read_faces(other)
    with pytest.raises(FileNotFoundError, match="mien predict"):
        read_faces(tmp_path / "none.csv")
    faces = read_faces(write(tmp_path / "faces.csv", [face("a.jpg", 0.5)]))
    with pytest.raises(ValueError, match="no column 'site'; choose from source"):
        summarize(faces, by=["site"])
    with pytest.raises(ValueError, match="no face"):
        summarize(read_faces(write(tmp_path / "empty.csv", [])))
