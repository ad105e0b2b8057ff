import json
from dataclasses import replace

import numpy as np
import pytest

from mien.measure.ceiling import noise
from mien.measure.evaluate import evaluate
from mien.measure.summary import sentences
from mien.measure.tables import all_tables, spell
from mien.measure.votes import worth_annotators

from .made import make_table


@pytest.fixture(scope="module")
def result(table):
    return evaluate(table, draws=50)


def test_json_holds_it_all(result):
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_with_and_without_leaks(table, result):
    clean = table.take(~table.leaked)
    for head in ("label", "votes"):
        parts = result["heads"][head]
        right = clean.scores(head).argmax(axis=1) == clean.y
        assert parts["without_leaked"]["accuracy"]["value"] == pytest.approx(right.mean(), abs=1e-6)
        assert parts["all"]["n"] - parts["without_leaked"]["n"] == table.leaked.sum()
    assert result["votes"]["without_leaked"]["n"] == len(clean)


def test_every_value_lies_in_its_interval(result):
    def walk(node):
        if isinstance(node, dict) and set(node) == {"value", "low", "high"}:
            yield node
        elif isinstance(node, dict):
            for child in node.values():
                yield from walk(child)

    found = [e for e in walk(result) if e["high"] is not None]  # else it is infinite
    assert len(found) > 100
    assert np.mean([e["low"] - 1e-9 <= e["value"] <= e["high"] + 1e-9 for e in found]) > 0.97


def test_every_table_is_whole(result):
    tables = all_tables(result)
    assert [t.title.split(",")[0] for t in tables[:2]] == ["Against the labels"] * 2
    for shown in tables:
        assert shown.rows
        assert all(len(row) == len(shown.columns) for row in shown.rows)


def test_labels_alone_and_votes_alone(table):
    bare = replace(table, counts=None, ballot=None, leaked=None, group=None)
    found = evaluate(bare, draws=20)
    assert "votes" not in found and list(found["heads"]) == ["label"]
    assert "without_leaked" not in found["heads"]["label"]
    assert all_tables(found)
    polled = evaluate(replace(table, y=np.full(len(table), -1)), draws=20)
    assert "heads" not in polled and polled["votes"]["all"]["n"] == len(table)
    assert all_tables(polled)


def test_nothing_to_measure_against_is_said(table):
    with pytest.raises(ValueError, match="nothing to measure against"):
        evaluate(replace(table, y=np.full(len(table), -1), counts=None))


def test_spelling():
    assert spell({"value": 0.6921, "low": 0.6772, "high": 0.7069}, percent=True) == (
        "69.2 % (67.7–70.7)"
    )
    assert spell({"value": 7.123, "low": 6.5, "high": None}) == "7.12 (6.50–∞)"
    assert spell({"value": None, "low": None, "high": None}) == "-"


def test_what_is_infinite_is_none(table):
    """Everybody gave the average ballot, so that it errs by no more than the votes' noise."""
    counts = np.tile([5, 3, 2, 0, 0, 0, 0, 0, 0, 0], (len(table), 1))
    alike = replace(table, counts=counts, ballot=counts / 10)
    found = evaluate(alike, draws=20)
    json.dumps(found, allow_nan=False)
    assert found["ceiling"]["prior_worth"] is None
    assert found["calibration"]["votes"]["after"]["all"]["worth_annotators"]["value"] is None
    (shown,) = (t for t in all_tables(found) if t.title == "Calibration")
    assert ("Equivalent annotators", "∞", "∞") in shown.rows
    assert "is equivalent to very many." in " ".join(sentences(found))


def test_noise_by_hand():
    table = make_table(4)
    counts = np.zeros((4, 10), int)
    counts[0, 1] = 10  # all say happy
    counts[1, [0, 3]] = 5, 5  # neutral or sad
    counts[2, [8, 0]] = 6, 4
    counts[3, [4, 0]] = 7, 3
    found = noise(
        replace(table, counts=counts, y=np.array([3, 5, 4, 1]), group=np.array([0, 1, 2, 1]))
    )
    assert found["label_is_top_vote"] == pytest.approx(2 / 4)
    assert found["no_majority"] == pytest.approx(2 / 4)
    assert found["two_agree"] == pytest.approx(
        np.mean([1, 20 * 2 / 90, (30 + 12) / 90, (42 + 6) / 90])
    )
    assert found["prior_worth"] == pytest.approx(
        worth_annotators(counts, np.tile(counts.mean(axis=0) / 10, (4, 1)))
    )
    assert found["in_copies"] == found["conflicting"] == pytest.approx(2 / 4)
