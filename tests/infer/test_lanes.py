"""Many crops run side by side give what one run gives, in order."""

import threading

import numpy as np
import pytest

import mien
from mien.infer import lanes
from mien.infer.lanes import MANY, Lanes
from mien.infer.session import BEST_BATCH, CPU
from tests.tiny import make_bundle

NAMES = ["label", "ballot"]


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("bundles") / "tiny") / "model.onnx"


def crops(count):
    return np.random.default_rng(count).integers(0, 256, (count, 48, 48), dtype=np.uint8)


class Spy:
    """A session that notes what it is asked, and whether two threads were in it at once."""

    def __init__(self, session):
        self.session, self.sizes, self.threads = session, [], set()
        self.meet = threading.Barrier(2, timeout=5)
        self.met = False

    def get_providers(self):
        return self.session.get_providers()

    def run(self, names, feeds, options):
        self.sizes.append(len(feeds["faces"]))
        self.threads.add(threading.get_ident())
        if not self.met:
            try:
                self.meet.wait(0.5)
                self.met = True
            except threading.BrokenBarrierError:
                pass
        return self.session.run(names, feeds, options)


@pytest.fixture
def spied(monkeypatch):
    """What is opened, by its threads."""
    opened = {}

    def open_session(graph, *, threads=0, name=""):
        opened[threads] = Spy(session(graph, threads=threads, name=name))
        return opened[threads]

    session = lanes.open_session
    monkeypatch.setattr(lanes, "open_session", open_session)
    return opened


def test_few_crops_run_one_after_another_on_all_threads(graph, spied):
    Lanes(graph, threads=2).run(NAMES, crops(MANY * BEST_BATCH[CPU] - 1))
    assert list(spied) == [2]
    assert spied[2].sizes == [8] * (MANY - 1) + [7]
    assert len(spied[2].threads) == 1


def test_many_crops_run_side_by_side_on_a_thread_each(graph, spied):
    faces = crops(MANY * BEST_BATCH[CPU] + 3)
    found = Lanes(graph, threads=2).run(NAMES, faces)
    assert spied[2].sizes == []
    assert sorted(spied[1].sizes) == [3] + [8] * MANY
    assert spied[1].met
    alone = [spied[2].session.run(NAMES, {"faces": face[None]}) for face in faces]
    for got, wanted in zip(found, zip(*alone, strict=True), strict=True):
        np.testing.assert_allclose(got, np.concatenate(wanted), atol=1e-5)


def test_no_thread_is_left_without_work(graph, spied):
    Lanes(graph, threads=16).run(NAMES, crops(MANY * BEST_BATCH[CPU]))
    assert spied[1].sizes == [4] * 16


def test_one_thread_opens_the_graph_once(graph, spied):
    Lanes(graph, threads=1).run(NAMES, crops(100))
    assert list(spied) == [1]
    assert len(spied[1].threads) == 1


def test_a_given_size_is_the_most_that_a_run_sees(graph, spied):
    Lanes(graph, threads=2).run(NAMES, crops(5 * MANY), batch_size=5)
    assert spied[1].sizes == [5] * MANY


def test_no_crops_are_no_scores(graph):
    label, ballot = Lanes(graph).run(NAMES, crops(0))
    assert (label.shape, ballot.shape) == ((0, 7), (0, 10))


def test_a_model_scores_many_as_it_scores_few():
    model, faces = mien.load(threads=2), crops(80)
    many = model.classify(faces)
    few = [model.classify(faces[at : at + 10]) for at in range(0, 80, 10)]
    np.testing.assert_allclose(
        many.ballot, np.concatenate([part.ballot for part in few]), atol=1e-6
    )
