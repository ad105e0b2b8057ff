import re
from dataclasses import replace

import numpy as np
import pytest

from mien.measure import plots
from mien.measure.compare import compare
from mien.measure.evaluate import evaluate
from mien.measure.report import build, confusions, tiles
from mien.measure.summary import sentences
from mien.measure.tables import all_tables
from mien.measure.votes import majority
from mien.measure.worst import describe, worst

from .made import make_table

CARD = {
    "cost": {
        "parameters": 3_300_000,
        "multiply_adds": 110e6,
        "bytes": 4_100_000,
        "ms_per_face": 1.3,
    },
    "start": "faceres (Apache-2.0)",
    "licence": "Apache-2.0",
}


@pytest.fixture(scope="module")
def report(table):
    pictures = np.random.default_rng(0).integers(0, 255, (len(table), 48, 48), dtype=np.uint8)
    return build(
        table,
        evaluate(table, draws=10),
        others=[make_table(seed=0, skill=0.5), make_table(seed=0, skill=1, ballot=False)],
        card=CARD,
        pictures=pictures,
    )


def test_the_page_stands_alone(report):
    assert not re.findall(r'(?:src|href)="(?!data:|#)', report.html)
    assert "@import" not in report.html and "url(http" not in report.html
    assert report.html.count("data:image/png;base64,") >= 10


def test_every_section_is_there(report):
    heads = re.findall(r"<h2>(.*?)</h2>", report.html)
    assert len(heads) == 12
    assert re.findall(r"^## (.*)$", report.markdown, re.MULTILINE) == [
        *heads,
        "How this was measured",
    ]
    assert "3.3 million" in report.markdown and "1.30 ms" in report.markdown
    assert "No age, sex, skin colour" in report.html
    assert "Art. 5(1)(f)" in report.html


def test_figures_use_the_colours_of_the_page(report):
    figures = re.findall(r"<svg viewBox.*?</svg>", report.html, re.DOTALL)
    assert len(figures) == 4 + 2 * 7
    assert "#0102" not in report.html
    for figure in figures:
        assert "var(--" in figure
        assert "DejaVu" not in figure
        assert 'role="img"' in figure
    ids = re.findall(r' id="(p[0-9a-f]{8,})"', report.html)
    assert ids and len(ids) == len(set(ids))


def test_the_same_data_gives_the_same_figure(table):
    def draw():
        score, positive = table.label[:, 3], table.y == 3
        return plots.ranking(positive, score, kind="pr", title="happy pr", area=0.5)

    assert draw() == draw()
    with pytest.raises(ValueError, match="choose roc or pr"):
        plots.ranking(table.y == 3, table.label[:, 3], kind="x", title="", area=0)


def test_tables_of_the_markdown_are_whole(report):
    for block in re.findall(r"(?:^\|.*\n)+", report.markdown, re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1, block


def test_a_bare_system_gets_a_shorter_report_without_pictures(table):
    few = table.take(np.arange(80))
    bare = replace(
        few, ballot=None, counts=None, group=None, leaked=None, system="<script>bare</script>"
    )
    page = build(bare, evaluate(bare, draws=10))
    assert "<script>" not in page.html
    assert "data:image" not in page.html and "picture not shown" in page.html
    assert "What it costs" not in page.html and "annotators" not in page.markdown.split("## How")[0]


def test_votes_alone_make_a_report(table):
    polled = replace(table.take(np.arange(80)), y=np.full(80, -1))
    page = build(polled, evaluate(polled, draws=10))
    assert "Confusion matrix" not in page.html and "annotators" in page.html


def test_worst_are_wrong_clear_and_not_copies(table):
    rows = worst(table, n=12)
    seen = majority(table.counts[rows])
    assert (seen >= 0).all()
    assert (table.ballot[rows].argmax(axis=1) != seen).all()
    assert len(set(table.group[rows].tolist())) == len(rows)
    distance = ((table.ballot - table.counts / 10) ** 2).sum(axis=1)[rows]
    assert (np.diff(distance) <= 1e-12).all()


def test_worst_without_votes_goes_by_the_label(table):
    bare = replace(table, counts=None)
    rows = worst(bare, n=5)
    given = bare.label[rows, bare.y[rows]]
    assert (bare.label[rows].argmax(axis=1) != bare.y[rows]).all()
    assert given[0] == given.min()
    assert describe(bare, rows, pictures=None)[0].people == "nobody voted"


def test_a_mistake_is_told_in_words():
    one = make_table(1)
    counts = np.zeros((1, 10), int)
    counts[0, [1, 8]] = 7, 3
    ballot = np.full((1, 10), 0.01)
    ballot[0, 0] = 0.91
    (told,) = describe(replace(one, counts=counts, ballot=ballot), np.array([0]), pictures=None)
    assert told.people == "7 happy, 3 unsure"
    assert told.system == "neutral 91 %"
    assert told.bars[0] == ("neutral", 0.0, pytest.approx(0.91))


def test_confusions_are_shares_of_their_row():
    table = np.zeros((7, 7), int)
    table[0, [0, 2]] = 6, 4
    table[3, [3, 4]] = 90, 10
    assert confusions(table.tolist()) == [("angry", "fear", 0.4, 4), ("happy", "neutral", 0.1, 10)]


def test_a_heading_keeps_a_name_with_a_path_whole(table):
    """What stands in brackets is set below the figure in cells; a name in a heading is one."""
    one = replace(table.take(np.arange(80)), system="default (a)")
    other = replace(one, system="default (b)")
    page = build(one, evaluate(one, draws=10), others=[other]).html
    assert '<th scope="col">default (a) is better by</th>' in page


def test_the_summary_says_the_figures(table):
    result = evaluate(table, draws=20)
    text = " ".join(sentences(result))
    accuracy = result["heads"]["label"]["all"]["accuracy"]["value"]
    assert f"Of 100 pictures it gives {100 * accuracy:.0f}" in text
    assert (
        f"equivalent to {result['votes']['all']['worth_annotators']['value']:.1f} annotators"
        in text
    )
    assert "identical copy in the training data" in text


def test_a_system_that_only_names_emotions_is_given_no_confidence(table):
    named = replace(table, label=np.eye(7)[table.label.argmax(axis=1)], ballot=None)
    result = evaluate(named, draws=20)
    assert result["names_only"]
    report = build(named, result)
    for words in (report.markdown, " ".join(str(t) for t in all_tables(result))):
        for word in (
            "## Calibration",
            "NLL (nats)",
            "coverage",
            "ECE of label",
            "ROC AUC",
        ):
            assert word not in words
    assert "<h2>Calibration" not in report.html
    assert "coverage" not in report.html
    assert "nothing is said of its confidence" in report.markdown
    assert "nll" not in compare(named, table, draws=20)["metrics"]


def test_a_model_calibrated_on_the_same_pictures_is_said_to_be(table):
    result = evaluate(table, draws=20)
    own = f"{table.split} ({len(table):,})"
    for fitted, told in ((own, True), ("valid (9)", False)):
        carded = result | {"card": {"calibration": {"fitted_on": fitted}}}
        noted = [each.title for each in all_tables(carded) if "a little too good" in each.note]
        assert any("a little too good" in each for each in sentences(carded)) == told
        names = [name for _, name, _ in tiles(carded, {})]
        assert ("equivalent annotators, calibrated here" in names) == told
        assert noted == (["Against people's votes, ballot", "Calibration"] if told else [])
