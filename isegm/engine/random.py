"""The random numbers of a training step."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from isegm.utils import distributed

STATE_BYTES = 40  # of a generator: state and increment of PCG64, 16 bytes each, and its two words of 4 bytes


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

    def state(self) -> Tensor:
        """Return the states of the samples' generators, (B, 40) uint8."""
        return torch.tensor([list(_packed(rng)) for rng in self.samples], dtype=torch.uint8).reshape(-1, STATE_BYTES)

    def load_state(self, states: Tensor) -> None:
        """Set the samples' generators to what ``state`` returned."""
        for rng, state in zip(self.samples, states, strict=True):
            rng.bit_generator.state = _unpacked(bytes(state.tolist()))


def seed_further_process(seed: int) -> None:
    """Let each process of a run but the first one, which keeps its seed, draw dropout of its own."""
    if distributed.rank() > 0:
        own = np.random.SeedSequence((seed, distributed.rank())).generate_state(1)
        torch.manual_seed(int(own[0]))


def _packed(rng: np.random.Generator) -> bytes:
    state = rng.bit_generator.state
    numbers = (
        (state["state"]["state"], 16),
        (state["state"]["inc"], 16),
        (state["has_uint32"], 4),
        (state["uinteger"], 4),
    )
    return b"".join(int(number).to_bytes(size, "little") for number, size in numbers)


def _unpacked(packed: bytes) -> dict[str, Any]:
    parts = (packed[:16], packed[16:32], packed[32:36], packed[36:])
    state, increment, has_word, word = (int.from_bytes(part, "little") for part in parts)
    inner = {"state": state, "inc": increment}
    return {"bit_generator": "PCG64", "state": inner, "has_uint32": has_word, "uinteger": word}
