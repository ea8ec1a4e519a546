"""The memory of a pass."""

import subprocess
import sys
from pathlib import Path

import pytest

from isegm.benchmarks import pass_memory

# PyTorch 2.6 fails where torchvision, which CDNet needs, is first imported while tensors have no values.
WATCHED = """
import sys

import torch

from isegm.benchmarks import pass_memory

def build(name):
    assert torch.empty(1).is_meta and "torchvision" in sys.modules
    sys.exit(7)

pass_memory.build_model = build
pass_memory.{call}
"""


@pytest.mark.long
@pytest.mark.parametrize(
    "call", ["cost_of('click', 'cdnet_resnet34', 384, 1)", "_main('click', 'cdnet_resnet34', '384', '1', 'fp32')"]
)
def test_torchvision_is_imported_before_a_network_is_built_without_values(call):
    words = [sys.executable, "-c", WATCHED.replace("{call}", call)]
    done = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr


@pytest.mark.slow
@pytest.mark.long
def test_a_training_step_that_computes_activations_again_takes_less_memory():
    kept, again = (
        pass_memory.cost_of(kind, "simpleclick_vit_xtiny", 672, 2)
        for kind in (pass_memory.TRAINING, pass_memory.RECOMPUTED)
    )
    assert again.own < 0.9 * kept.own and again.peak < kept.peak
