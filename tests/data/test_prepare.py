import csv
import hashlib
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image

from mien.data.dataset import load, load_folder
from mien.data.decisions import Decision, write_decisions
from mien.data.manifest import read_placed
from mien.data.options import Options
from mien.data.prepare import prepare
from mien.measure.predictions import Predictions
from tests.data.drawn import CHANGES, face, placard, write_folder, write_votes

COUNTS = {"angry": 20, "happy": 40, "sad": 30, "surprise": 20}


def tree(root):
    return {
        p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(root.rglob("*"))
        if p.is_file() and ".cache" not in p.parts
    }


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """110 faces, near and exact copies, a conflict with votes and one without, blanks, placards."""
    root = tmp_path_factory.mktemp("source") / "set"
    write_folder(root, COUNTS)
    rng = np.random.default_rng(1)
    train = root / "train"
    for i in range(12):
        kind = ("happy", "sad")[i % 2]
        image = np.asarray(Image.open(train / kind / f"face_{i:04d}.png"))
        Image.fromarray(CHANGES[i % 4](image, rng)).save(train / kind / f"near_{i:04d}.png")
    shutil.copy(train / "sad" / "face_0020.png", train / "angry" / "conflict_voted.png")
    shutil.copy(train / "sad" / "face_0021.png", train / "angry" / "conflict_open.png")
    Image.new("L", (48, 48)).save(train / "sad" / "black.png")
    for i in range(2):
        Image.fromarray(placard(rng)).save(train / "happy" / f"sign_{i}.png")
    (train / "happy" / "broken.png").write_bytes(b"no")
    write_votes(root, {"train/sad/face_0020.png": {"sad": 7, "angry": 2}})
    return root


@pytest.fixture(scope="module")
def prepared(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared") / "out"
    return out, prepare(source, out)


def test_everything_read_is_kept_or_left_out_with_a_reason(source, prepared):
    out, result = prepared
    kept, lost = table(out / "manifest.csv"), table(out / "exclusions.csv")
    assert len(kept) + len(lost) == len(result.listing)
    reason = {line["id"]: line["reason"] for line in lost}
    assert reason["train/happy/broken.png"] == "unreadable"
    assert reason["train/sad/black.png"] == "blank"
    assert reason["train/angry/conflict_voted.png"] == "duplicate"
    assert reason["train/angry/conflict_open.png"] == "conflicting-labels"
    assert reason["train/sad/face_0021.png"] == "conflicting-labels"
    assert sum("near_" in i for i, r in reason.items() if r == "duplicate") >= 11
    assert [line["id"] for line in kept] == sorted(line["id"] for line in kept)
    for line in kept:
        pixels = np.asarray(Image.open(out / line["path"]))
        assert hashlib.sha256(pixels.tobytes()).hexdigest() == line["sha256"]
        assert line["path"].startswith(f"{line['split']}/{line['emotion']}/{line['emotion']}_")
    voted = next(line for line in kept if line["id"] == "train/sad/face_0020.png")
    assert (voted["votes_sadness"], voted["votes_anger"]) == ("7", "2")


def test_no_group_lies_in_two_splits(prepared):
    out, _ = prepared
    places = {}
    for line in table(out / "manifest.csv"):
        places.setdefault(line["group"], set()).add(line["split"])
    assert all(len(splits) == 1 for splits in places.values())


def test_tables_of_the_splits_agree_with_the_manifest(prepared):
    out, _ = prepared
    manifest = table(out / "manifest.csv")
    for split in ("train", "valid", "test"):
        lines = table(out / f"{split}.csv")
        expected = {(m["path"], m["emotion"]) for m in manifest if m["split"] == split}
        assert {(line["file"], line["emotion"]) for line in lines} == expected
        assert len(lines) == len(list((out / split).rglob("*.png")))


def test_the_packed_file_is_the_folder(prepared):
    out, _ = prepared
    packed, folder = load(out), load_folder(out)
    manifest = table(out / "manifest.csv")
    assert packed.id.tolist() == [line["id"] for line in manifest]
    at = {line["path"]: row for row, line in enumerate(manifest)}
    rows = [at[name] for name in folder.id.tolist()]
    assert (packed.images[rows] == folder.images).all()
    assert (packed.emotion[rows] == folder.emotion).all()
    assert (packed.split[rows] == folder.split).all()
    assert packed.votes.shape == (len(manifest), 10)


def test_the_source_is_only_read_and_twice_gives_the_same_bytes(source, prepared, tmp_path):
    before = tree(source)
    out, _ = prepared
    first = tree(out)
    prepare(source, out)
    assert tree(out) == first
    prepare(source, tmp_path / "other")
    assert tree(tmp_path / "other") == first
    assert tree(source) == before
    text = b"".join(
        p.read_bytes() for p in out.glob("*.*") if p.suffix in (".csv", ".json", ".html")
    )
    assert str(source.parent).encode() not in text


KILLED = textwrap.dedent("""
    import os, signal, sys
    from pathlib import Path
    from mien.data.prepare import prepare

    left = int(sys.argv[3])
    real = Path.replace

    def replace(self, target):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, target)

    Path.replace = replace
    prepare(sys.argv[1], sys.argv[2])
""")


def test_killed_anywhere_it_ends_with_the_same_bytes(source, prepared, tmp_path):
    """Every file appears by a rename; the process is killed before one, drawn at random."""
    unbroken = tree(prepared[0])
    renames = len(unbroken) + 4
    for turn, point in enumerate(np.random.default_rng(11).integers(1, renames, 5).tolist()):
        out = tmp_path / f"killed{turn}"
        run = subprocess.run([sys.executable, "-c", KILLED, source, out, str(point)], check=False)
        assert run.returncode == -9
        prepare(source, out)
        assert tree(out) == unbroken
        assert not list(out.rglob("*.part"))


def test_decisions_are_applied_and_can_be_taken_back(source, tmp_path):
    out = tmp_path / "out"
    prepare(source, out)
    first = tree(out)
    dropped, turned = "train/happy/face_0030.png", "train/sad/face_0025.png"
    write_decisions(
        out / "decisions.csv",
        {
            dropped: Decision.parse("drop"),
            turned: Decision.parse("relabel", "fear"),
            "train/sad/black.png": Decision.parse("keep"),
            "train/angry/conflict_open.png": Decision.parse("relabel", "angry"),
            "gone.png": Decision.parse("drop"),
        },
    )
    result = prepare(source, out)
    reason = {line["id"]: line["reason"] for line in table(out / "exclusions.csv")}
    kept = {line["id"]: line for line in table(out / "manifest.csv")}
    assert reason[dropped] == "dropped-by-hand"
    assert kept[turned]["emotion"] == "fear"
    assert "train/sad/black.png" in kept
    assert kept["train/angry/conflict_open.png"]["emotion"] == "angry"
    assert reason["train/sad/face_0021.png"] == "duplicate"
    assert result.notes["decisions_astray"] == 1
    (out / "decisions.csv").unlink()
    prepare(source, out, Options(fresh=True))
    assert tree(out) == first


def test_new_pictures_move_nothing(source, tmp_path):
    grown = tmp_path / "grown"
    shutil.copytree(source, grown)
    out = tmp_path / "out"
    prepare(grown, out)
    before = read_placed(out)
    write_folder(grown, {"happy": 30, "fear": 8}, seed=99, part="more/train")
    prepare(grown, out)
    after = read_placed(out)
    assert {name: after[name] for name in before} == before
    assert len(after) >= len(before) + 30


def test_a_picture_that_bridges_splits_is_left_out(tmp_path):
    root, out = tmp_path / "set", tmp_path / "out"
    write_folder(root, {"happy": 40})
    prepare(root, out)
    placed = read_placed(out)
    one, two = (next(i for i, p in placed.items() if p.split == s) for s in ("train", "test"))
    rows = {line["id"]: line for line in table(out / "manifest.csv")}
    # The test picture turns into a copy of one in train, and so does a new picture.
    shutil.copy(root / one, root / "train/happy/zz_new.png")
    shutil.copy(root / one, root / two)
    prepare(root, out)
    reason = {line["id"]: line["reason"] for line in table(out / "exclusions.csv")}
    after = {line["id"]: line for line in table(out / "manifest.csv")}
    assert reason[one] == "bridges-splits"  # test is admitted first, so its copy in train goes
    assert reason["train/happy/zz_new.png"] == "duplicate"
    assert after[two]["split"] == rows[two]["split"] == "test"


def test_splits_of_the_source(tmp_path):
    root = tmp_path / "set"
    write_folder(root, {"happy": 12, "sad": 12})
    write_folder(root, {"happy": 4, "sad": 4}, seed=3, part="test")
    shutil.copy(root / "test/sad/face_0001.png", root / "train/sad/leak.png")
    result = prepare(root, tmp_path / "keep", Options(split="keep"))
    lines = table(tmp_path / "keep" / "manifest.csv")
    assert all(line["id"].split("/")[0] == line["split"] for line in lines)
    assert sum(line["split"] == "test" for line in lines) == 8
    lost = {line["id"]: line["reason"] for line in table(tmp_path / "keep" / "exclusions.csv")}
    assert lost == {"train/sad/leak.png": "duplicate"}
    assert result.counts()["reasons"] == {"duplicate": 1}
    with pytest.raises(ValueError, match="official: 33 pictures names do not begin"):
        prepare(root, tmp_path / "official", Options(split="official"))


def test_all_copies_stay_together(source, tmp_path):
    prepare(source, tmp_path / "out", Options(copies="all"))
    lines = table(tmp_path / "out" / "manifest.csv")
    near = [line for line in lines if "near_" in line["id"]]
    assert len(near) >= 11
    places = {}
    for line in lines:
        places.setdefault(line["group"], set()).add(line["split"])
    assert all(len(splits) == 1 for splits in places.values())


def test_wrong_labels_are_flagged_but_never_in_test(source, tmp_path):
    out = tmp_path / "out"
    result = prepare(source, out)
    kept = result.split >= 0
    ids = np.array(result.listing.id)[kept]
    y = result.fates.emotion[kept]
    other = np.where(y == 3, 5, 3)  # sad for happy, happy for the others
    believed = np.where(np.arange(len(y)) % 9 == 0, other, y)
    scores = np.full((len(y), 7), 0.01)
    scores[np.arange(len(y)), believed] = 0.94
    table_ = Predictions(id=ids, y=y, label=scores, system="made")
    prepare(source, out, predictions=table_)
    flags = [f for f in table(out / "flags.csv") if f["reason"] == "mislabelled"]
    assert len(flags) >= 5
    assert {f["suggestion"] for f in flags} == {"happy", "sad"}
    assert "test" not in {f["split"] for f in flags}
    assert {m["id"] for m in table(out / "manifest.csv")} == set(ids)


def test_it_refuses_to_harm(source, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    for out, said in (
        (tmp_path / "mine", "not empty"),
        (source / "out", "overlaps"),
        (source, "overlaps"),
    ):
        with pytest.raises(ValueError, match=said):
            prepare(source, out)
    with pytest.raises(ValueError, match="--copies"):
        prepare(source, tmp_path / "out", Options(copies="some"))


def test_a_pixel_csv_gives_the_same_pictures(tmp_path):
    rng = np.random.default_rng(2)
    faces = [face(rng, "happy") for _ in range(12)]
    path = tmp_path / "fer2013.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["emotion", "pixels", "Usage"])
        for i, image in enumerate(faces):
            usage = ("Training", "PublicTest", "PrivateTest")[i % 3]
            writer.writerow([3, " ".join(map(str, image.ravel())), usage])
    prepare(path, tmp_path / "out", Options(split="official"))
    data = load(tmp_path / "out")
    assert (data.images == np.stack(faces)).all()
    assert data.split.tolist() == ["train", "valid", "test"] * 4
