"""The memory of a pass."""

import pytest

from isegm.benchmarks import pass_memory


@pytest.mark.slow
@pytest.mark.long
def test_a_training_step_that_computes_activations_again_takes_less_memory():
    kept, again = (
        pass_memory.cost_of(kind, "simpleclick_vit_xtiny", 672, 2)
        for kind in (pass_memory.TRAINING, pass_memory.RECOMPUTED)
    )
    assert again.own < 0.9 * kept.own and again.peak < kept.peak
