"""The batcher: shared runs give each request its own scores, and nothing is lost."""

import threading
import time

import numpy as np
import pytest

from mien.infer.results import Scores
from mien.web.batching import Batcher


def _scores(crops, *, cam=False):
    """Scores that say which crop they belong to."""
    mean = crops.reshape(len(crops), -1).mean(1, keepdims=True)
    maps = np.repeat(mean, 7, 1).reshape(-1, 7, 1, 1) if cam else None
    return Scores(label=np.repeat(mean, 7, 1), ballot=np.repeat(mean, 10, 1), cam=maps)


def _crops(value, count=1):
    return np.full((count, 48, 48), value, np.uint8)


@pytest.mark.parametrize("threads", [1, 3])
def test_everyone_gets_their_own(threads):
    seen = []

    def classify(crops, *, cam=False):
        seen.append(len(crops))
        time.sleep(0.002)
        return _scores(crops, cam=cam)

    batcher = Batcher(classify, threads=threads, batch_size=16)
    batcher.start()
    jobs = [(i % 251, 1 + i % 5, i % 3 == 0) for i in range(200)]
    futures = [batcher.submit(_crops(value, n), cam=cam) for value, n, cam in jobs]
    for (value, n, cam), future in zip(jobs, futures, strict=True):
        scores = future.result(10)
        assert (scores.label == value).all() and scores.label.shape == (n, 7)
        assert (scores.cam is not None) == cam
    batcher.close()
    assert sum(seen) == sum(n for _, n, _ in jobs)
    assert max(seen) <= 16
    assert len(seen) < len(jobs) / 2  # runs were shared


def test_one_alone_does_not_wait_for_company():
    batcher = Batcher(_scores)
    batcher.start()
    begin = time.perf_counter()
    for _ in range(100):
        batcher.submit(_crops(1)).result(5)
    assert time.perf_counter() - begin < 2
    assert batcher.runs == 100
    batcher.close()


def test_a_job_larger_than_a_batch_runs_alone():
    sizes = []

    def classify(crops, *, cam=False):
        sizes.append(len(crops))
        return _scores(crops)

    batcher = Batcher(classify, batch_size=4)
    futures = [batcher.submit(_crops(i, n)) for i, n in enumerate([1, 9, 2, 2, 1])]
    batcher.start()
    for future in futures:
        future.result(5)
    batcher.close()
    assert sizes == [4, 2, 9]


def test_one_crop_does_not_wait_for_all_of_many():
    order = []

    def classify(crops, *, cam=False):
        order.append(int(crops[0, 0, 0]))
        return _scores(crops)

    batcher = Batcher(classify, batch_size=4)
    many = object()
    futures = [batcher.submit(_crops(1, 4), request=many) for _ in range(5)]
    futures.append(batcher.submit(_crops(2)))
    batcher.start()
    for future in futures:
        future.result(5)
    batcher.close()
    assert order.index(2) <= 1


def test_an_error_reaches_those_who_wait_and_no_one_else():
    fail = threading.Event()

    def classify(crops, *, cam=False):
        if fail.is_set():
            raise RuntimeError("no")
        return _scores(crops)

    batcher = Batcher(classify)
    batcher.start()
    fail.set()
    with pytest.raises(RuntimeError, match="no"):
        batcher.submit(_crops(1)).result(5)
    fail.clear()
    assert batcher.submit(_crops(2)).result(5).label[0, 0] == 2
    batcher.close()


def test_closing_finishes_what_was_submitted():
    def classify(crops, *, cam=False):
        time.sleep(0.05)
        return _scores(crops)

    batcher = Batcher(classify, batch_size=1)
    batcher.start()
    futures = [batcher.submit(_crops(i)) for i in range(8)]
    cancelled = futures[-1].cancel()
    batcher.close()
    assert all(future.done() for future in futures)
    assert cancelled == futures[-1].cancelled()
    with pytest.raises(RuntimeError, match="closed"):
        batcher.submit(_crops(1))
