"""Where the time of a training step goes."""

import pytest
import torch

from isegm.benchmarks import step_stages
from isegm.benchmarks.step_stages import CLICKS, DATA, PASSES, TRAINING, stage_lines, training_stages


@pytest.mark.slow
def test_every_stage_of_a_step_is_timed(monkeypatch):
    monkeypatch.setattr(step_stages, "SIZE", (64, 96))
    seconds = training_stages("ritm_hrnet18s", 2, 3, torch.device("cpu"))
    assert seconds.keys() == {*DATA, CLICKS, PASSES, *TRAINING} and min(seconds.values()) > 0
    lines = stage_lines(seconds)
    assert [line.split()[0] for line in lines[:-1]] == [name.split()[0] for name in (*DATA, CLICKS, PASSES, *TRAINING)]
    assert lines[-1].startswith("  samples and clicks are ")
