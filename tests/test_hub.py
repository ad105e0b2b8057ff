import socket

import pytest

from mien import bundle, hub
from mien.cli import bundles as cli
from tests.fake_hub import COMMIT, running
from tests.tiny import make_bundle

constants = pytest.importorskip("huggingface_hub.constants")


@pytest.fixture
def place(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HF_TOKEN", "hf_made")
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    with running() as (served, address):
        monkeypatch.setenv("HF_ENDPOINT", address)
        # both were read when the library was imported, with an earlier test's address
        path = constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix(constants.ENDPOINT)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + path)
        monkeypatch.setattr(constants, "ENDPOINT", address)
        yield served


def test_a_pushed_bundle_is_fetched_by_name_and_verified(place, tmp_path, capsys):
    made = bundle.load(make_bundle(tmp_path / "mine"))
    url = hub.push(made, "hf:me/mien-mine")
    assert COMMIT in url and place.tokens == ["Bearer hf_made"] * len(place.tokens)
    files = place.files["me/mien-mine"]
    assert set(files) == {bundle.GRAPH, bundle.CARD, hub.README}
    assert files[bundle.GRAPH] == made.graph.read_bytes()
    cli.add("hf:me/mien-mine", name="fetched")
    assert bundle.load("fetched").card == made.card
    assert "mien predict --model fetched" in capsys.readouterr().out
    cli.add(f"hf:me/mien-mine@{COMMIT}", name="pinned")
    assert bundle.load("pinned").card.sha256 == made.card.sha256


def test_a_bundle_whose_graph_differs_from_its_card_is_refused(place, tmp_path):
    hub.push(bundle.load(make_bundle(tmp_path / "mine")), "hf:me/mine")
    place.files["me/mine"][bundle.GRAPH] += b"more"
    with pytest.raises(bundle.BundleError, match="sha256"):
        cli.add("hf:me/mine")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("hf:nobody/nothing", "no such model"),
        ("hf:me/empty", "holds no card.json"),
        ("hf:me/empty@old", "no such branch"),
        ("hf:mine", "write hf:OWNER/NAME"),
        ("hf:../../etc/passwd", "write hf:OWNER/NAME"),
    ],
)
def test_what_cannot_be_fetched_says_why_in_one_line(place, address, said):
    place.files["me/empty"] = {}
    with pytest.raises(hub.HubError, match=said) as caught:
        cli.add(address)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("code", [401, 403])
def test_a_refused_push_says_to_log_in(place, tmp_path, code):
    place.refuse = code
    with pytest.raises(hub.HubError, match="hf auth login"):
        hub.push(bundle.load(make_bundle(tmp_path / "mine")), "hf:me/mine")


def test_a_hub_that_cannot_be_reached_is_one_sentence(monkeypatch, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused at once
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setenv("HF_TOKEN", "hf_made")
        made = bundle.load(make_bundle(tmp_path / "mine"))
        with pytest.raises(hub.HubError, match="cannot be reached") as fetching:
            cli.add("hf:me/mine")
        with pytest.raises(hub.HubError, match="cannot be reached"):
            hub.push(made, "hf:me/mine")
    assert "\n" not in str(fetching.value)


def test_the_card_on_the_hub_states_figures_start_and_hash():
    made = bundle.load()
    text = hub.model_card(made, "me/mine")
    accuracy = made.card.metrics["label"]["accuracy"]["value"]
    assert f"| label: accuracy | {accuracy:.3f} |" in text
    assert made.card.sha256 in text and made.card.start in text
    assert text.startswith("---\n") and "mien models add hf:me/mine" in text
