from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from mien.train.recipe import Recipe, known_keys, load, parse, vary

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_every_recipe_parses_states_its_command_and_round_trips(path: Path):
    recipe = load(path)
    assert recipe.same_training(parse(tomllib.loads(recipe.to_toml())))
    about, command = path.read_text(encoding="utf-8").splitlines()[:2]
    assert about.startswith("# ") and about.endswith(".") and len(about) <= 124
    assert command in (
        f"# mien train {path.stem} DATA", f"# mien pipeline DATA OUT --student {path.stem}"
    )  # fmt: skip


def test_unknown_key_names_the_nearest():
    with pytest.raises(ValueError, match=r"optimizer\.learning_rate"):
        parse({"optimizer": {"learning_rate": 1}})
    with pytest.raises(ValueError, match="did you mean 'batch_size'"):
        parse({"batchsize": 3})


def test_several_problems_stand_in_one_line():
    with pytest.raises(ValueError, match=r"epochs.*; .*lr") as caught:
        parse({"epochs": 0, "optimizer": {"lr": -1}})
    assert "\n" not in str(caught.value)


def test_overrides_are_toml_values_or_plain_text(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text("epochs = 3\n")
    recipe = load(path, ["optimizer.lr=3e-4", "name=other", "network.start=a b.pth"])
    assert (recipe.epochs, recipe.optimizer.lr, recipe.name) == (3, 3e-4, "other")
    assert recipe.network.start == "a b.pth"
    assert load(path).name == "mine"


@pytest.mark.parametrize("text", ["epochs", "epochs.x=1"])
def test_bad_override(text: str):
    with pytest.raises(ValueError, match="epochs"):
        load(None, ["epochs=2", text])


@pytest.mark.parametrize("folder", ["data/😀", "자료/얼굴", 'odd "name"'])
def test_any_path_comes_back_from_a_saved_recipe(folder: str):
    recipe = vary(Recipe(), {"data.path": folder})
    assert parse(tomllib.loads(recipe.to_toml())).data.path == folder


def test_missing_and_broken_files(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="no such recipe"):
        load(tmp_path / "no.toml")
    (tmp_path / "bad.toml").write_text("a = = b")
    with pytest.raises(ValueError, match="not TOML"):
        load(tmp_path / "bad.toml")


@pytest.mark.parametrize("tree", [{"schedule": {"name": "plateau"}}, {"stopping": {"patience": 1}}])
def test_what_needs_a_held_out_score_says_so(tree: dict):
    with pytest.raises(ValueError, match=r"data\.holdout"):
        parse(tree)
    parse(tree | {"data": {"holdout": 0.1}})


def test_progressive_size_changes_at_its_epochs():
    recipe = parse({"epochs": 4, "sizes": {"0": 32, "2": 40}})
    assert [recipe.size_at(e) for e in range(4)] == [32, 32, 40, 40]
    with pytest.raises(ValueError, match="epoch"):
        parse({"epochs": 2, "sizes": {"2": 40}})


def test_layers_freeze_from_the_epoch_that_is_said():
    recipe = parse({"epochs": 12, "transfer": {"freeze": {"10": "b", "2": "a"}}})
    frozen = [recipe.frozen_at(epoch) for epoch in (0, 1, 2, 9, 10, 11)]
    assert frozen == ["", "", "a", "a", "b", "b"]
    with pytest.raises(ValueError, match=r"transfer\.freeze: '12' is not an epoch"):
        parse({"epochs": 12, "transfer": {"freeze": {"12": "a"}}})


def test_a_share_of_the_training_means_the_same_in_any_length():
    tree = {"sizes": {"0": 32, "0.4": 40}, "transfer": {"freeze": {"0.5": "a"}}}
    for epochs, begins, frozen in ((5, 2, 3), (10, 4, 5), (7, 3, 4)):
        recipe = parse(tree | {"epochs": epochs})
        sizes = [recipe.size_at(e) for e in range(epochs)]
        assert sizes == [32] * begins + [40] * (epochs - begins)
        assert [recipe.frozen_at(e) for e in range(epochs)].index("a") == frozen
        assert recipe.freezing_epochs == {frozen}
    again = parse(tomllib.loads(recipe.to_toml()))
    assert again == recipe
    for key in ("1.5", "-0.1", "1.0", "half", "0.4.1"):
        with pytest.raises(ValueError, match="nor a share of the training"):
            parse({"sizes": {key: 40}})


def test_heads_alone_for_a_share_leave_an_epoch_for_the_trunk():
    shares = {1: 0, 2: 1, 7: 1, 10: 1, 20: 2}
    found = {
        epochs: parse({"epochs": epochs, "transfer": {"frozen_epochs": 0.1}}).frozen_epochs
        for epochs in shares
    }
    assert found == shares
    assert parse({"epochs": 3, "transfer": {"frozen_epochs": 2}}).frozen_epochs == 2
    for wrong in (3, 2.5):
        with pytest.raises(ValueError, match=r"frozen_epochs.*share"):
            parse({"epochs": 3, "transfer": {"frozen_epochs": wrong}})


def test_an_epoch_and_the_share_that_means_it_are_one_training():
    one = parse({"epochs": 10, "sizes": {"4": 40}, "transfer": {"frozen_epochs": 1}})
    other = parse({"epochs": 10, "sizes": {"0.4": 40}, "transfer": {"frozen_epochs": 0.1}})
    assert one.same_training(other)
    assert not one.same_training(parse({"epochs": 10, "sizes": {"0.5": 40}}))


@pytest.mark.parametrize("epochs", [1, 2, 7])
@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_every_recipe_takes_any_number_of_epochs(path: Path, epochs: int):
    recipe = load(path, [f"epochs={epochs}", "data.path=data"])
    assert recipe.epochs == epochs
    assert all(recipe.size_at(e) >= 24 for e in range(epochs))
    assert recipe.frozen_epochs < epochs


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "..", "../..", "../x", "a/../../b", "/tmp/x", "a//b", "a/", "C:\\x", "..\\x",
     "a\nb", "a\x00b", "n" * 300],
)  # fmt: skip
def test_a_run_stays_below_the_folder_of_runs(name: str):
    with pytest.raises(ValueError, match="name: "):
        parse({"name": name})


def test_a_name_may_have_spaces_and_other_letters():
    for name in ("my run", "얼굴 1", "a/fold-1-of-5", "v1.2"):
        assert parse({"name": name}).name == name


def test_tune_decides_no_training():
    tuned = parse({"tune": {"space": {"optimizer.lr": [1e-3]}}})
    assert tuned.same_training(Recipe())
    assert "tune" not in tuned.to_toml()


def test_vary_checks_and_known_keys_are_dotted():
    assert vary(Recipe(), {"optimizer.lr": 1e-3}).optimizer.lr == 1e-3
    with pytest.raises(ValueError, match="lrr"):
        vary(Recipe(), {"optimizer.lrr": 1e-3})
    assert {"epochs", "optimizer.lr"} <= set(known_keys())


@pytest.mark.parametrize(
    ("tree", "key"),
    [
        ({"optimizer": {"clip": float("inf")}}, r"optimizer\.clip"),
        ({"targets": {"label": float("nan")}}, r"targets\.label"),
        ({"network": {"crop": 41}}, r"network\.crop"),
        ({"sizes": {"0": 0}}, r"sizes\.0"),
    ],
)
def test_numbers_that_no_run_can_take_are_refused_by_key(tree: dict, key: str):
    with pytest.raises(ValueError, match=key):
        parse(tree)


@pytest.mark.parametrize("text", ["2024", "true", "1e3", "2024-01-01"])
def test_text_may_look_like_something_else(text: str):
    recipe = load(
        None, [f"name={text}", f"data.path={text}", "epochs=3", f'network.start="{text}"']
    )
    assert (recipe.name, recipe.data.path, recipe.network.start) == (text, text, text)
    assert recipe.epochs == 3


def test_a_path_has_one_spelling():
    assert parse({"data": {"path": "data/fer/"}}) == parse({"data": {"path": "./data/fer"}})
    assert parse({"data": {"path": "/"}}).data.path == "/"
    assert not Recipe().data.path


def test_the_digest_is_of_what_decides_a_training():
    there, here = "network.start=x/one", "network.start=one"
    recipe = load("small", ["data.path=a", "targets.teacher=b", there])
    elsewhere = load("small", ["data.path=c", "targets.teacher=d", here, "kernels=stock"])
    assert recipe.digest == elsewhere.digest
    assert recipe.digest != load("small", ["seed=1", here]).digest
