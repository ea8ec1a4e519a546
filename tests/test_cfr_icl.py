"""CFR-ICL's training with the published data sets and networks that are no vision transformers."""

from dataclasses import replace

import pytest
import torch

from isegm import load_model
from isegm.engine.iterative_click_loss import AppendedClicks, IterativeClickLoss
from isegm.recipes import cfr_icl
from tests.drawn import draw_folder

RITM = "models/iter_mask/hrnet18s_cocolvis_itermask_3p.py"
FOLDERS = "models/light/mobilenetv2_icl_folder.py"


@pytest.mark.parametrize("data", [cfr_icl.COCO_LVIS, cfr_icl.SBD], ids=["COCO+LVIS", "SBD"])
def test_the_published_sets_are_seen_as_published(data, at_data):
    _, cfg = at_data(RITM, "--epoch-len", "4")
    train_set, val_set = data.open(cfg, {0: (96, 96)}, cfr_icl.SAMPLER, (), True)
    wanted = (1000, 0.05) if data is cfr_icl.COCO_LVIS else (20, 0.01)
    assert (train_set.min_object_area, train_set.keep_background_prob) == wanted
    assert (train_set.suem.paste_prob, train_set.suem.mix_prob) == (0.5, 0.5) and val_set.suem is None
    assert (train_set.shares is None) == (data is cfr_icl.COCO_LVIS) and data.train.epoch_len in (30000, None)
    orders = {order for index in range(4) for order in train_set[index]["points"][:, 2].tolist()}
    assert 1 < max(orders) < 100 and 0 not in orders


def test_a_published_network_of_ritm_trains_a_step_with_it(at_data):
    module, cfg = at_data(RITM, "--epochs=1", "--epoch-len=2", "--batch-size=2")
    module.RECIPE = replace(
        module.RECIPE, crop=(64, 64), data=cfr_icl.COCO_LVIS, sampler=cfr_icl.SAMPLER, clicks=cfr_icl.CLICKS,
        click_weights=cfr_icl.CLICK_WEIGHTS,
    )  # fmt: skip
    module.main(cfg)
    assert load_model(cfg.CHECKPOINTS_PATH / "last_checkpoint.pth").config["model"] == "ritm_hrnet18s"


def test_the_loss_and_the_pasting_are_left_out_one_by_one(planned, tmp_path):
    images = ("--data", str(draw_folder(tmp_path / "photos", 25)))
    _, samples, _, config = planned(FOLDERS, *images)
    assert isinstance(config.task, IterativeClickLoss) and config.task.weights == (1, 2, 3)
    assert samples.suem is not None and samples.copy_paste is None
    _, samples, _, config = planned(FOLDERS, *images, "--set", "click_weights=null", "--set", "data.suem=null")
    assert type(config.task) is AppendedClicks and samples.suem is None
    assert torch.is_tensor(samples[0]["images"])
