"""What holds for every page: links lead somewhere, pictures are small, wording is plain."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]
GENERATED = ("reference/", "model-card.md", "data-card.md", "changelog.md")

SAID_OTHERWISE = (
    """
worth this many annotators|starts from weights that have seen no face data set
a bad picture is an entry|any system's scores judged|around the house|goes on if it exists
begin output files anew|the house is full|whether it lives|nobody waits for company
no epoch is picked|pay for the votes|gained nothing from bf16|what pays depends
ending at 0.3 of its highest|first layers that stand still|milder changes|warming up
without pictures that have a copy|taught by an ensemble|what it takes for what
when it may stay silent|do its scores mean|its worst mistakes|that whose|so-manieth
which marks it before all else|takes those with the same pixels
worth k annotators|annotators’ worth|cross-fitted|waits for company|of a graph sees|puts out
mean what they say|that stands for all|high rate and long
a person drops takes
""".replace("\n", "|")
    .strip("|")
    .split("|")
)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_of_a_page_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" in target or target.startswith("mailto:"):
            continue
        if any(part in target for part in GENERATED):
            continue  # made when the site is built, whose strict mode checks these
        assert (page.parent / target).exists(), f"{page.name} → {target}"


def test_pictures_are_small_and_each_is_shown():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for picture in (ROOT / "docs").rglob("*.webp"):
        assert picture.stat().st_size < 150_000, picture
        assert f"img/{picture.name})" in text, f"{picture.name} is on no page"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_wording_is_plain(page):
    if page.name == "contributing.md":
        return  # shows what not to write
    text = " ".join(page.read_text(encoding="utf-8").lower().split())
    assert [phrase for phrase in SAID_OTHERWISE if phrase in text] == []


SPOKEN = [
    file
    for kind in ("py", "js", "html", "j2", "json", "toml")
    for folder in ("src/mien", "recipes", "tools", "benchmarks", "packages")
    for file in sorted((ROOT / folder).rglob(f"*.{kind}"))
    if "static/docs" not in file.as_posix()  # Swagger UI's own
]
ALSO = [
    "anew",
    "the house",
    "taught by",
    "to be had",
    "began alike",
    "shall have ended",
    "go on training",
]


def test_wording_of_the_code_is_plain():
    """Errors, help texts, docstrings and comments say things as the pages do."""
    found = []
    for file in SPOKEN:
        text = " ".join(file.read_text(encoding="utf-8").lower().split())
        found += [f"{file.relative_to(ROOT)}: {p}" for p in [*SAID_OTHERWISE, *ALSO] if p in text]
    assert found == []


def test_the_readme_is_a_page_and_a_half():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_files_that_contributing_names_exist():
    text = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    named = set(
        re.findall(r"`((?:src|tests|tools|recipes|benchmarks|docs|packages)/[^`\s]*)`", text)
    )
    assert len(named) > 30
    for path in named - {"src/mien/strings/LANGUAGE.json"}:
        assert (ROOT / path).exists(), path
    for module in re.findall(r"python -m (benchmarks\.\w+)", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists(), module
    for script in re.findall(r"python (tools/\w+\.py)", text):
        assert (ROOT / script).exists(), script
    changes = re.findall(r"^1\. Code: (.*?)^2\. Test: ", text, re.M | re.S)
    assert len(changes) == 10


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_recipes_that_a_page_names_exist(page):
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"recipes/[\w/]+\.toml", text):
        assert (ROOT / path).exists(), path
    known = {path.stem for path in (ROOT / "recipes").glob("*.toml")}
    for name in re.findall(r"^mien (?:train|tune) ([a-z]\w+) data/", text, re.M):
        assert name in known, name
