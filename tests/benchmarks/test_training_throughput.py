"""Sample-updates per second of training."""

import pytest
import torch

from isegm.benchmarks import training_throughput
from isegm.benchmarks.training_throughput import READ_AHEAD, updates_per_second


@pytest.mark.parametrize("workers, counted", [(1, 2), (4, 4)])
def test_processes_that_load_have_work_until_the_clock_stops(monkeypatch, workers, counted):
    planned, taken = [], []
    load_epoch = training_throughput.load_epoch

    def load(samples, batch_size, *others):
        parts, read = load_epoch(samples, batch_size, *others[:-2], 0, others[-1])  # in this process
        planned.append(len(parts))
        return parts, map(lambda batch: taken.append(batch) or batch, read)

    monkeypatch.setattr(training_throughput, "load_epoch", load)
    monkeypatch.setattr(training_throughput, "default_workers", lambda: workers)
    assert updates_per_second(torch.device("cpu"), False, 32, 1, 2, with_network=False) > 0
    ahead = READ_AHEAD * workers
    assert len(taken) == 1 + ahead + counted and planned == [len(taken) + ahead]
