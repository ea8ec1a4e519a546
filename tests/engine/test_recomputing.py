"""Large batches are trained with activations that are computed again, to the same weights."""

from dataclasses import replace

import pytest
import torch

from isegm.data.datasets.folder import FolderDataset
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.train_set import TrainSet
from isegm.data.transforms import RandomView
from isegm.engine.schedule import MultiStep
from isegm.engine.trainer import RunConfig, TrainConfig, Trainer
from isegm.model import build_model
from isegm.model.backbones.mobile_blocks import InvertedResidual
from tests.drawn import draw_folder
from tests.engine.tiny import EVERY_CLICK


@pytest.mark.parametrize("options", [{}, pytest.param({"amp": "bf16"}, marks=pytest.mark.long)], ids=str)
def test_batches_above_so_many_pixels_learn_the_same(options, tmp_path):
    samples = TrainSet(
        FolderDataset(draw_folder(tmp_path / "photos", 4)), RandomView((48, 48)), MultiPointSampler(6), epoch_len=4
    )
    weights, forms = {}, {}
    for above in (None, 2 * 48 * 48, 2 * 48 * 48 - 1):
        torch.manual_seed(0)
        network = build_model("clickseg_mobilenetv2")
        folder = tmp_path / str(above)
        config = replace(TrainConfig(EVERY_CLICK, 2, 1, MultiStep([9])), recompute_above=above)
        run = Trainer(
            network, samples, None, config,
            RunConfig(folder / "checkpoints", folder / "vis", folder / "logs", workers=0, **options),
        )  # fmt: skip
        run.run()
        weights[above] = network.state_dict()
        forms[above] = {module.recompute for module in network.modules() if isinstance(module, InvertedResidual)}
    assert list(forms.values()) == [{False}, {False}, {True}]
    for other in list(weights.values())[1:]:
        assert all(torch.equal(value, other[name]) for name, value in weights[None].items())
