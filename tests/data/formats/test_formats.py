"""Every layout is understood as its authors published it; inputs are made here."""

import shutil
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from mien.data.dataset import load
from mien.data.sources import list_source
from mien.emotions import BALLOT, EMOTIONS


def picture(path, side=48):
    path.parent.mkdir(parents=True, exist_ok=True)
    value = len(list(path.parent.iterdir())) * 5 % 200
    Image.fromarray(np.full((side, side), value, np.uint8)).save(path)


def labels(listing):
    return {
        name: EMOTIONS[e].value if e >= 0 else listing.outside[row]
        for row, (name, e) in enumerate(zip(listing.id, listing.emotion.tolist(), strict=True))
    }


RAF = ["surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"]


@pytest.mark.parametrize("kept", ["aligned", "original", "both"])
def test_rafdb(tmp_path, kept):
    lines = []
    for i in range(1, 8):
        part = "train" if i % 2 else "test"
        lines.append(f"{part}_{i:05d}.jpg {i}")
        if kept != "original":
            picture(tmp_path / "basic" / "Image" / "aligned" / f"{part}_{i:05d}_aligned.jpg")
        if kept != "aligned":
            picture(tmp_path / "basic" / "Image" / "original" / f"{part}_{i:05d}.jpg")
    lines.append("train_09999.jpg 3")
    table = tmp_path / "basic" / "EmoLabel" / "list_patition_label.txt"
    table.parent.mkdir()
    table.write_text("\r\n".join(lines) + "\r\n")
    for source in (tmp_path, tmp_path / "basic", table):
        listing = list_source(source)
        kinds = [EMOTIONS[e].value for e in listing.emotion if e >= 0]
        assert sorted(kinds) == sorted(RAF)
        named = {
            name.rpartition("/")[2].split(".")[0].removesuffix("_aligned"): kind
            for name, kind in labels(listing).items()
            if isinstance(kind, str)
        }
        assert named["train_00001"] == "surprise"
        assert named["test_00004"] == "happy"
        assert Counter(listing.split)["train"] >= 4
        assert "1 rows match no picture, such as 'train_09999.jpg'" in listing.told[-1]
        if kept == "both":
            assert sum(why[0] == "no-label" for why in listing.outside.values()) == 7


def test_rafdb_as_numbered_folders(tmp_path):
    for i in range(1, 8):
        picture(tmp_path / "DATASET" / "train" / str(i) / f"train_{i:05d}_aligned.jpg")
    listing = list_source(tmp_path)
    assert [EMOTIONS[e].value for e in listing.emotion] == RAF
    assert set(listing.split) == {"train"}
    assert "read as rafdb's" in listing.told[0]


AFFECT = ["neutral", "happy", "sad", "surprise", "fear", "disgust", "angry"]


def test_affectnet_with_an_array_a_picture(tmp_path):
    for i in range(11):
        for part in ("train_set", "val_set"):
            picture(tmp_path / part / "images" / f"{i}.jpg")
            (tmp_path / part / "annotations").mkdir(exist_ok=True)
            np.save(tmp_path / part / "annotations" / f"{i}_exp.npy", np.array(str(i)))
            np.save(tmp_path / part / "annotations" / f"{i}_val.npy", np.array("0.3"))
    picture(tmp_path / "val_set" / "images" / "99.jpg")
    (tmp_path / "val_set" / "annotations" / "99_exp.npy").write_bytes(b"cut short")
    listing = list_source(tmp_path)
    found = labels(listing)
    for i, emotion in enumerate(AFFECT):
        assert found[f"train_set/images/{i}.jpg"] == emotion
    assert found["val_set/images/7.jpg"] == ("other-class", "contempt")
    assert {found[f"val_set/images/{i}.jpg"][0] for i in (8, 9, 10)} == {"other-class"}
    assert found["val_set/images/99.jpg"][0] == "no-label"
    assert Counter(listing.split) == {"train": 11, "valid": 12}


def test_affectnet_as_folders_and_as_a_table(tmp_path):
    for i in range(8):
        picture(tmp_path / "folders" / "train" / str(i) / f"image{i}.jpg")
        picture(tmp_path / "table" / "images" / str(i % 3) / f"{i}ab.JPG")
    listing = list_source(tmp_path / "folders")
    assert [EMOTIONS[e].value for e in listing.emotion[:7]] == AFFECT
    assert listing.outside == {7: ("other-class", "contempt")}
    assert "read as affectnet's" in listing.told[0]
    table = tmp_path / "table" / "training.csv"
    rows = [f"{i % 3}/{i}ab.JPG,10,10,200,200,1;2;3,{i},0.1,0.2" for i in range(8)]
    header = (
        "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,"
        "expression,valence,arousal"
    )
    table.write_text("\n".join([header, *rows]))
    for source in (table, table.parent):
        listing = list_source(source)
        found = labels(listing)
        assert [found[f"images/{i % 3}/{i}ab.JPG"] for i in range(7)] == AFFECT
        assert found["images/1/7ab.JPG"] == ("other-class", "contempt")
        assert set(listing.split) == {"train"}


def test_numbered_folders_of_an_unknown_set_are_not_guessed(tmp_path):
    for i in range(7):
        picture(tmp_path / "set" / "train" / str(i) / "a.png")
    with pytest.raises(ValueError, match="--numbers fer2013, or affectnet"):
        list_source(tmp_path / "set")
    for numbers, first in (("fer2013", "angry"), ("affectnet", "neutral")):
        listing = list_source(tmp_path / "set", numbers=numbers)
        assert EMOTIONS[listing.emotion[0]] == first
    mapping = {str(i): "happy" for i in range(7)}
    assert set(list_source(tmp_path / "set", mapping=mapping).emotion.tolist()) == {3}


def test_ferplus(tmp_path):
    def counts(**named):
        return ",".join(str(named.get(option, 0)) for option in BALLOT)

    rows = [
        ("fer0000000.png", counts(anger=8, sadness=2), "angry"),
        ("fer0000001.png", counts(contempt=9, neutral=1), ("other-class", "contempt")),
        ("fer0000002.png", counts(NF=10), "no-label"),
        ("fer0000003.png", counts(anger=5, sadness=5), "no-label"),
        ("fer0000004.png", counts(happiness=10), "happy"),
    ]
    for part in ("FER2013Train", "FER2013Valid", "FER2013Test"):
        for name, _, _ in rows:
            picture(tmp_path / "a" / part / name)
        (tmp_path / "a" / part / "label.csv").write_text(
            "".join(f'{name},"(0, 0, 48, 48)",{votes}\n' for name, votes, _ in rows)
        )
    listing = list_source(tmp_path / "a")
    found = labels(listing)
    for part in ("FER2013Train", "FER2013Test"):
        for name, _, wanted in rows:
            got = found[f"{part}/{name}"]
            assert got == wanted or got[0] == wanted
    assert Counter(listing.split) == {"train": 5, "valid": 5, "test": 5}
    assert listing.votes[0].sum() == 10
    shutil.copytree(tmp_path / "a" / "FER2013Test", tmp_path / "b" / "FER2013Test")
    (tmp_path / "b" / "FER2013Test" / "label.csv").unlink()
    table = [f"Usage,Image name,{','.join(BALLOT)}", *(f"PrivateTest,{n},{v}" for n, v, _ in rows)]
    (tmp_path / "b" / "fer2013new.csv").write_text("\n".join(table))
    assert labels(list_source(tmp_path / "b"))["FER2013Test/fer0000004.png"] == "happy"


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("KA.{}1.39.tiff", "AN DI FE HA NE SA SU"),
        ("KA/af01{}hl.jpg", "an di af ha ne sa su"),
        ("BM35{}S.JPG", "AN DI AF HA NE SA SU"),
    ],
)
def test_jaffe_and_kdef_tell_it_in_the_name(tmp_path, name, codes):
    for code in codes.split():
        picture(tmp_path / "set" / name.format(code), side=64)
    picture(tmp_path / "set" / "screenshot.png")
    picture(tmp_path / "set" / "BM24.JPG")  # KDEF itself has such names
    found = labels(list_source(tmp_path / "set"))
    emotions = [found[name.format(code)] for code in codes.split()]
    assert emotions == ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    assert found["screenshot.png"][0] == found["BM24.JPG"][0] == "no-label"


def test_ckplus(tmp_path):
    root = tmp_path / "ck"
    for film, number in (("S005_001", 3), ("S010_002", 2), ("S011_003", None)):
        person, take = film.split("_")
        for i in range(1, 9):
            picture(root / "cohn-kanade-images" / person / take / f"{film}_{i:08d}.png")
        folder = root / "Emotion" / person / take
        folder.mkdir(parents=True)
        if number is not None:
            (folder / f"{film}_00000008_emotion.txt").write_text(f"   {number}.0000000e+00\n")
    found = labels(list_source(root))
    at = "cohn-kanade-images/S005/001/S005_001_{:08d}.png".format
    assert [found[at(i)] for i in (1, 6, 7, 8)] == ["neutral", "disgust", "disgust", "disgust"]
    assert {found[at(i)][0] for i in (2, 3, 4, 5)} == {"no-label"}
    contempt = "cohn-kanade-images/S010/002/S010_002_00000008.png"
    assert found[contempt] == ("other-class", "contempt")
    unknown = "cohn-kanade-images/S011/003/S011_003_00000008.png"
    assert found[unknown] == ("no-label", "its film has no emotion file")


def test_ckextended(tmp_path):
    pixels = " ".join(["9"] * 2304)
    rows = "".join(f"{i},{pixels},Training\n" for i in range(8))
    (tmp_path / "ckextended.csv").write_text("emotion,pixels,Usage\n" + rows)
    listing = list_source(tmp_path)
    assert EMOTIONS[listing.emotion[6]] == "neutral"
    assert listing.outside == {7: ("other-class", "contempt")}


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("file,emotion\nfaces/a.jpg,happy\nfaces/b.jpg,Sad\nfaces/c.jpg,contempt\n", "utf-8"),
        ("file;emotion\r\na.jpg;happy\r\nb.jpg;sadness\r\nc.jpg;contempt\r\n", "utf-8-sig"),
        ('image\tlabel\n"a.jpg"\t"행복"\n"b.jpg"\t"슬픔"\n"c.jpg"\t"경멸"\n', "utf-8"),
        ("Label,Filename\nHAPPY,faces\\a.jpg\nSAD,./faces/b.jpg\nContempt,/x/c.jpg\n", "utf-8"),
    ],
)  # fmt: skip
def test_a_plain_table(tmp_path, text, encoding):
    for name in "abcd":
        picture(tmp_path / "faces" / f"{name}.jpg")
    (tmp_path / "labels.csv").write_bytes((text + "\n").encode(encoding))
    for source in (tmp_path, tmp_path / "labels.csv"):
        found = labels(list_source(source))
        assert found["faces/a.jpg"] == "happy"
        assert found["faces/b.jpg"] == "sad"
        assert found["faces/c.jpg"][0] == "other-class"
        assert found["faces/d.jpg"] == ("no-label", "not in labels.csv")
    assert load(tmp_path).id.tolist() == ["faces/a.jpg", "faces/b.jpg"]


def test_tables_of_two_parts_and_two_labels(tmp_path):
    for name in "abc":
        picture(tmp_path / "img" / f"{name}.png")
    (tmp_path / "train_labels.csv").write_text("image,label\na.png,happy\nb.png,sad\n")
    (tmp_path / "test_labels.csv").write_text("image,label\nc.png,fear\nb.png,happy\n")
    listing = list_source(tmp_path)
    found = labels(listing)
    assert (found["img/a.png"], found["img/c.png"]) == ("happy", "fear")
    assert found["img/b.png"][0] == "no-label"
    assert "two labels" in found["img/b.png"][1]
    assert listing.split[0] == "train"
    assert listing.split[2] == "test"


def test_a_table_of_numbers_asks_whose(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text("file,emotion\na.png,3\n")
    with pytest.raises(ValueError, match="--numbers"):
        list_source(tmp_path)
    assert labels(list_source(tmp_path, numbers="fer2013")) == {"a.png": "happy"}
    assert labels(list_source(tmp_path, numbers="affectnet")) == {"a.png": "surprise"}


def test_a_table_of_other_pictures_is_refused(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text("file,emotion\nz.png,happy\n")
    with pytest.raises(ValueError, match=r"names none of the pictures.*'z\.png'.*'a\.png'"):
        list_source(tmp_path)


def test_votes_alone_label_pictures(tmp_path):
    for name in ("a", "b", "c", "d", "test/e"):
        picture(tmp_path / f"{name}.png")
    rows = ["a.png,1,8,1,0", "b.png,4,4,0,2", "c.png,0,1,0,9", "test/e.png,0,0,3,2"]
    head = "file,votes_neutral,votes_happiness,votes_contempt,votes_unknown"
    (tmp_path / "votes.csv").write_text("\n".join([head, *rows]))
    listing = list_source(tmp_path)
    found = labels(listing)
    assert found["a.png"] == "happy" and found["b.png"] == "neutral"  # the first of equals
    assert [found[n][0] for n in ("c.png", "d.png")] == ["no-label", "no-label"]
    assert "named no expression" in found["c.png"][1]
    assert found["test/e.png"][0] == "other-class"
    assert listing.split[listing.id.index("test/e.png")] == "test"
    assert listing.votes[listing.id.index("a.png")].sum() == 10
    picture(tmp_path / "sad" / "f.png")  # a folder that names a class is asked first
    assert labels(list_source(tmp_path))["sad/f.png"] == "sad"
    assert labels(list_source(tmp_path))["a.png"][0] == "no-label"
