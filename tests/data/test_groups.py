import numpy as np

from mien.data.conflicts import judge_groups
from mien.data.groups import group_copies, keep_hardest_split

NEW = -1


def pairs(*given):
    return np.array(given, np.int64).reshape(-1, 2)


def test_copies_of_copies_are_one_group():
    group, bridges = group_copies(pairs((0, 1), (1, 2), (3, 4)), np.ones(6, bool), np.full(6, NEW))
    assert group.tolist() == [0, 0, 0, 3, 3, 5]
    assert not bridges.any()


def test_unusable_pictures_link_nothing():
    usable = np.array([True, False, True])
    group, _ = group_copies(pairs((0, 1), (1, 2)), usable, np.full(3, NEW))
    assert group.tolist() == [0, -1, 2]


def test_a_new_picture_between_two_splits_is_turned_away():
    # 0 in train, 1 in test, 2 new and a copy of both, 3 new and a copy of 2 alone.
    group, bridges = group_copies(
        pairs((0, 2), (1, 2), (2, 3)), np.ones(4, bool), np.array([0, 2, NEW, NEW])
    )
    assert bridges.tolist() == [False, False, True, False]
    assert group.tolist() == [0, 1, -1, 3]


def test_a_chain_of_new_pictures_does_not_bridge_either():
    group, bridges = group_copies(
        pairs((0, 2), (2, 3), (1, 3)), np.ones(4, bool), np.array([0, 2, NEW, NEW])
    )
    assert bridges.sum() == 1
    assert group[0] != group[1]


def test_placed_copies_of_a_test_picture_leave_train():
    group, bridges = group_copies(pairs((0, 1)), np.ones(2, bool), np.array([0, 2]))
    assert bridges.tolist() == [True, False]
    assert group.tolist() == [-1, 1]


def test_a_copy_of_a_picture_that_is_turned_away_still_knows_its_group():
    # 0 in train and 1 in test have the same pixels, so has 2, which is new; pairs name 0 alone.
    group, bridges = group_copies(
        pairs((0, 1), (0, 2)),
        np.ones(3, bool),
        np.array([0, 2, NEW]),
        pixels=np.array([7, 7, 7]),
    )
    assert bridges.tolist() == [True, False, False]
    assert group.tolist() == [-1, 1, 1]


def test_the_later_split_keeps_a_group():
    group = np.array([0, 0, 0, 3, 4, -1])
    hint = np.array([0, 2, 1, 0, 1, 2])
    assert keep_hardest_split(group, hint).tolist() == [False, True, False, True, True, False]


def judge(group, emotion, votes=None, decided=(), placed=()):
    n = len(group)
    table = np.full((n, 10), -1)
    for row, counts in (votes or {}).items():
        table[row] = 0
        for column, count in counts.items():
            table[row, column] = count
    mask = [np.isin(np.arange(n), rows) for rows in (decided, placed)]
    return judge_groups(np.array(group), np.array(emotion), table, decided=mask[0], placed=mask[1])


def test_votes_settle_a_conflict():
    # Ballot columns: 3 sadness, 4 anger; labels 0 angry, 5 sad.
    verdict = judge([0, 0], [0, 5], {0: {3: 6, 4: 3}})
    assert verdict.label.tolist() == [5, 5]
    assert verdict.conflicting.all()
    assert verdict.keeper.tolist() == [False, True]


def test_a_tie_and_no_votes_settle_nothing():
    for votes in ({}, {0: {3: 4, 4: 4}}, {0: {0: 10}}):
        verdict = judge([0, 0], [0, 5], votes)
        assert verdict.label.tolist() == [-1, -1]
        assert not verdict.keeper.any()


def test_a_person_settles_a_conflict_before_votes():
    verdict = judge([0, 0], [0, 5], {0: {3: 9}}, decided=[0])
    assert verdict.label.tolist() == [0, 0]


def test_which_copy_is_kept():
    assert judge([0, 0, 0], [3, 3, 3]).keeper.tolist() == [True, False, False]
    assert judge([0, 0, 0], [3, 3, 3], {2: {1: 9}}).keeper.tolist() == [False, False, True]
    placed = judge([0, 0, 0], [3, 3, 3], {2: {1: 9}}, placed=[1])
    assert placed.keeper.tolist() == [False, True, False]
