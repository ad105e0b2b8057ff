"""What was placed, kept or dropped before, when a source is prepared again."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from mien.data.decisions import Decision, write_decisions
from mien.data.manifest import read_placed
from mien.data.options import Options
from mien.data.prepare import prepare
from mien.data.report_page import write_report
from tests.data.drawn import brightened, write_folder


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def decide(out, **actions):
    """Decisions on pictures of train/happy, by name without suffix."""
    write_decisions(
        out / "decisions.csv",
        {f"train/happy/{name}.png": Decision.parse(action) for name, action in actions.items()},
    )


def of(placed, split):
    """Names without suffix of the pictures in a split."""
    return [i.split("/")[-1][:-4] for i, p in placed.items() if p.split == split]


@pytest.fixture
def doubled(tmp_path):
    """A source of 20 faces, each of them twice, and its prepared folder."""
    root = tmp_path / "set"
    write_folder(root, {"happy": 20})
    for file in sorted((root / "train" / "happy").iterdir()):
        shutil.copy(file, file.with_name(f"z{file.name}"))
    prepare(root, tmp_path / "out")
    return root, tmp_path / "out"


def test_a_picture_dropped_by_hand_takes_its_copies_along(doubled):
    root, out = doubled
    before = read_placed(out)
    first, second = of(before, "train")[:2]
    decide(out, **{first: "drop", second: "drop", f"z{second}": "keep"})
    prepare(root, out)
    after = read_placed(out)
    lost = {line["id"]: line for line in table(out / "exclusions.csv")}
    copy = lost[f"train/happy/z{first}.png"]
    assert copy["reason"] == "dropped-by-hand"
    assert copy["detail"] == f"same pixels as train/happy/{first}.png"
    assert len(after) == 19 and f"train/happy/z{second}.png" in after


def test_dropping_one_of_two_labels_settles_the_conflict(doubled):
    root, out = doubled
    first = of(read_placed(out), "train")[0]
    twin = root / "train" / "sad" / f"z{first}.png"
    twin.parent.mkdir(parents=True, exist_ok=True)
    (root / "train" / "happy" / f"z{first}.png").rename(twin)
    decide(out, **{first: "drop"})
    prepare(root, out)
    after = read_placed(out)
    assert f"train/sad/z{first}.png" in after
    assert f"train/happy/{first}.png" not in after


def test_what_follows_a_dropped_picture_goes_where_that_was(doubled):
    root, out = doubled
    dropped = of(read_placed(out), "test") + of(read_placed(out), "valid")
    rng = np.random.default_rng(0)
    for name in dropped:  # copies that are alike but not identical
        file = root / "train" / "happy" / f"{name}.png"
        image = np.asarray(Image.open(file))
        Image.fromarray(brightened(image, rng)).save(file.with_name(f"z{name}.png"))
    prepare(root, out)
    before = read_placed(out)
    decide(out, **dict.fromkeys(dropped, "drop"))
    prepare(root, out)
    after = read_placed(out)
    for name in dropped:
        split = after[f"train/happy/z{name}.png"].split
        assert split == before[f"train/happy/{name}.png"].split != "train"


def test_flat_pictures_that_a_person_keeps_are_copies_of_each_other(tmp_path):
    root, out = tmp_path / "set", tmp_path / "out"
    write_folder(root, {"happy": 10})
    dark = np.full((48, 48), 60, np.uint8)
    dark[4:8, 4:20] = 200
    names = [f"dark_{i}" for i in range(10)]
    for name in names:
        Image.fromarray(dark).save(root / "train" / "happy" / f"{name}.png")
    prepare(root, out)
    decide(out, **dict.fromkeys(names, "keep"))
    prepare(root, out)
    lines = [line for line in table(out / "manifest.csv") if "dark" in line["id"]]
    assert len(lines) == 10
    assert len({(line["group"], line["split"]) for line in lines}) == 1
    assert lines[0]["group"]


def test_the_report_counts_groups_across_splits(doubled):
    root, out = doubled
    prepare(root, out, Options(copies="all"))
    assert "No group of copies lies in two splits" in (out / "report.html").read_text()
    lines = table(out / "manifest.csv")
    lines[0]["split"] = "valid" if lines[0]["split"] == "test" else "test"
    with (out / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        writer.writerows(lines)
    html = write_report(out).read_text()
    assert "1 groups of copies lie in several splits" in html
    assert "No group of copies" not in html and "no test picture has a copy" not in html


def test_another_ratio_is_said_not_to_move_what_was_placed(tmp_path):
    root, out = tmp_path / "set", tmp_path / "out"
    write_folder(root, {"happy": 20})

    def run(**options):
        prepare(root, out, Options(**options))
        facts = json.loads((out / "prepare.json").read_text())
        said = "holds for new ones alone" in (out / "report.html").read_text()
        return facts["options"]["split"], facts["options"].get("seed"), said

    assert run() == ("8:1:1", 0, False)
    before = read_placed(out)
    for _ in range(2):
        assert run(split="5:3:2") == ("8:1:1, seed 0", None, True)
        assert read_placed(out) == before
    assert run() == ("8:1:1", 0, False)
    write_folder(root, {"sad": 10}, seed=5)
    both = "8:1:1, seed 0; then 5:3:2, seed 1"
    for _ in range(2):
        assert run(split="5:3:2", seed=1) == (both, None, True)
    assert run(split="5:3:2", seed=1, fresh=True) == ("5:3:2", 1, False)


def test_kept_splits_keep_their_file_names(tmp_path):
    root, out = tmp_path / "set", tmp_path / "out"
    write_folder(root, {"happy": 5})
    prepare(root, out, Options(split="keep"))
    before = read_placed(out)
    decide(out, face_0001="drop")
    prepare(root, out, Options(split="keep"))
    del before["train/happy/face_0001.png"]
    assert read_placed(out) == before


@pytest.mark.parametrize(
    ("was", "edited"), [("_00001.png", "_mine.png"), (",happy,", ",joyful,"), (",train,", ",x,")]
)
def test_a_manifest_changed_by_hand_is_named(tmp_path, was, edited):
    root, out = tmp_path / "set", tmp_path / "out"
    write_folder(root, {"happy": 3})
    prepare(root, out, Options(split="1:0:0"))
    file = out / "manifest.csv"
    file.write_text(file.read_text().replace(was, edited, 1))
    with pytest.raises(ValueError, match=r"manifest\.csv: line 2: .*--fresh"):
        prepare(root, out)
    prepare(root, out, Options(fresh=True))
