"""``mien predict`` says why a face is hard to read, and when --crops is a mistake."""

import json

from PIL import Image

from .test_predict import PORTRAIT


def test_crops_that_are_photos_of_more_than_a_face_are_told(run, folder, tmp_path):
    portrait = Image.open(PORTRAIT)
    portrait.crop((100, 0, 380, 280)).save(tmp_path / "loose.png")  # its face covers half of it
    tight = portrait.crop((158, 52, 292, 186))
    tight.save(tmp_path / "tight.png")
    Image.open(tmp_path / "loose.png").resize((100, 100)).save(tmp_path / "small.png")
    warned = " ".join(run(tmp_path / "loose.png", folder, "--crops").stderr.split())
    assert "in 1 of 1 pictures that were looked at" in warned and "leave out --crops" in warned
    for fine in (tmp_path / "tight.png", tmp_path / "small.png", folder):
        assert "leave out --crops" not in run(fine, "--crops").stderr
    assert "leave out --crops" not in run(tmp_path / "loose.png").stderr
    out = tmp_path / "out.csv"  # nothing is looked at again where nothing is left to do
    run(tmp_path / "loose.png", "--crops", "--csv", out)
    assert "leave out" not in run(tmp_path / "loose.png", "--crops", "--csv", out).stderr


def test_reasons_stand_beside_a_face_and_in_a_column(run, folder, tmp_path):
    assert "hard to read" not in run(PORTRAIT).stdout
    small = tmp_path / "small.png"
    Image.open(folder / "0.png").resize((20, 20)).save(small)
    assert "hard to read: small" in run(small, "--crops").stdout
    assert "읽기 어려움: 작음" in run(small, "--crops", "--lang", "ko").stdout
    table = run(small, folder, "--crops").stdout  # of seven pictures
    assert "hard to read" in table and "small" in table.partition("hard to read")[2]
    (entry,) = json.loads(run(small, "--crops", "--json").stdout)
    assert "small" in entry["faces"][0]["reasons"]
