"""The random numbers of a training step."""

from __future__ import annotations

import numpy as np


class BatchRNG:
    """Random numbers of a batch: some are for all of it, some for each of its samples.

    A sample's numbers depend on ``key`` and on its place in the whole batch alone. They are the same whether one
    process holds the batch, several hold a part each, or gradients are accumulated over parts in turn.

    Args:
        key: what the numbers depend on, such as seed, epoch and step; whole numbers from 0 on.
        first: place in the whole batch of the first sample that is here.
        count: number of samples that are here.

    Attributes:
        whole: generator of what holds for the whole batch, the same in all of its parts.
        samples: for each sample that is here its own generator.
    """

    def __init__(self, *key: int, first: int, count: int) -> None:
        self.whole = np.random.default_rng(key)
        places = range(first + 1, first + count + 1)  # from 1: NumPy takes (key, 0) for (key)
        self.samples = [np.random.default_rng((*key, place)) for place in places]
