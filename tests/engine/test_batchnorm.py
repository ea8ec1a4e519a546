"""BatchNorm's statistics, measured."""

from functools import partial

import torch
from torch import nn

from isegm.engine.batchnorm import measure_statistics


def forward_passes(model, batches):
    for batch in batches:
        yield model(batch)


def test_statistics_are_the_plain_average_over_all_passes():
    torch.manual_seed(0)
    layer = nn.BatchNorm2d(3, momentum=0.1)
    model = nn.Sequential(layer, nn.Dropout(0.5))
    layer.running_mean.fill_(7)
    batches = [torch.randn(4, 3, 8, 8) * scale + scale for scale in (1, 2, 4)]
    before = torch.get_rng_state()
    measure_statistics(
        model, [partial(forward_passes, model, batches[:2]), partial(forward_passes, model, batches[2:])], 0
    )
    torch.testing.assert_close(layer.running_mean, torch.stack([b.mean((0, 2, 3)) for b in batches]).mean(0))
    torch.testing.assert_close(layer.running_var, torch.stack([b.var((0, 2, 3)) for b in batches]).mean(0))
    assert layer.momentum == 0.1
    assert torch.equal(torch.get_rng_state(), before)  # dropout drew from another generator state
    assert layer.weight.grad is None
