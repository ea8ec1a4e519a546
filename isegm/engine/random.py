"""The random numbers of a training step."""

from __future__ import annotations

from typing import Any

import numpy as np


class BatchRNG:
    """Random numbers of a part of a batch: one generator for the whole batch, and one for each sample of the part.

    A sample's numbers depend only on ``key`` and on its position in the whole batch. They are the same whether one
    process has the batch, several have a part each, or gradients are accumulated over several parts.

    Args:
        key: seed of the generators, such as (seed, epoch, step); whole numbers from 0 on.
        first: position of the part's first sample in the whole batch.
        count: number of samples of the part.

    Attributes:
        whole: generator of the whole batch, with the same numbers in all of its parts.
        samples: generator of each sample of the part.
    """

    def __init__(self, *key: int, first: int, count: int) -> None:
        self.whole = np.random.default_rng(key)
        positions = range(first + 1, first + count + 1)  # from 1, as NumPy treats the seed (key, 0) as (key)
        self.samples = [np.random.default_rng((*key, position)) for position in positions]

    def state(self) -> list[dict[str, Any]]:
        """Return the states of the samples' generators, as plain data."""
        return [dict(generator.bit_generator.state) for generator in self.samples]

    def load_state(self, states: list[dict[str, Any]]) -> None:
        """Set the samples' generators to what ``state`` returned."""
        for generator, state in zip(self.samples, states, strict=True):
            generator.bit_generator.state = state
