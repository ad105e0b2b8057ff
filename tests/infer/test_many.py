import threading

import numpy as np
import pytest
from PIL import Image
from skimage import data

import mien
from mien.infer.many import analyze_batch, analyze_many, on_one_thread
from mien.infer.record import Made
from mien.infer.rows import COLUMNS, rows
from tests.tiny import make_bundle

MADE = Made("tiny", "label", "0" * 64)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return mien.load(make_bundle(tmp_path_factory.mktemp("bundles") / "tiny"), threads=2)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """30 crops, of which two are broken."""
    folder = tmp_path_factory.mktemp("crops")
    rng = np.random.default_rng(2)
    found = []
    for i in range(30):
        found.append(folder / f"{i:02}.png")
        Image.fromarray(rng.integers(0, 256, (48, 48), dtype=np.uint8)).save(found[-1])
    found[7].write_bytes(b"")
    found[20].write_bytes(found[20].read_bytes()[:300])
    return found


def test_order_and_errors_are_those_of_one_by_one(model, paths):
    alone = [analyze_batch(model, [p], names=[str(p)], crops=True)[0] for p in paths]
    for batch_size, workers in ((4, 2), (1, 3), (100, 1)):
        many = list(analyze_many(model, paths, batch_size=batch_size, workers=workers, crops=True))
        assert [p.source for p in many] == list(map(str, paths))
        assert [p.error for p in many] == [p.error for p in alone]
        for a, b in zip(alone, many, strict=True):
            assert rows(a, MADE) == rows(b, MADE)
    assert [i for i, p in enumerate(alone) if p.error] == [7, 20]
    assert "empty file" in alone[7].error


def test_photos_and_crops_share_runs_of_the_graph(model, paths):
    photo = data.astronaut()[:256]
    blank = np.full((200, 300, 3), 90, np.uint8)
    sizes = []

    class Counting(type(model)):
        def classify(self, crops, **options):
            sizes.append(len(crops))
            return super().classify(crops, **options)

    counting = Counting(model.bundle, model.detector, threads=1)
    found = analyze_batch(counting, [photo, blank, photo], names=["a", "b", "c"], min_face=64)
    assert sizes == [2]
    assert [len(p.faces) for p in found] == [1, 0, 1]
    assert (found[0].width, found[0].height) == (512, 256)
    whole = model.analyze(photo, min_face=64)
    assert found[0].faces[0].box == whole[0].box


def test_bytes_and_arrays_are_named_by_number(model, paths):
    sources = [paths[0].read_bytes(), b"", np.zeros((48, 48), np.uint8)]
    found = list(model.analyze_many(sources, crops=True))
    assert [p.source for p in found] == ["picture 0", "picture 1", "picture 2"]
    assert found[1].error.startswith("picture 1: empty file")


def test_a_decoders_own_bug_does_not_end_a_batch(model, paths, monkeypatch):
    from mien.infer import many

    def read(source):
        raise RuntimeError("plugin bug")

    monkeypatch.setattr(many, "read", read)
    found = list(model.analyze_many(paths[:3], crops=True))
    assert "RuntimeError: plugin bug" in found[0].error
    assert len(found) == 3


def test_a_search_that_lacks_memory_does_not_end_a_batch(model, paths, monkeypatch):
    found = type(model).find
    calls = []

    def find(self, *args, **options):
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("Failed to allocate memory for requested buffer")
        return found(self, *args, **options)

    monkeypatch.setattr(type(model), "find", find)
    entries = list(model.analyze_many(paths[:3], crops=True))
    assert sum("not enough memory" in (entry.error or "") for entry in entries) == 1
    assert sum(entry.error is None for entry in entries) == 2


def test_input_is_read_only_a_little_ahead(model, paths):
    taken = []

    def source():
        for i in range(10_000):
            taken.append(i)
            yield paths[0]

    found = analyze_many(model, source(), batch_size=4, workers=2, crops=True)
    for _ in range(4):
        next(found)
    assert len(taken) <= 4 * 3 * 2 + 4
    found.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("mien")]


def test_empty_one_and_bad_arguments(model, paths):
    assert list(analyze_many(model, [])) == []
    assert len(list(analyze_many(model, [paths[0]], crops=True))) == 1
    for wrong in ({"batch_size": 0}, {"min_face": 0}):
        with pytest.raises(ValueError, match="give 1 or more"):
            next(analyze_many(model, paths, **wrong))


def test_workers_run_on_one_thread_each(model):
    single = on_one_thread(model)
    assert (single.threads, single.detector.threads) == (1, 1)
    assert on_one_thread(single) is single


def test_rows_have_every_column(model, paths):
    for picture in analyze_many(model, [paths[0], paths[7]], crops=True):
        for row in rows(picture, MADE):
            assert list(row) == list(COLUMNS)
            for name, kind in COLUMNS.items():
                assert row[name] is None or isinstance(row[name], kind), name


@pytest.mark.parametrize("shape", [(60, 50), (60, 50, 3), (60, 50, 4)])
def test_one_picture_as_an_array_is_no_list_of_pictures(model, shape):
    with pytest.raises(TypeError, match="images is one picture"):
        list(model.analyze_many(np.zeros(shape, np.uint8)))
