"""Whose folder it is: prepare goes on in its own and leaves everybody else's alone."""

import json

import numpy as np
import pytest

from mien.data.claim import check_output, claim
from mien.data.layout import write_pictures
from mien.data.prepare import prepare
from tests.data.drawn import write_folder


@pytest.fixture
def source(tmp_path):
    write_folder(tmp_path / "set", {"happy": 6, "sad": 6})
    return tmp_path / "set"


@pytest.mark.parametrize("facts", [None, b"{}", b"[1]", b"not json", b'{"source": "x"}'])
def test_a_home_with_a_cache_is_nobody_elses(source, tmp_path, facts):
    """A folder once counted as prepare's for its .cache, and lost pictures and partial files."""
    home = tmp_path / "home"
    mine = [home / "train/happy/happy_1.png", home / "docs/.thesis.part", home / ".cache/x/.y.part"]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    if facts is not None:
        (home / "prepare.json").write_bytes(facts)
    with pytest.raises(ValueError, match="not made by prepare"):
        prepare(source, home)
    assert all(path.read_text() == "mine" for path in mine)


def test_folders_of_earlier_versions_are_known(source, tmp_path):
    facts = {"source": "set", "options": {}, "counts": {}, "notes": {}, "more": 1}
    done, begun, other = tmp_path / "done", tmp_path / "begun", tmp_path / "other"
    for folder in (done, begun, other):
        (folder / ".cache").mkdir(parents=True)
    (done / "prepare.json").write_text(json.dumps(facts))
    (begun / ".cache" / f".crops-{'0' * 20}.npy.part").touch()
    (begun / ".cache" / f"copies-{'0' * 20}.npz").touch()
    (other / ".cache" / "pip").mkdir()
    check_output(done, source)
    check_output(begun, source)
    with pytest.raises(ValueError, match="not made by prepare"):
        check_output(other, source)


def test_a_prepared_folder_stays_ours_without_its_cache(source, tmp_path):
    out = tmp_path / "out"
    prepare(source, out)
    for path in (out / ".cache").iterdir():
        path.unlink()
    (out / ".cache").rmdir()
    check_output(out, source)


def test_a_first_run_is_known_from_its_first_moment(source, tmp_path):
    out = tmp_path / "out"
    claim(out)
    (out / "train.csv").touch()
    check_output(out, source)


def test_only_the_places_of_prepare_are_cleared(tmp_path):
    claim(tmp_path)
    left = ["train/happy", "notes"]
    for folder in left:
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / ".a.part").touch()
    hand = ["train/happy/happy_1.png", "train/other/happy_00001.png", "train/happy/sad_00001.png"]
    for name in (*hand, "train/happy/happy_00007.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    claim(tmp_path)
    parts = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.part")]
    assert parts == ["notes/.a.part"]
    none = np.zeros(0, np.int64)
    write_pictures(tmp_path, lambda index: np.zeros((len(index), 48, 48), np.uint8), none, [])
    assert all((tmp_path / name).exists() for name in hand)
    assert not (tmp_path / "train/happy/happy_00007.png").exists()
