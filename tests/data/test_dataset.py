"""Folders of crops that nobody prepared, read as `mien predict` reads them."""

import unicodedata

import numpy as np
import pytest
from PIL import ExifTags, Image

from mien.data.dataset import load
from mien.data.sources import list_source
from mien.emotions import VOTE_COLUMNS

RAMP = np.linspace(0, 255, 48 * 48).reshape(48, 48)


def place(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def test_pixels_are_those_of_the_one_reader(tmp_path):
    folder = tmp_path / "train" / "happy"
    grey = RAMP.round().astype(np.uint8)
    Image.fromarray(grey).save(place(folder / "a.png"))
    Image.fromarray((RAMP * 257).astype(np.uint16)).save(folder / "b.png")
    turned = Image.fromarray(grey)
    exif = turned.getexif()
    exif[ExifTags.Base.Orientation] = 3
    turned.rotate(180).save(folder / "c.png", exif=exif)
    Image.fromarray(grey).save(folder / "d.tif")
    (folder / "._d.tif").write_bytes(b"resource fork")
    data = load(tmp_path)
    assert [name[-5:] for name in data.id] == ["a.png", "b.png", "c.png", "d.tif"]
    for image in data.images:
        assert np.abs(image.astype(int) - grey).max() <= 1


def test_decomposed_folder_names_are_understood(tmp_path):
    folder = tmp_path / "test" / unicodedata.normalize("NFD", "분노")
    Image.fromarray(RAMP.astype(np.uint8)).save(place(folder / "a.png"))
    assert load(tmp_path).emotion.tolist() == [0]


def votes_file(root, header, *lines):
    Image.fromarray(RAMP.astype(np.uint8)).save(place(root / "train" / "sad" / "a.png"))
    text = "\n".join(",".join(map(str, line)) for line in (header, *lines))
    (root / "votes.csv").write_text(text, encoding="utf-8-sig")


def test_votes_as_a_spreadsheet_saves_them(tmp_path):
    votes_file(tmp_path, ["file", *VOTE_COLUMNS], ["train/sad/a.png", *range(10)])
    assert load(tmp_path).votes[0].tolist() == list(range(10))


def test_what_is_no_count_is_refused(tmp_path):
    votes_file(tmp_path, ["file", *VOTE_COLUMNS], ["train/sad/a.png", *[0.5] * 10])
    with pytest.raises(ValueError, match=r"votes\.csv: line 2: .*not shares"):
        load(tmp_path)
    votes_file(tmp_path, ["which", *VOTE_COLUMNS], ["train/sad/a.png", *range(10)])
    with pytest.raises(ValueError, match=r"neither votes\.csv \(file"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["train\\sad\\a.png", "train/sad/a", "./train/sad/a.png"])
def test_votes_are_matched_as_prepare_matches_them(tmp_path, name):
    other = ["train/sad/gone.png", *[1] * 10]
    votes_file(tmp_path, ["file", *VOTE_COLUMNS], ["", *[1] * 10], other, [name, *range(10)])
    with pytest.warns(UserWarning, match=r"votes\.csv: 2 of its 3 rows match no picture"):
        assert load(tmp_path).votes[0].tolist() == list(range(10))


def test_votes_for_no_picture_are_refused(tmp_path):
    votes_file(tmp_path, ["file", *VOTE_COLUMNS], ["db/train/sad/a.png", *range(10)])
    with pytest.raises(ValueError, match=r"votes\.csv: none of its files.*'train/sad/a\.png'"):
        load(tmp_path)


@pytest.mark.parametrize("cells", [[0] * 10, [""] * 10])
def test_nobody_voted(tmp_path, cells):
    votes_file(tmp_path, ["file", *VOTE_COLUMNS], ["train/sad/a.png", *cells])
    assert not load(tmp_path).has_votes.any()
    listing = list_source(tmp_path)
    assert listing.votes.tolist() == [[-1] * 10]


def test_files_that_are_no_data_say_what_to_do(tmp_path):
    (tmp_path / "fer2013.csv").write_text("emotion,pixels\n")
    with pytest.raises(ValueError, match=r"fer2013\.csv: .*mien data prepare"):
        load(tmp_path / "fer2013.csv")
    (tmp_path / "faces.npz").write_bytes(b"PK cut short")
    with pytest.raises(ValueError, match=r"faces\.npz: damaged"):
        load(tmp_path)
    np.savez(tmp_path / "predictions.npz", y=np.zeros(3))
    with pytest.raises(ValueError, match=r"predictions\.npz: no id, images"):
        load(tmp_path / "predictions.npz")


def test_photos_are_taken_whole_with_a_warning(tmp_path):
    (tmp_path / "happy").mkdir()
    for number, side in enumerate((48, 112, 113)):
        Image.fromarray(np.full((side, 60), 40 * number, np.uint8)).save(
            tmp_path / "happy" / f"{number}.png"
        )
    with pytest.warns(UserWarning, match=r"1 of 3 pictures are larger than 112 pixels.*prepare"):
        assert load(tmp_path).images.shape == (3, 48, 48)
