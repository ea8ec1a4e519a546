"""BatchNorm's statistics, measured."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from isegm.engine.batchnorm import measure_statistics
from isegm.engine.config import TrainConfig
from isegm.engine.loading import EpochBatches
from isegm.engine.schedule import MultiStep
from isegm.engine.tasks import IterativeClicks
from isegm.engine.training_step import TrainingStep
from isegm.utils.errors import InputError


class Normalised(nn.Module):
    """BatchNorm and dropout on the image; its prediction has nothing to do with them."""

    with_prev_mask = False

    def __init__(self, layer):
        super().__init__()
        self.layer, self.dropout = layer, nn.Dropout(0.5)

    def forward(self, image, points):
        self.dropout(self.layer(image))
        return {"instances": image[:, :1]}


def test_statistics_are_the_plain_average_over_all_clicks():
    torch.manual_seed(0)
    layer = nn.BatchNorm2d(3, momentum=0.1)
    layer.running_mean.fill_(7)
    images = [torch.randn(4, 3, 8, 8) * scale + scale for scale in (1, 2, 4)]
    empty = {"instances": torch.zeros(4, 1, 8, 8), "points": torch.full((4, 6, 3), -1.0)}
    step = TrainingStep(Normalised(layer), IterativeClicks({}, max_num_next_clicks=1, train_every_click=True))
    before = torch.get_rng_state()
    batches = ({"images": image, **empty} for image in images)
    measure_statistics(step, EpochBatches(12, 4, 0, 0), batches, 0, nullcontext())
    torch.testing.assert_close(layer.running_mean, torch.stack([x.mean((0, 2, 3)) for x in images]).mean(0))
    torch.testing.assert_close(layer.running_var, torch.stack([x.var((0, 2, 3)) for x in images]).mean(0))
    assert layer.num_batches_tracked == 6  # two clicks of each batch
    assert layer.momentum == 0.1
    assert torch.equal(torch.get_rng_state(), before)  # dropout drew from another generator state
    assert layer.weight.grad is None


def test_statistics_are_kept_or_measured():
    task = IterativeClicks({}, 1)
    for kept, batches in ((True, 0), (False, 2)):
        TrainConfig(task, 4, 1, MultiStep([]), freeze_batchnorm=kept, precise_bn_batches=batches)
    with pytest.raises(InputError, match="keeps BatchNorm's statistics, and precise_bn_batches would replace them"):
        TrainConfig(task, 4, 1, MultiStep([]), freeze_batchnorm=True, precise_bn_batches=2)
