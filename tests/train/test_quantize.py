from __future__ import annotations

import numpy as np

from mien.train.quantize import pair_range


def test_two_neighbouring_products_never_leave_sixteen_bits():
    weight = np.random.default_rng(0).standard_normal((16, 6, 3, 3)).astype(np.float32)
    weight[3] = 0
    stored = np.round(weight / pair_range(weight)[:, None, None, None] * 127).astype(int)
    largest = 0
    for row in (stored.reshape(16, -1), stored.transpose(0, 2, 3, 1).reshape(16, -1)):
        largest = max(largest, 255 * np.abs(row[:, 1:] + row[:, :-1]).max())
    assert 255 * 120 < largest <= 2**15 - 1


def test_depthwise_weights_keep_their_own_range():
    weight = np.random.default_rng(1).standard_normal((8, 1, 3, 3)).astype(np.float32)
    assert np.allclose(pair_range(weight), np.abs(weight).max(axis=(1, 2, 3)))
