import numpy as np
import pytest

from .made import make_table, outcomes


@pytest.fixture(scope="session")
def table():
    return make_table(copies=20)


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(6000, 7)) * 2
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return rng, logits, p, outcomes(rng, p)
