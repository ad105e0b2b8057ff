import json
import zipfile
from pathlib import Path

import pytest

from mien import bundle as bundles
from tests.tiny import make_bundle


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("MIEN_MODELS", str(tmp_path / "shelf"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_names_resolve_on_the_shelf_and_in_models(home):
    shelf = make_bundle(home / "shelf" / "tiny")
    assert bundles.find("tiny") == shelf
    make_bundle(home / "models" / "other")
    assert bundles.find("other").name == "other"
    assert {"tiny", "other"} <= {b.path.name for b in bundles.list_bundles()}


def test_a_run_gives_its_bundle(home):
    make_bundle(home / "run" / "bundle")
    assert bundles.load(home / "run").path.name == "bundle"


def test_a_missing_name_lists_what_is_there(home):
    make_bundle(home / "shelf" / "tiny")
    with pytest.raises(bundles.BundleError, match=r"no model 'nope'.*tiny"):
        bundles.find("nope")


@pytest.mark.parametrize("name", bundles.IN_REPOSITORY)
def test_a_model_that_the_package_leaves_out_says_how_to_add_it(home, name):
    with pytest.raises(bundles.BundleError, match=f"`mien models add models/{name}` there adds it"):
        bundles.find(name)
    assert bundles.load(Path(__file__).parents[1] / "models" / name).card.name == name


def test_a_damaged_graph_is_refused(home):
    folder = make_bundle(home / "tiny")
    with (folder / bundles.GRAPH).open("ab") as file:
        file.write(b"x")
    with pytest.raises(bundles.BundleError, match="sha256"):
        bundles.load(folder)


def test_another_order_of_labels_is_refused(home):
    folder = make_bundle(home / "tiny")
    card = json.loads((folder / bundles.CARD).read_text())
    card["labels"].reverse()
    (folder / bundles.CARD).write_text(json.dumps(card))
    with pytest.raises(bundles.BundleError, match="another order"):
        bundles.load(folder)


def test_a_card_survives_writing_and_keys_of_the_future(home):
    folder = make_bundle(home / "tiny")
    card = bundles.Card.read(folder / bundles.CARD)
    raw = json.loads((folder / bundles.CARD).read_text()) | {"colour_of_the_future": 1}
    (folder / bundles.CARD).write_text(json.dumps(raw))
    assert bundles.Card.read(folder / bundles.CARD) == card


def test_add_takes_a_zip_and_checks_its_hash(home):
    folder = make_bundle(home / "made" / "tiny")
    packed = home / "tiny.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"tiny/{file.name}")
    with pytest.raises(bundles.BundleError, match="sha256 is"):
        bundles.add(str(packed), expected="0" * 64)
    added = bundles.add(str(packed), name="mine", expected=bundles.sha256(packed))
    assert bundles.load("mine").path == added.path
    assert bundles.add(packed.as_uri(), name="again").path.name == "again"


def test_add_refuses_what_is_no_bundle(home):
    (home / "x.zip").write_bytes(b"not a zip")
    with pytest.raises(bundles.BundleError, match="not a zip"):
        bundles.add(str(home / "x.zip"))


@pytest.mark.parametrize("name", ["../precious", "/tmp/precious", "..", "a/b", "", ".hidden"])
def test_add_keeps_to_its_own_folder(home, name):
    precious = home / "data" / "mien" / "precious"
    precious.mkdir(parents=True)
    (precious / "thesis.txt").write_text("years of work")
    folder = make_bundle(home / "made")
    card = json.loads((folder / bundles.CARD).read_text())
    (folder / bundles.CARD).write_text(json.dumps(card | {"name": name}))
    with pytest.raises(bundles.BundleError, match="cannot name a model"):
        bundles.add(str(folder))
    assert (precious / "thesis.txt").read_text() == "years of work"


def test_add_refuses_a_name_that_would_be_hidden(home):
    folder = make_bundle(home / "made")
    with pytest.raises(bundles.BundleError, match="would be hidden by"):
        bundles.add(str(folder), name="default")
    make_bundle(home / "shelf" / "mine")
    with pytest.raises(bundles.BundleError, match="would be hidden by"):
        bundles.add(str(folder), name="mine")


def test_a_hash_is_not_ignored_for_a_folder(home):
    with pytest.raises(bundles.BundleError, match="this is a folder"):
        bundles.add(str(make_bundle(home / "made")), name="mine", expected="0" * 64)


def test_one_bad_card_hides_no_other_model(home):
    make_bundle(home / "shelf" / "good")
    (make_bundle(home / "shelf" / "bad") / bundles.CARD).write_text("{")
    assert {"default", "good"} <= {b.path.name for b in bundles.list_bundles()}
    assert "bad" not in {b.path.name for b in bundles.list_bundles()}
    assert ["bad/card.json" in str(problem) for problem in bundles.damaged()] == [True]
    with pytest.raises(bundles.BundleError, match=r"no model 'nope'.*good"):
        bundles.find("nope")


def test_without_a_name_it_is_the_model_that_mien_carries(home):
    make_bundle(home / "default")
    assert bundles.find() == bundles.ASSETS / bundles.DEFAULT
    assert bundles.find("default").resolve() == home / "default"


def test_add_brings_the_weights_along(home):
    folder = make_bundle(home / "tiny")
    (folder / bundles.WEIGHTS).write_bytes(b"weights")
    added = bundles.add(str(folder), name="mine")
    assert (added.path / bundles.WEIGHTS).read_bytes() == b"weights"


@pytest.mark.parametrize("damage", ["bytes", "password", "compression"])
def test_a_zip_that_cannot_be_unpacked_is_named(home, damage):
    folder = make_bundle(home / "tiny")
    place = home / "tiny.zip"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / bundles.GRAPH, "tiny/model.onnx")
        archive.write(folder / bundles.CARD, "tiny/card.json")
    data = bytearray(place.read_bytes())
    begin = 30 + len("tiny/model.onnx")  # of the compressed bytes, after the local header
    central = data.index(b"PK\x01\x02")
    if damage == "bytes":
        data[begin : begin + 40] = b"\xff" * 40
    elif damage == "password":
        data[6] |= 1
        data[central + 8] |= 1
    else:
        data[8] = data[central + 10] = 99
    place.write_bytes(data)
    with pytest.raises(bundles.BundleError, match=r"tiny.zip: not a zip of a bundle"):
        bundles.add(str(place))


def test_an_address_that_cannot_be_reached_is_named(home):
    with pytest.raises(bundles.BundleError, match="cannot be fetched"):
        bundles.add("http://127.0.0.1/my model.zip")
    with pytest.raises(bundles.BundleError, match=r"file:///nowhere.zip: cannot be fetched"):
        bundles.add("file:///nowhere.zip")
