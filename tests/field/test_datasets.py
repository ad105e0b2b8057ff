"""Data sets as they come from the field: odd tables, odd names, runs that were interrupted."""

import os
import signal
import subprocess
import sys
import time
import unicodedata
import zipfile

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mien.cli.data import app
from mien.data.cells import read_csv
from mien.data.claim import CACHE, MARKER, WRITING, alone
from mien.data.dataset import load
from mien.data.decisions import Decision
from mien.data.formats.pixelcsv import decode_pixels
from mien.data.gallery import Gallery
from mien.data.options import Options
from mien.data.packed import read_packed
from mien.data.photos import Face, Finder
from mien.data.prepare import prepare
from mien.data.reviewing import Review
from mien.data.sources import list_source
from mien.emotions import EMOTIONS, VOTE_COLUMNS
from mien.measure.readers import common_rows
from tests.data.drawn import face, write_folder

PIXELS = " ".join(["70"] * 1100 + ["80"] * 1204)


def pixel_csv(path, rows, *, header="emotion,pixels,Usage", encoding="utf-8", end="\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(end.join([header, *rows, ""]).encode(encoding))
    return path


WAYS = {
    "plain": PIXELS, "floats": PIXELS.replace(" ", ".0 ") + ".0", "quoted": f'"{PIXELS}"',
    "tabs": PIXELS.replace(" ", "\t"), "brackets": f"[{PIXELS}]",
    "commas": '"[' + PIXELS.replace(" ", ", ") + ']"',
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("encoding", "end", "mark"), [
    ("utf-8", "\n", ","), ("utf-8-sig", "\r\n", ";"),
])  # fmt: skip
def test_pixels_however_a_table_spells_them(tmp_path, way, encoding, end, mark):
    rows = [mark.join((str(i), WAYS[way], "Training")) for i in range(7)]
    rows += [mark * 2, mark.join(("", WAYS[way], "")), mark.join(("3", "", ""))]
    header = mark.join(("emotion", "pixels", "Usage"))
    pixel_csv(tmp_path / "fer2013.csv", rows, header=header, encoding=encoding, end=end)
    listing = list_source(tmp_path)
    assert len(listing) == 9
    assert listing.outside[7] == ("no-label", "the row has no label")
    assert "1 rows without label and pixels were passed over" in listing.told[0]
    raw = list(listing.raw())
    for text in raw[:8]:
        assert (decode_pixels(text).ravel() == np.array(PIXELS.split(), np.uint8)).all()
    with pytest.raises(ValueError, match="empty"):
        decode_pixels(raw[8])


@pytest.mark.parametrize("words", [
    ("train", "validation", "test"), ("TRAIN", "val", "testing"), ("tr", "dev", "PrivateTest"),
    ("Training", "PublicTest", "PrivateTest"), ("학습", "검증", "시험"), ("trn", "eval", "holdout"),
])  # fmt: skip
def test_words_for_splits_mean_the_same_in_tables_and_folders(tmp_path, words):
    rng = np.random.default_rng(0)
    rows = []
    for word in words:
        for kind in ("happy", "sad"):
            image = face(rng, kind)
            number = "3" if kind == "happy" else "4"
            rows.append(f"{number},{' '.join(map(str, image.ravel()))},{word}")
            path = tmp_path / "folders" / word / kind.upper() / "a.png"
            path.parent.mkdir(parents=True)
            Image.fromarray(image).save(path)
    table = pixel_csv(tmp_path / "table" / "data.csv", rows)
    for source in (table, tmp_path / "folders"):
        out = tmp_path / f"out of {source.name}"
        prepare(source, out, Options(split="keep", correlation=2))
        assert sorted(load(out).split.tolist()) == ["test"] * 2 + ["train"] * 2 + ["valid"] * 2
    plain = load(tmp_path / "folders")  # as evaluate reads it
    assert sorted(plain.split.tolist()) == ["test"] * 2 + ["train"] * 2 + ["valid"] * 2


def test_where_nothing_can_be_read_it_is_an_error_and_says_why(tmp_path):
    pixel_csv(tmp_path / "a" / "fer2013.csv", [f"{i},0.1 0.2 0.3 0.4,Training" for i in range(7)])
    with pytest.raises(ValueError, match=r"none of its 7 pictures.*unreadable.*fractions.*exclus"):
        prepare(tmp_path / "a", tmp_path / "out")
    assert len(read_csv(tmp_path / "out" / "exclusions.csv")) == 7
    args = ["prepare", str(tmp_path / "a"), str(tmp_path / "out"), "--bundle", "none"]
    assert CliRunner().invoke(app, args).exit_code == 1
    write_folder(tmp_path / "b", {"happy": 4, "sad": 4})
    prepare(tmp_path / "b", tmp_path / "kept")
    with pytest.raises(ValueError, match="none of its 7"):
        prepare(tmp_path / "a", tmp_path / "kept")
    assert len(load(tmp_path / "kept")) == 8


def test_files_that_are_no_table_are_named_for_what_they_are(tmp_path):
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("fer2013.csv", "emotion,pixels\n")
    kinds = {
        "a.rar": b"Rar!\x1a\x07", "b.7z": b"7z\xbc\xaf'\x1c", "c.tar.gz": b"\x1f\x8b\x08",
        "d.csv": (tmp_path / "archive.zip").read_bytes(),
        "e.csv": "emotion,pixels\n0,1 2\n".encode("utf-16"), "f.bin": b"\x00\x1b]0;x\x07",
        "g.csv": b"emotion\x1b[2J,pixel\n", "h.csv": "파일,감정".encode("cp949"),
    }  # fmt: skip
    for name, data in kinds.items():
        (tmp_path / name).write_bytes(data)
    for name in ("archive.zip", *kinds):
        with pytest.raises((ValueError, FileNotFoundError)) as caught:
            list_source(tmp_path / name)
        said = str(caught.value)
        assert said.isprintable()
        remedy = "unpack it first" if name[0] in "abcd" else "UTF-8" if name[0] in "eh" else ""
        assert remedy in said
    (tmp_path / "folder").mkdir()
    (tmp_path / "archive.zip").rename(tmp_path / "folder" / "archive.zip")
    with pytest.raises(FileNotFoundError, match=r"'archive\.zip'; unpack it first"):
        list_source(tmp_path / "folder")


def test_a_packed_file_that_unpacks_without_end_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "faces.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", bytes(80 << 20))
    with pytest.raises(ValueError, match="that unpack to"):
        read_packed(tmp_path / "faces.npz")


def test_a_flat_folder_says_where_labels_come_from(tmp_path):
    Image.new("L", (48, 48), 9).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"labels come from folders.*labels\.csv") as caught:
        list_source(tmp_path)
    assert "--map" not in str(caught.value)


NAMES = ["행복/얼굴.png", "happy/é à.png", "happy/a b'c.png"]


@pytest.mark.parametrize("files", ["NFC", "NFD"])
@pytest.mark.parametrize("table", ["NFC", "NFD"])
def test_votes_and_scores_match_in_any_unicode_form(tmp_path, files, table):
    for name in NAMES:
        path = tmp_path / unicodedata.normalize(files, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (48, 48), 9).save(path)
    spelled = [unicodedata.normalize(table, name) for name in NAMES]
    spelled = [spelled[0], "./" + spelled[1], spelled[2].replace("/", "\\")]
    rows = [f'"{name}",' + ",".join("1" * 10) for name in [*spelled, "gone.png"]]
    (tmp_path / "votes.csv").write_text("\n".join([",".join(["file", *VOTE_COLUMNS]), *rows]))
    listing = list_source(tmp_path)
    assert (listing.votes == 1).all()
    assert "1 of its 4 rows match no picture, such as 'gone.png'" in listing.told[-1]
    mine, theirs = common_rows(np.array(listing.id), np.array(spelled))
    assert len(mine) == len(theirs) == 3


ODD = ["a\rb.png", "a\nb.png", "=1+1.png", "@x.png", "-x.png", "'=x.png", 'q"u,o.png', "<b>.png"]


def test_any_name_survives_tables_review_and_decisions(tmp_path):
    rng = np.random.default_rng(3)
    for kind in ("happy", "=sad"):
        for name in ODD:
            path = tmp_path / "set" / kind / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(face(rng, kind.strip("="))).save(path)
    (tmp_path / "set" / "happy" / "bad\r.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    prepare(tmp_path / "set", out)
    ids = {f"{kind}/{name}" for kind in ("happy", "=sad") for name in ODD}
    gallery = Gallery.read(out)
    assert {line["id"] for line in (*gallery.kept, *gallery.lost)} == ids | {"happy/bad\r.png"}
    for line in (out / "manifest.csv").read_text().splitlines():
        assert line[:1] not in "=+-@"
    review = Review.open(out)
    review.decide([("happy/a\rb.png", "drop", ""), ("=sad/=1+1.png", "keep", "")])
    assert Review.open(out).decisions == {
        "happy/a\rb.png": Decision("drop"), "=sad/=1+1.png": Decision("keep"),
    }  # fmt: skip
    again = prepare(tmp_path / "set", out)
    assert again.fates.reason[again.listing.id.index("happy/a\rb.png")] == "dropped-by-hand"


@pytest.fixture
def small(tmp_path):
    write_folder(tmp_path / "set", {"happy": 8, "sad": 8})
    return tmp_path / "set"


def test_half_a_preparation_is_not_taken_for_a_whole_one(small, tmp_path):
    out = tmp_path / "out"
    prepare(small, out)
    assert len(load(out)) == 16
    (out / CACHE / WRITING).touch()
    for read in (load, Gallery.read):
        with pytest.raises(ValueError, match="interrupted"):
            read(out)
    (out / CACHE / WRITING).unlink()
    (out / "faces.npz").rename(tmp_path / "faces.npz")
    with pytest.raises(ValueError, match=r"no faces\.npz"):
        load(out)
    (out / "manifest.csv").unlink()
    assert (out / CACHE / MARKER).exists()
    with pytest.raises(ValueError, match="interrupted"):
        load(out)
    prepare(small, out)
    assert len(load(out)) == 16


def test_one_preparation_at_a_time(small, tmp_path):
    with alone(tmp_path / "out" / CACHE):
        code = "import sys; from mien.data.prepare import prepare; prepare(*sys.argv[1:])"
        args = [sys.executable, "-c", code, str(small), str(tmp_path / "out")]
        second = subprocess.run(args, capture_output=True, text=True)
    assert "another run of mien data prepare" in second.stderr
    prepare(small, tmp_path / "out")


SLOW = """
import sys, time
from mien.data.prepare import prepare
def tell(stage, done, total):
    if stage == "write":
        print("writing", flush=True)
        time.sleep(60)
try:
    prepare(sys.argv[1], sys.argv[2], progress=tell)
except KeyboardInterrupt as stop:
    print(type(stop).__name__, stop, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_ends_it_and_the_next_run_goes_on(small, tmp_path, name):
    out = tmp_path / "out"
    run = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(small), str(out)], stdout=subprocess.PIPE, text=True
    )
    assert run.stdout.readline() == "writing\n"
    time.sleep(0.1)
    run.send_signal(getattr(signal, name))
    assert run.communicate(timeout=30)[0].strip() == f"Stopped {name}"
    assert not list(out.rglob("*.part"))
    with pytest.raises(ValueError, match="interrupted"):
        load(out)
    prepare(small, out)
    assert len(load(out)) == 16


def faces_in(photo):
    """A detector for photos drawn below: as many faces as its brightest pixel says."""
    count = int(photo.max()) - 250
    return [Face(photo[:48, :48, 0].copy(), 0.9 - i / 10) for i in range(count)]


def test_photos_are_cut_to_their_one_face(tmp_path):
    rng = np.random.default_rng(5)
    for kind in ("happy", "sad"):
        for n in range(4):
            photo = np.full((200, 300), 128, np.uint8)
            photo[:48, :48] = np.minimum(face(rng, kind), 249)
            photo[-1, -1] = 250 + n
            path = tmp_path / "set" / kind / f"{n}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(photo).save(path)
        Image.fromarray(face(rng, kind)).save(tmp_path / "set" / kind / "crop.png")
    asked = []

    def find(photo):
        asked.append(photo.shape)
        return faces_in(photo)

    out = tmp_path / "out"
    prepare(tmp_path / "set", out, finder=Finder("made", find))
    assert asked == [(200, 300, 3)] * 8  # crops are not searched
    lost = {line["id"]: line for line in read_csv(out / "exclusions.csv")}
    assert lost["happy/0.png"]["reason"] == "no-face"
    assert lost["happy/2.png"]["reason"] == "several-faces"
    assert lost["happy/3.png"]["detail"] == "3 faces with scores 0.90, 0.80, 0.70"
    assert lost["happy/3.png"]["score"] == "0.9000"
    data = load(out)
    assert data.id.tolist() == ["happy/1.png", "happy/crop.png", "sad/1.png", "sad/crop.png"]
    source = np.asarray(Image.open(tmp_path / "set" / "happy" / "1.png"))
    assert (data.images[0] == source[:48, :48]).all()
    prepare(tmp_path / "set", out, finder=Finder("made", find))
    assert len(asked) == 8  # remembered
    kept = {"sad/2.png": Decision("keep")}
    prepare(tmp_path / "set", out, decisions=kept, finder=Finder("made", find))
    assert "sad/2.png" in load(out).id.tolist()
    assert EMOTIONS[load(out).emotion[-1]] == "sad"
