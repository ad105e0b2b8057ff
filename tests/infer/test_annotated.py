import shutil

import numpy as np
import pytest
from PIL import Image

from mien.infer.annotated import Annotated
from mien.infer.inputs import find_pictures
from mien.infer.job import Job
from mien.infer.results import Picture


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """photos/x.png, cwd/y.png, x.png; the working folder is cwd."""
    places = [tmp_path / "photos" / "x.png", tmp_path / "cwd" / "y.png", tmp_path / "x.png"]
    for place in places:
        place.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((48, 48), 90, np.uint8)).save(place)
    monkeypatch.chdir(tmp_path / "cwd")
    return places


def test_copies_of_pictures_above_stay_in_their_folder(pictures, tmp_path):
    before = [place.read_bytes() for place in pictures]
    drawn = tmp_path / "drawn"
    copies = Annotated(drawn, ["../photos/x.png", "y.png"])
    copies.check()
    for source in copies.sources:
        assert copies.lacks(source)
        copies.write(Picture(source, 48, 48))
        assert not copies.lacks(source)
    made = sorted(str(p.relative_to(drawn)) for p in drawn.rglob("*") if p.is_file())
    assert made == ["cwd/y.png", "photos/x.png"]
    copies.write(Picture("y.png", 48, 48))  # an old copy is no original
    assert [place.read_bytes() for place in pictures] == before


def test_a_file_that_is_no_copy_is_replaced_only_when_asked(pictures, tmp_path):
    other = tmp_path / "drawn" / "y.png"
    other.parent.mkdir()
    Image.fromarray(np.full((9, 9), 7, np.uint8)).save(other)
    copies = Annotated(tmp_path / "drawn", ["y.png"])
    with pytest.raises(ValueError, match="no annotated copy"):
        copies.check()
    copies.check(fresh=True)
    copies.write(Picture("y.png", 48, 48))
    copies.check()  # now it is one


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_copies_of_every_kind_are_known_again(tmp_path, ending):
    Image.fromarray(np.full((48, 48), 90, np.uint8)).save(tmp_path / f"x.{ending}")
    copies = Annotated(tmp_path / "drawn", [str(tmp_path / f"x.{ending}")])
    copies.write(Picture(copies.sources[0], 48, 48))
    copies.check()


def test_no_picture_of_the_job_is_replaced(pictures, tmp_path):
    before = [place.read_bytes() for place in pictures]
    (tmp_path / "cwd" / "linked").symlink_to(tmp_path / "photos")
    for folder, sources in {
        "..": ["../photos/x.png", "../x.png"],
        "../photos": ["../photos/x.png", "../x.png"],  # x.png's copy, the other's original
        "../photos/../photos": ["linked/x.png"],
    }.items():
        copies = Annotated(tmp_path / "cwd" / folder, sources)
        with pytest.raises(ValueError, match="name another folder"):
            copies.check()
        with pytest.raises(ValueError, match="name another folder"):
            for source in sources:
                copies.write(Picture(source, 48, 48))
    assert [place.read_bytes() for place in pictures] == before


def test_links_lead_no_copy_out_of_the_folder(pictures, tmp_path):
    before = [place.read_bytes() for place in pictures]
    out = tmp_path / "out"
    out.mkdir()
    (out / "x.png").symlink_to(tmp_path / "x.png")
    with pytest.raises(ValueError, match="a link leads out"):
        Annotated(out, ["../photos/x.png"]).write(Picture("../photos/x.png", 48, 48))
    (out / "x.png").unlink()
    (out / "cwd").symlink_to(tmp_path / "photos")
    with pytest.raises(ValueError, match="a link leads out"):
        Annotated(out, ["../x.png", "y.png"]).check()
    assert [place.read_bytes() for place in pictures] == before


def test_a_copy_that_cannot_be_written_leaves_nothing(pictures, tmp_path, monkeypatch):
    def save(self, path, **options):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", save)
    copies = Annotated(tmp_path / "out", ["y.png"])
    with pytest.raises(OSError, match="disk full"):
        copies.write(Picture("y.png", 48, 48))
    assert list((tmp_path / "out").iterdir()) == []


def test_copies_of_an_earlier_run_are_not_read(pictures, tmp_path):
    """`mien predict . --annotate drawn` can be run again."""
    drawn = tmp_path / "drawn"
    before = find_pictures([tmp_path], copies=drawn)
    drawn.mkdir()
    for number, source in enumerate(before):
        shutil.copy(source, drawn / f"{number}.png")
    assert find_pictures([tmp_path], copies=drawn) == before
    assert set(find_pictures([f"{tmp_path}/**/*.png"], copies=drawn)) <= set(before)
    assert len(find_pictures([tmp_path])) == 2 * len(before)
    assert len(find_pictures([drawn], copies=drawn)) == len(before)  # asked for by name


def test_a_name_that_is_too_long_ends_no_job(pictures, tmp_path):
    long, just = str(tmp_path / ("x" * 300 + ".png")), tmp_path / ("y" * 251 + ".bmp")
    assert find_pictures([pictures[0], long]) == [str(pictures[0]), long]
    Image.fromarray(np.full((48, 48), 90, np.uint8)).save(just)
    copies = Annotated(tmp_path / "drawn", [str(pictures[0]), long, str(just)])
    copies.check()
    for source in (str(pictures[0]), str(just)):
        copies.write(Picture(source, 48, 48))
        assert not copies.lacks(source)
    assert copies.lacks(long)


def test_two_pictures_never_share_a_copy(pictures, tmp_path):
    pixels = Image.fromarray(np.full((48, 48), 90, np.uint8))
    for name in ("s.tif", "s.tif.png", "s.bmp"):
        pixels.save(tmp_path / name)
    copies = Annotated(tmp_path / "drawn", [str(tmp_path / n) for n in ("s.tif", "s.tif.png")])
    copies.check()
    first, second = (copies.target(source) for source in copies.sources)
    assert second.name == "s.tif.png" != first.name
    assert first.suffix == ".png"
    alone = Annotated(tmp_path / "drawn", [str(tmp_path / "s.bmp"), str(tmp_path / "s.tif")])
    assert [alone.target(source).name for source in alone.sources] == ["s.bmp.png", "s.tif.png"]


def test_a_picture_that_went_away_is_an_error_of_its_own(pictures, tmp_path):
    copies = Annotated(tmp_path / "drawn", ["y.png", "../x.png"])
    job = Job(copies.sources, [], [copies])
    job.open()
    pictures[1].unlink()
    done = list(job.run(Picture(source, 48, 48) for source in job.left))
    assert "no such file" in done[0].error
    assert done[1].error is None
    assert not copies.lacks("../x.png")
    assert job.summary.errors == 1
