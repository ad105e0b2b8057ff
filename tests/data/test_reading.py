import io

import numpy as np
from PIL import Image

from mien.data.cache import Cache
from mien.data.check import flat_reasons
from mien.data.reading import read_crops
from mien.data.sources import list_source
from tests.data.drawn import face


def save(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **options)


def test_what_is_wrong_with_each_picture_is_noted(tmp_path):
    rng = np.random.default_rng(0)
    root = tmp_path / "set" / "happy"
    good = face(rng, "happy")
    save(root / "a_good.png", good)
    save(root / "b_double.png", np.kron(good, np.ones((2, 2), np.uint8)))
    save(root / "c_colour.png", np.stack([good, good // 2, good], -1))
    save(root / "d_black.png", np.zeros((48, 48), np.uint8))
    sheet = np.full((48, 48), 255, np.uint8)
    sheet[20:24, 20:30] = 0
    save(root / "e_sheet.png", sheet)
    save(root / "f_small.png", good[:20, :20])
    save(root / "g_long.png", np.tile(good, (1, 2)))
    buffer = io.BytesIO()
    Image.fromarray(good).save(buffer, "PNG")
    (root / "h_cut.png").write_bytes(buffer.getvalue()[:300])
    (root / "i_empty.png").write_bytes(b"")
    (root / "j_text.png").write_text("hello")
    save(root / "k_deep.png", good.astype(np.uint16) * 257)
    crops = read_crops(list_source(tmp_path / "set"), Cache(tmp_path / "cache"))
    assert crops.reason.tolist() == [
        "", "", "", "blank", "nearly-constant", "wrong-size", "wrong-size", "unreadable",
        "unreadable", "unreadable", "",
    ]  # fmt: skip
    assert crops.resized.tolist() == [False, True] + [False] * 9
    assert crops.colour.tolist() == [False, False, True] + [False] * 8
    assert sorted(crops.detail) == [5, 6, 7, 8, 9]
    assert all(crops.detail.values())
    images = crops.rows(np.array([0, 1, 10]))
    assert (images == good).all()
    assert len(set(crops.sha256[[0, 1, 10]])) == 1


def test_the_cache_holds_exactly_these_bytes(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(3):
        save(tmp_path / "set" / "sad" / f"{i}.png", face(rng, "sad"))
    cache = Cache(tmp_path / "cache")
    first = read_crops(list_source(tmp_path / "set"), cache)
    stamp = first.path.stat().st_mtime_ns
    again = read_crops(list_source(tmp_path / "set"), cache)
    assert again.key == first.key
    assert again.path.stat().st_mtime_ns == stamp
    save(tmp_path / "set" / "sad" / "1.png", face(rng, "sad"))
    other = read_crops(list_source(tmp_path / "set"), cache)
    assert other.key != first.key
    assert not first.path.exists()


def test_flatness_knows_dark_faces_from_blanks():
    rng = np.random.default_rng(1)
    dark = (face(rng, "neutral") // 8).astype(np.uint8)
    blank = rng.integers(100, 104, (48, 48)).astype(np.uint8)
    assert flat_reasons(np.stack([dark, blank])) == ["", "blank"]
