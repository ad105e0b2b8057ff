import numpy as np

from mien.emotions import BALLOT, EMOTIONS
from mien.measure.predictions import Predictions


def make_table(n=300, *, seed=0, skill=2.0, copies=0, ballot=True):
    """A made system: people's opinions are drawn, votes and label follow, scores see some of it."""
    rng = np.random.default_rng(seed)
    opinion = rng.dirichlet(np.array([2, 2.5, 1.2, 1.5, 1.2, 0.3, 0.5, 0.1, 0.2, 0.05]), n)
    counts = np.array([rng.multinomial(10, p) for p in opinion])
    seven = opinion[:, [4, 5, 6, 1, 0, 3, 2]] + 1e-9
    seven /= seven.sum(axis=1, keepdims=True)
    y = np.array([rng.choice(len(EMOTIONS), p=p) for p in seven])
    noise = rng.normal(size=(n, len(EMOTIONS)))
    label = np.exp(skill * np.log(seven + 0.05) * 0.5 + noise * 0.6)
    guess = opinion + rng.dirichlet(np.ones(len(BALLOT)), n) * 0.3
    group = np.arange(n)
    group[n - copies :] = np.arange(copies)
    return Predictions(
        id=np.array([f"test/x/{i:05d}.png" for i in range(n)]),
        y=y,
        label=label / label.sum(axis=1, keepdims=True),
        ballot=guess / guess.sum(axis=1, keepdims=True) if ballot else None,
        counts=counts,
        group=group,
        leaked=rng.random(n) < 0.1,
        system=f"made-{seed}",
        split="test",
    )


def outcomes(rng, p):
    return (rng.random(len(p))[:, None] > p.cumsum(axis=1)).sum(axis=1).clip(max=p.shape[1] - 1)
