"""The reference holds every public name, verb, option, recipe key, column and route of the code."""

import re

import pytest
from tools.docs import columns, reference

import mien


def test_every_public_name_of_mien_stands_in_the_python_reference():
    page = reference.python_page()
    for name in mien.__all__:
        assert f"heading: mien.{name}\n" in page, name
        assert getattr(mien, name) is not None
    assert "::: mien.infer.model.load\n" in page and "::: mien.emotions.BALLOT\n" in page


def test_every_verb_and_option_stands_in_the_reference_with_its_example():
    page = reference.cli_page()
    verbs = dict(reference.commands())
    assert {"mien predict", "mien data prepare", "mien models push"} <= verbs.keys()
    for name, command in verbs.items():
        section = re.search(rf"^#+ {re.escape(name)}\n(.*?)(?=^#|\Z)", page, re.M | re.S)
        assert section, name
        for parameter in command.params:
            for option in set(parameter.opts) - {"--help", "-h"}:
                if option.startswith("-"):
                    assert f"`{option}`" in section[1], (name, option)
        if not getattr(command, "commands", None):
            assert f"```sh\n{name}" in section[1], f"{name}: give an Example in its docstring"


def test_ranges_defaults_and_environment_of_options_are_shown():
    page = reference.cli_page()
    assert "| `--port` | integer, 1 to 65535 | `8000` | Port to listen on. |" in page
    assert "Also from the environment: `MIEN_TOKEN`." in page


def test_every_recipe_key_stands_in_the_reference():
    recipe = pytest.importorskip("mien.train.recipe")
    page = reference.recipe_page()
    for key in recipe.known_keys():
        row = re.search(rf"^\| `{re.escape(key)}` \|.*\| ([^|]+) \|$", page, re.M)
        assert row and row[1].strip(), f"{key}: say what it does in a docstring"
    assert re.search(r"\| `optimizer.lr` \| float, > 0 \| `0.0004` \|", page)


def test_every_route_and_type_of_the_service_stands_in_the_reference():
    page, document = reference.http_page(), reference.openapi()
    for path, methods in document["paths"].items():
        for method in methods:
            assert f"## {method.upper()} {path}\n" in page
    for name, schema in document["components"]["schemas"].items():
        for key in schema.get("properties", {}):
            assert f"### {name}\n" in page and f"| `{key}` |" in page


def test_every_column_and_key_has_a_unit_and_a_meaning():
    for title, rows in columns.tables().items():
        assert rows, title
        for name, unit, meaning in rows:
            assert unit and unit != "any", (title, name)
            assert meaning or name.endswith("height`"), (title, name)
    with pytest.raises(ValueError, match="unheard_of: describe this column"):
        columns.describe(["unheard_of"], columns.MEANINGS)


def test_the_dictionary_knows_what_the_code_writes():
    from mien.infer.results import Expression, Face, Picture

    expression = Expression(
        expression=dict.fromkeys(mien.EMOTIONS, 1 / 7),
        votes=dict.fromkeys(mien.EMOTIONS, 1 / 7),
        label=dict.fromkeys(mien.EMOTIONS, 1 / 7),
        ballot=dict.fromkeys(mien.BALLOT, 0.1),
        unclear=0.2,
        is_unclear=False,
    )
    picture = Picture("a.jpg", 9, 9, [Face((0, 0, 1, 1), expression, track=1)]).to_dict()
    page = columns.page()
    for key in picture:
        assert f"| `{key}` |" in page, key
    for key in picture["faces"][0]:
        assert f"| `faces[].{key}` |" in page, key
