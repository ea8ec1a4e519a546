"""Learning-rate schedules: functions of the progress in epochs, without a state of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Schedule(Protocol):
    """Returns the factor of the base learning rate after ``epoch`` epochs, a fraction within an epoch."""

    def __call__(self, epoch: float) -> float: ...


@dataclass(frozen=True)
class MultiStep:
    """Multiply by ``gamma`` at the end of each milestone epoch, as RITM does."""

    milestones: Sequence[int]
    gamma: float = 0.1

    def __call__(self, epoch: float) -> float:
        return self.gamma ** sum(int(epoch) >= milestone for milestone in self.milestones)


@dataclass(frozen=True)
class WarmupDecay:
    """Rise linearly over ``warmup`` epochs, stay at 1, fall linearly from ``decay_from`` to ``floor`` at ``end``."""

    end: float
    warmup: float = 0.0
    decay_from: float = 0.0
    floor: float = 0.02

    def __call__(self, epoch: float) -> float:
        if epoch < self.warmup:
            return max(epoch, 1e-3) / self.warmup
        if epoch <= self.decay_from:
            return 1.0
        passed = min(1.0, (epoch - self.decay_from) / (self.end - self.decay_from))
        return 1.0 - (1.0 - self.floor) * passed
