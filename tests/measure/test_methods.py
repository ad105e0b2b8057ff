import json

import pytest

from mien import bundle
from mien.measure.evaluate import evaluate
from mien.measure.methods import paragraph, read_metrics
from tests.measure.made import make_table

VERSIONS = {"mien": "1.2.3", "Python": "3.12"}


def test_the_paragraph_says_what_was_measured_and_on_what(tmp_path):
    result = evaluate(make_table(200), draws=50)
    (tmp_path / "metrics.json").write_text(json.dumps(result), encoding="utf-8")
    read = read_metrics(tmp_path)
    text = paragraph(read, versions=VERSIONS)
    accuracy = read["heads"]["label"]["all"]["accuracy"]["value"]
    assert f"Accuracy of the label was {100 * accuracy:.1f} %" in text
    assert "mien 1.2.3 (Python 3.12)" in text and "200 pictures" in text
    assert "50 resamples of groups of identical pictures (seed 0)" in text
    assert "had a copy in the training data" in text and "\n" not in text


def test_a_bundle_is_named_by_its_hash_and_a_calibration_on_the_same_split_is_admitted():
    card = bundle.load().card
    result = evaluate(make_table(100), draws=20)
    result["card"] = {"name": card.name, "sha256": card.sha256, "data": card.data,
                      "calibration": {"fitted_on": "test (100)"}}  # fmt: skip
    text = paragraph(result, versions=VERSIONS)
    assert card.sha256 in text and "slightly optimistic" in text
    result["card"]["calibration"]["fitted_on"] = "valid (100)"
    assert "slightly optimistic" not in paragraph(result, versions=VERSIONS)


def test_without_votes_or_labels_nothing_is_said_of_them():
    table = make_table(60)
    text = paragraph(evaluate(make_table(60, ballot=False), draws=20), versions=VERSIONS)
    assert "Accuracy" in text
    voted = evaluate(type(table)(**{**table.__dict__, "y": table.y * 0 - 1}), draws=20)
    text = paragraph(voted, versions=VERSIONS)
    assert "Accuracy" not in text and "calibration error" not in text and "annotators" in text


def test_what_is_no_result_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(FileNotFoundError, match="mien evaluate"):
        read_metrics(tmp_path)
    (tmp_path / "metrics.json").write_text('{"a": 1}', encoding="utf-8")
    with pytest.raises(ValueError, match="not a result of mien evaluate"):
        read_metrics(tmp_path)
