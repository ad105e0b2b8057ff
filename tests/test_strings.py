"""Every language has every entry, and what the page and Python ask for is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mien import strings as module
from mien.emotions import EMOTIONS
from mien.strings import LANGUAGES, strings

PAGE = Path(module.__file__).parents[1] / "web" / "static" / "page"
BLANK = re.compile(r"\{\w+\}")


def entries(value, path: str = "") -> Iterator[tuple[str, str]]:
    """Each text of a file with its path; a list's entries may differ in number."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from entries(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        yield path, ""
    else:
        yield path, value


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_entry_with_its_blanks(language: str) -> None:
    english, other = dict(entries(strings("en"))), dict(entries(strings(language)))
    assert other.keys() == english.keys()
    for path, text in english.items():
        assert sorted(BLANK.findall(other[path])) == sorted(BLANK.findall(text)), path
        assert other[path].strip() == other[path] and bool(other[path]) == bool(text), path


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_seven_emotions_stand_in_order(language: str) -> None:
    for section in ("emotions", "synonyms"):
        assert list(strings(language)[section]) == [e.value for e in EMOTIONS]


def test_the_page_asks_for_what_is_there_and_nothing_is_left_over() -> None:
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    scripts = "".join(file.read_text(encoding="utf-8") for file in (PAGE / "js").glob("*.js"))
    asked = set(re.findall(r'data-t(?:-label|-title)?="(\w+)"', html))
    asked |= set(re.findall(r'\bt\(\s*"(\w+)"', scripts))
    known = strings("en")["page"].keys()
    assert asked <= known
    quoted = set(re.findall(r'["`](\w+)["`]', scripts))
    assert known - asked - quoted == set()


def test_an_unknown_language_names_the_ones_there_are() -> None:
    with pytest.raises(ValueError, match=f"no names in 'xx'; choose from {', '.join(LANGUAGES)}"):
        strings("xx")
