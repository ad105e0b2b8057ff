from dataclasses import fields, replace

import numpy as np
import pytest

from mien.emotions import BALLOT_INDEX
from mien.measure.predictions import Predictions

from .made import make_table


def test_saved_and_loaded_is_the_same(tmp_path, table):
    table.save(tmp_path / "p.npz")
    again = Predictions.load(tmp_path / "p.npz")
    for f in fields(Predictions):
        np.testing.assert_array_equal(getattr(again, f.name), getattr(table, f.name))
    assert not list(tmp_path.glob("*.part"))


def test_what_is_absent_stays_absent(tmp_path):
    table = replace(make_table(5), ballot=None, counts=None, group=None, leaked=None)
    table.save(tmp_path / "p.npz")
    again = Predictions.load(tmp_path / "p.npz")
    assert again.ballot is None and again.leaked is None
    assert not again.has_votes.any()


def test_a_file_of_something_else_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    with pytest.raises(ValueError, match="no id, label, y; not a predictions file"):
        Predictions.load(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": np.ones((4, 7))}, "expected \\(5, 7\\)"),
        ({"label": np.full((5, 7), 0.2)}, "does not sum to 1"),
        ({"label": np.tile([1.2, -0.2, 0, 0, 0, 0, 0], (5, 1))}, "negative"),
        ({"id": np.array(list("aabcd"))}, "appears twice"),
    ],
)
def test_check_names_the_fault(change, message):
    with pytest.raises(ValueError, match=message):
        replace(make_table(5), **change).check()


def test_label_scores_stand_in_for_a_missing_ballot():
    table = make_table(4, ballot=False)
    np.testing.assert_array_equal(table.full_ballot[:, BALLOT_INDEX], table.label)
    np.testing.assert_array_equal(table.scores("votes"), table.label)
    with pytest.raises(ValueError, match="choose from label, votes"):
        table.scores("nose")


def test_take_keeps_what_belongs_together(table):
    part = table.take(np.array([4, 2]))
    assert part.id.tolist() == table.id[[4, 2]].tolist()
    assert part.counts[1].tolist() == table.counts[2].tolist()
    assert part.system == table.system
