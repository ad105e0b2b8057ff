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


def save_foreign(path, **changes):
    """A table as another hand may have saved it; five rows."""
    table = make_table(5)
    arrays = {f.name: getattr(table, f.name) for f in fields(table)}
    np.savez(path, **{**arrays, **changes})
    return path


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("leaked", [0, 1, 1, 0, 0], [False, True, True, False, False]),
        ("leaked", [0.0, 1.0, 1.0, 0.0, 0.0], [False, True, True, False, False]),
        ("id", [3, 1, 4, 5, 9], ["3", "1", "4", "5", "9"]),
        ("id", [3.0, 1.0, 4.0, 5.0, 9.0], ["3", "1", "4", "5", "9"]),
        ("id", ["a", "b", "c", "d", "얼굴"], ["a", "b", "c", "d", "얼굴"]),
        ("id", [b"a", b"b", b"c", b"d", "얼굴".encode()], ["a", "b", "c", "d", "얼굴"]),
        ("y", [0.0, 6.0, -1.0, 2.0, 3.0], [0, 6, -1, 2, 3]),
        ("counts", np.full((5, 10), 1.0), np.full((5, 10), 1)),
    ],
)
def test_what_another_hand_saved_is_read_as_ours(tmp_path, name, given, read):
    table = Predictions.load(save_foreign(tmp_path / "p.npz", **{name: np.array(given)}))
    found, ours = getattr(table, name), getattr(make_table(5), name)
    assert found.dtype.kind == ours.dtype.kind
    np.testing.assert_array_equal(found, np.array(read))
    assert len(table.take(~table.leaked)) == (~table.leaked).sum()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.array([0, 1, 2, 3, 7])}, r"y holds 7; give -1 .* or 0 to 6 in the order angry"),
        ({"y": np.array([0, 1, 2, 3, -2])}, "y holds -2"),
        ({"y": np.array([0, 1, 2, 3, 0.5])}, "y holds 0.5; give whole numbers"),
        ({"y": np.array([0, 1, 2, 3, np.nan])}, "y holds nan; give whole numbers, -1 where"),
        ({"y": np.array(list("01234"))}, "y holds <U1, not numbers"),
        ({"counts": np.full((5, 10), 0.1)}, "counts holds 0.1; give whole"),
        ({"label": np.full((5, 7), "a")}, "label holds <U1, not numbers"),
        ({"leaked": np.array([0, 1, 2, 0, 0])}, "leaked is neither bool nor 0 and 1"),
        ({"id": np.array([b"a", b"b", b"c", b"d", b"\xff"])}, "id holds bytes that are not UTF-8"),
        ({"id": np.array(list("abcde"), object)}, r"id is an array .* np.array\(ids, dtype=str\)"),
    ],
)
def test_what_cannot_be_read_is_said_with_the_file(tmp_path, change, message):
    with pytest.raises(ValueError, match=rf"p\.npz: {message}"):
        Predictions.load(save_foreign(tmp_path / "p.npz", **change))


def test_label_scores_stand_in_for_a_missing_ballot():
    table = make_table(4, ballot=False)
    np.testing.assert_array_equal(table.full_ballot[:, BALLOT_INDEX], table.label)
    np.testing.assert_array_equal(table.scores("votes"), table.label)
    with pytest.raises(ValueError, match="choose from votes, label"):
        table.scores("nose")


def test_take_keeps_what_belongs_together(table):
    part = table.take(np.array([4, 2]))
    assert part.id.tolist() == table.id[[4, 2]].tolist()
    assert part.counts[1].tolist() == table.counts[2].tolist()
    assert part.system == table.system
