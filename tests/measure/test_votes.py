import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr
from scipy.stats import entropy

from mien.measure.bootstrap import estimate
from mien.measure.votes import agreement, js_divergence, majority, shares, worth_annotators


def opinions(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng, rng.dirichlet(np.array([3, 3, 1.5, 2, 1.5, 0.3, 0.6, 0.2, 0.3, 0.1]), n)


def vote(rng, opinion, k):
    return rng.multinomial(k, opinion)


def test_agrees_with_scipy(table):
    x, q = shares(table.counts), table.ballot
    found = agreement(table.counts, q)(np.ones((1, len(x))))
    cross = entropy(x, axis=1) + rel_entr(x, q).sum(axis=1)
    assert found["cross_entropy"][0] == pytest.approx(cross.mean())
    assert found["js_divergence"][0] == pytest.approx((jensenshannon(x, q, axis=1) ** 2).mean())
    brier = [sum((q[i, c] - x[i, c]) ** 2 for c in range(10)) for i in range(len(x))]
    assert found["brier"][0] == pytest.approx(np.mean(brier))
    assert found["worth_annotators"][0] == pytest.approx(worth_annotators(table.counts, q))


def test_js_divergence_is_bounded():
    one, other = np.eye(10)[[0]], np.eye(10)[[1]]
    assert js_divergence(one, other)[0] == pytest.approx(np.log(2))
    assert js_divergence(one, one)[0] == 0


def test_majority_by_the_published_rule():
    counts = np.zeros((7, 10), int)
    counts[0, [0, 1, 2]] = 5, 4, 1  # 5 of 9 once the single vote is dropped
    counts[1, [0, 1]] = 5, 5  # half is not more than half
    counts[2, [8, 0]] = 7, 3  # most could not say
    counts[3, [9]] = 10  # not a face
    counts[4, [7, 1]] = 6, 4  # contempt is an answer
    counts[5, [3, 4, 5, 6]] = 3, 3, 3, 1
    counts[6, :10] = 1  # all single
    assert majority(counts).tolist() == [0, -1, -1, -1, 7, -1, -1]
    assert majority(counts, strict=True).tolist() == [-1, -1, -1, -1, 7, -1, -1]


def test_majority_against_a_plain_loop(table):
    def slow(row):
        left = [v if v > 1 else 0 for v in row]
        best = max(left)
        if best * 2 <= sum(left) or left.index(best) >= 8:
            return -1
        return left.index(best)

    assert majority(table.counts).tolist() == [slow(list(row)) for row in table.counts]


def test_majority_accuracy_counts_only_pictures_with_a_majority(table):
    found = agreement(table.counts, table.ballot)(np.ones((1, len(table))))
    m = majority(table.counts)
    choice = table.ballot[:, :8].argmax(axis=1)
    assert found["ferplus_majority"][0] == pytest.approx((choice == m)[m >= 0].mean())


@pytest.mark.parametrize("k", [1, 3, 8])
def test_k_annotators_are_worth_k(k):
    """Fresh annotators, drawn from the same opinion as the ten votes."""
    rng, opinion = opinions(20_000)
    counts = vote(rng, opinion, 10)
    panel = vote(rng, opinion, k) / k
    assert worth_annotators(counts, panel) == pytest.approx(k, rel=0.04)


@pytest.mark.parametrize("k", [2, 5])
def test_annotator_subsets_are_worth_their_number(k):
    """k of a picture's own ten annotators against the other ten - k."""
    rng, opinion = opinions(20_000, seed=1)
    counts = vote(rng, opinion, 10)
    part = np.array([rng.multivariate_hypergeometric(row, k) for row in counts])
    assert worth_annotators(counts - part, part / k) == pytest.approx(k, rel=0.05)


def test_worth_does_not_depend_on_the_number_of_votes():
    rng, opinion = opinions(40_000, seed=2)
    panel = vote(rng, opinion, 4) / 4
    few, many = (worth_annotators(vote(rng, opinion, n), panel) for n in (3, 50))
    assert few == pytest.approx(many, rel=0.05)


def test_knowing_every_opinion_is_worth_very_many():
    rng, opinion = opinions(5_000, seed=3)
    assert worth_annotators(vote(rng, opinion, 10), opinion) > 100


def test_the_interval_of_worth_covers():
    inside = 0
    for world in range(120):
        rng, opinion = opinions(250, seed=100 + world)
        statistic = agreement(vote(rng, opinion, 10), vote(rng, opinion, 4) / 4)
        found = estimate(statistic, 250, draws=200, seed=world)["worth_annotators"]
        inside += found.low <= 4 <= found.high
    assert 0.88 <= inside / 120 <= 0.99
