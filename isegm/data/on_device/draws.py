"""Random numbers of a batch that is made on a device."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor


@lru_cache(maxsize=256)
def constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Return float32 numbers on a device; copied there once, as a GPU would stop for every copy. Never change them."""
    return torch.tensor(values, dtype=torch.float32, device=device)


class Draws:
    """Random numbers of a batch, drawn on the device that computes with them.

    Args:
        device: of the numbers.
        key: seed, such as (seed, epoch, index); whole numbers from 0 on. Equal keys draw equal numbers on one device.

    Attributes:
        generator: of numbers on the device.
        host: of numbers that Python needs, such as how many samples are blurred.
    """

    def __init__(self, device: torch.device, *key: int) -> None:
        self.device = device
        self.generator = torch.Generator(device)
        on_device, on_host = np.random.SeedSequence(key).generate_state(2)
        self.generator.manual_seed(int(on_device))
        self.host = np.random.default_rng(int(on_host))

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Draw float32 numbers of a shape, uniformly from ``low`` to ``high``."""
        return torch.rand(*shape, device=self.device, generator=self.generator) * (high - low) + low

    def normal(self, *shape: int) -> Tensor:
        """Draw float32 numbers of a shape from the standard normal distribution."""
        return torch.randn(*shape, device=self.device, generator=self.generator)

    def happens(self, probability: float, count: int) -> Tensor:
        """Draw for each of ``count`` samples whether something of this probability happens, (count,) bool."""
        return torch.rand(count, device=self.device, generator=self.generator) < probability

    def below(self, limits: Tensor) -> Tensor:
        """Draw for each limit, (N,) whole numbers above 0, a whole number from 0 to just below it, (N,) int64."""
        luck = torch.rand(limits.shape, device=self.device, generator=self.generator)
        return torch.minimum((luck * limits).long(), limits.long() - 1)

    def pixels(self, regions: Tensor, count: int = 1) -> tuple[Tensor, Tensor]:
        """Draw pixels of each region, all of a region alike and none twice.

        Args:
            regions: (B, H, W) bool.
            count: pixels of each region.

        Returns:
            their rows and columns, (B, count, 2) int64, and whether the region has so many, (B, count) bool.
        """
        width = regions.shape[-1]
        luck = torch.rand(regions.shape, device=self.device, generator=self.generator)
        luck = torch.where(regions, luck, -1.0).flatten(1)
        best, flat = luck.topk(min(count, luck.shape[1]), dim=1)
        return torch.stack((flat // width, flat % width), -1), best >= 0
