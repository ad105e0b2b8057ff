"""Which pictures paths, folders and patterns mean."""

import pytest

from mien.infer.inputs import find_pictures


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """a.png, x/b.png, x/y/c.jpg, x/.d.png, .hidden/e.png, and two links that loop."""
    for name in ("a.png", "x/b.png", "x/y/c.jpg", "x/.d.png", ".hidden/e.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "x" / "loop").symlink_to(tmp_path)
    (tmp_path / "x" / "y" / "again").symlink_to(tmp_path / "x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("**/*.png", ["a.png", "x/b.png"]),
        ("**/*.jpg", ["x/y/c.jpg"]),
        ("**", ["a.png", "x/b.png", "x/y/c.jpg"]),
        ("x/**/*.*", ["x/b.png", "x/loop/a.png", "x/y/c.jpg"]),
        ("**/y/**/*.jpg", ["x/y/c.jpg"]),
        ("?/**/y/c.*", ["x/y/c.jpg"]),
        ("**/.d.png", ["x/.d.png"]),
        ("x/*.png", ["x/b.png"]),
        ("./x/*.png", ["x/b.png"]),
    ],
)
def test_patterns_end_in_loops_of_links_and_find_each_picture_once(tree, pattern, found):
    assert find_pictures([pattern]) == found
    assert find_pictures([tree / pattern]) == [str(tree / name) for name in found]


def test_one_picture_by_two_names_is_one(tree):
    assert find_pictures(["./a.png", "a.png", "x//b.png", "x/./b.png"]) == ["a.png", "x/b.png"]
    assert find_pictures([".", "./a.png"])[0] == "a.png"
    assert find_pictures(["s3://shelf/a.png"]) == ["s3://shelf/a.png"]
