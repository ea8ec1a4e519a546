"""The experiments of SimpleClick and CFR-ICL: what they say is what was published, and each of them trains."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from isegm import InputError, build_model
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.transforms import RandomRotate90
from isegm.engine.iterative_click_loss import AppendedClicks, IterativeClickLoss
from isegm.model.checkpoint import read_checkpoint, save_checkpoint
from isegm.model.click_model import EarlyFusionModel
from isegm.model.losses import NormalizedFocalLoss
from isegm.model.recomputation import Recomputable
from isegm.recipes import train
from isegm.recipes.launch import IMAGENET_FILES
from isegm.utils.exp import load_script
from tests.conftest import ROOT
from tests.published_data import SBD_SCORES
from tests.tracked import experiment_scripts

# MODEL_NAME, network, its arguments, data, side, rate, drops of the rate, epochs, checkpoints, images, start weights
XTINY, BASE, LARGE, HUGE = (f"simpleclick_vit{size}" for size in ("_xtiny", "b", "l", "h"))
FINE = ((0, 20), (50, 1))
EXPERIMENTS = {
    f"iter_mask/plainvit_{size}448_{data}_itermask": (
        f"{data}_{kind}_{size}448", name, {}, data, 448, 5e-5, (50, 55), 55, FINE, 300, f"MAE_{size.upper()}",
    )
    for size, kind, name in (("base", "plainvit", BASE), ("large", "vit", LARGE), ("huge", "vit", HUGE))
    for data in ("cocolvis", "sbd")
}  # fmt: skip
WIDE = dict(out_dims=(256, 256, 256, 256))
EXPERIMENTS |= {
    "iter_mask/plainvit_xtiny448_cocolvis_itermask": (
        "cocolvis_plainvit_xtiny448", XTINY, {}, "cocolvis", 448, 5e-5, (200, 230), 230,
        ((0, 50), (300, 5)), 1000, None,
    ),
    "iter_mask/plainvit_xtiny448_sbd_itermask": (
        "sbd_plainvit_xtiny448", XTINY, {}, "sbd", 448, 1e-5, (800, 900), 1001, ((0, 100), (900, 50)), 1000, None,
    ),
    "iter_mask/plainvit_base224_cocolvis_itermask": (
        "cocolvis_plainvit_base224", BASE, dict(img_size=(224, 224), **WIDE), "cocolvis", 224, 5e-4, (49, 55), 55,
        ((0, 5), (49, 1)), 3000, "MAE_BASE",
    ),
    "iter_mask/plainvit_large224_cocolvis_itermask": (
        "cocolvis_vit_large224", LARGE, dict(img_size=(224, 224)), "cocolvis", 224, 5e-4, (49, 55), 55,
        ((0, 5), (49, 1)), 300, "MAE_LARGE",
    ),
}  # fmt: skip
for side in (896, 1024):
    EXPERIMENTS[f"iter_mask/plainvit_base{side}_cocolvis_itermask"] = (
        f"cocolvis_plainvit_base{side}", BASE, dict(img_size=(side, side), **WIDE), "cocolvis", side, 5e-4, (190, 220),
        230, ((0, 10), (50, 1)), 300, "MAE_BASE",
    )  # fmt: skip
# MODEL_NAME, network, N, samples of an epoch, epochs, weights of the loss, checkpoints, start weights
CFR = {
    "plainvit_base448_cocolvis": (
        "cocolvis_plainvit_base448", BASE, 24, 30000, 5, None, ((0, 1), (50, 1)), "CL_VIT_BASE",
    ),
    "plainvit_base448_sbd": ("sbd_plainvit_base448", BASE, 24, None, 20, None, ((0, 5), (50, 1)), "SBD_VIT_BASE"),
    "plainvit_huge448_cocolvis": (
        "cocolvis_vit_huge448", HUGE, 12, 3000, 1, (1, 2, 3), ((0, 1), (50, 1)), "CL_VIT_HUGE",
    ),
    "plainvit_huge448_sbd": ("sbd_vit_huge448", HUGE, 12, None, 5, (1, 2, 3), ((0, 1), (50, 1)), "SBD_VIT_HUGE"),
}  # fmt: skip


class Cheap(EarlyFusionModel):
    """A convolution with the previous mask, which notes what was asked for."""

    config: ClassVar = {"model": "cheap", "params": {}}

    def __init__(self, name="", **arguments):
        super().__init__()
        self.name, self.arguments, self.started_from = name, arguments, None
        self.block = Recomputable()
        self.layer = nn.Conv2d(3 + self.coord_channels, 1, 9, stride=4, padding=4)

    def backbone_forward(self, image, coord_features):
        return {"instances": self.layer(torch.cat((image, coord_features), dim=1))}

    def load_imagenet_weights(self, source):
        self.started_from = Path(source).stem


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """Networks of up to 660 million parameters are not built."""
    for recipes in ("launch", "cfr_icl"):
        monkeypatch.setattr(f"isegm.recipes.{recipes}.build_model", Cheap)


def of_script(file):
    return f"models/{file}.py"


def check_samples(train_set, data, side, area):
    *steps, _ = train_set.augment[0][1].steps
    assert len(train_set.augment) == 1 and any(getattr(step, "size", None) == (side, side) for step in steps)
    assert any(isinstance(step, RandomRotate90) for step in steps) == (data == "sbd")
    assert train_set.reader.name == {"sbd": "SBD_train", "cocolvis": "COCO_LVIS_train"}[data]
    assert (train_set.min_object_area, train_set.keep_background_prob) == (area, 0.01 if data == "sbd" else 0.05)
    if data == "sbd":
        weights = (1 - np.array(SBD_SCORES, np.float32)) ** 1.25
        np.testing.assert_allclose(np.diff(train_set.shares, prepend=0), weights / weights.sum(), rtol=1e-5)
    else:
        assert train_set.shares is None and train_set.reader.stuff_prob == 0.3


def check_config(config, rate, drops, epochs, checkpoints, images):
    assert (config.batch_size, config.epochs, config.lr, config.clip_norm) == (32, epochs, rate, None)
    rates = [config.schedule(epoch) for epoch in range(epochs)]
    assert rates == pytest.approx([0.1 ** sum(epoch >= drop for drop in drops) for epoch in range(epochs)])
    assert (config.checkpoint_interval, config.image_dump_interval) == ([*checkpoints], images)
    (term,) = config.task.losses.values()
    assert isinstance(term.criterion, NormalizedFocalLoss) and (term.criterion.alpha, term.criterion.gamma) == (0.5, 2)
    assert (term.weight, term.output) == (1, "instances")


@pytest.mark.parametrize("file", EXPERIMENTS)
def test_scripts_of_simpleclick_say_what_was_published(file, planned):
    _, network, arguments, data, side, rate, drops, epochs, checkpoints, images, _ = EXPERIMENTS[file]
    found, train_set, val_set, config = planned(of_script(file))
    assert (found.name, found.arguments, val_set) == (network, arguments, None)
    check_samples(train_set, data, side, 80 if data == "sbd" else 1000)
    check_config(config, rate, drops, epochs, checkpoints, images)
    assert config.task.max_num_next_clicks == 3 and not config.task.train_every_click
    assert train_set.epoch_len == (None if data == "sbd" else 30000)
    assert train_set.sampler == MultiPointSampler(24, 0.8, merge_objects_prob=0.15)


@pytest.mark.parametrize("file", CFR)
def test_scripts_of_cfr_icl_say_what_was_published(file, planned, tmp_path):
    _, network, points, epoch_len, epochs, weights, checkpoints, key = CFR[file]
    save_checkpoint(Cheap(), tmp_path / "start.pth")
    found, train_set, val_set, config = planned(
        of_script(file), IMAGENET_PRETRAINED_MODELS={key: str(tmp_path / "start.pth")}
    )
    assert (found.name, val_set) == (network, None)
    data = file.split("_")[-1]
    check_samples(train_set, data, 448, 20 if data == "sbd" else 1000)
    check_config(config, 5e-6, (50, 55), epochs, checkpoints, 300)
    assert type(config.task) is (IterativeClickLoss if weights else AppendedClicks)
    assert not weights or tuple(config.task.weights) == weights
    assert (train_set.sampler.max_num_points, train_set.sampler.click_orders) == (points, True)
    assert train_set.epoch_len == epoch_len
    assert (train_set.suem.paste_prob, train_set.suem.mix_prob) == (0.5, 0.5)


@pytest.mark.parametrize("file", EXPERIMENTS)
def test_scripts_of_simpleclick_start_from_maes_weights(file, configure, tmp_path):
    module, cfg = configure(of_script(file))
    assert EXPERIMENTS[file][0] == module.MODEL_NAME
    for key in IMAGENET_FILES:
        (tmp_path / f"{key}.pth").touch()
    cfg.IMAGENET_PRETRAINED_MODELS = {key: str(tmp_path / f"{key}.pth") for key in IMAGENET_FILES}
    assert module.init_model(cfg).started_from == EXPERIMENTS[file][-1]


@pytest.mark.parametrize("file", CFR)
def test_scripts_of_cfr_icl_need_a_network_to_go_on_from(file, configure):
    module, cfg = configure(of_script(file))
    assert CFR[file][0] == module.MODEL_NAME
    with pytest.raises(InputError, match=rf"goes on from a network that SimpleClick trained: .*{CFR[file][-1]}"):
        module.init_model(cfg)


def test_the_tables_name_every_script():
    others = ("light", "default", "segnext")  # the latter two are SegNext's
    published = (path for path in experiment_scripts() if path.parent.name not in others)
    files = {str(path.with_suffix("")) for path in published if path.stem.startswith("plainvit")}
    assert files == {*EXPERIMENTS, *CFR} and (len(EXPERIMENTS), len(CFR)) == (12, 4)


SHORT = ("--epochs", "1", "--epoch-len", "2", "--batch-size", "2")


def test_vit_l_and_h_compute_their_activations_again():
    scripts = {f"{path}.py": load_script(ROOT / of_script(path)).RECIPE.recompute for path in (*EXPERIMENTS, *CFR)}
    assert {name for name, recompute in scripts.items() if recompute} == {
        name for name in scripts if "large" in name or "huge" in name
    }


@pytest.mark.parametrize("options", [(), ("--set", "recompute=true")])
def test_recomputing_runs_the_blocks_once_more_and_learns_the_same(options, at_data, small_crops, monkeypatch):
    monkeypatch.setattr("isegm.recipes.launch.build_model", build_model)
    weights, passes = [], []
    for more in ((), options):
        module, cfg = at_data(of_script("iter_mask/plainvit_xtiny448_cocolvis_itermask"), *SHORT, *more)
        torch.manual_seed(0)
        network = module.init_model(cfg)
        calls = []
        network.backbone.blocks[3].register_forward_pre_hook(
            lambda *_, calls=calls: calls.append(torch.is_grad_enabled())
        )
        train(network, cfg, module.RECIPE)
        passes.append(sum(calls))
        weights.append(network.state_dict())
    assert passes == [1, 2 if options else 1]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_recomputing_needs_blocks_that_can(planned, monkeypatch):
    monkeypatch.setattr("isegm.recipes.launch.build_model", build_model)
    with pytest.raises(InputError, match="recompute is set, and no block of HRNetModel has activation checkpointing"):
        planned(of_script("iter_mask/hrnet18s_cocolvis_itermask_3p"), "--set", "recompute=true")


@pytest.mark.parametrize("data", ["cocolvis", "sbd"])
def test_a_small_network_trains_a_step(data, at_data, small_crops, monkeypatch):
    monkeypatch.setattr("isegm.recipes.launch.build_model", build_model)
    module, cfg = at_data(of_script(f"iter_mask/plainvit_xtiny448_{data}_itermask"), *SHORT)
    module.main(cfg)
    last = cfg.CHECKPOINTS_PATH / "last_checkpoint.pth"
    assert read_checkpoint(last)["training"]["global_step"] == 1 and read_checkpoint(last)["config"]["model"] == XTINY


@pytest.mark.parametrize("file", CFR)
def test_cfr_icl_trains_a_step(file, at_data, small_crops, tmp_path):
    save_checkpoint(Cheap(), tmp_path / "start.pth")
    module, cfg = at_data(of_script(file), *SHORT, "--weights", str(tmp_path / "start.pth"))
    module.main(cfg)
    assert Path("experiments", module.MODEL_NAME, "000") == cfg.EXP_PATH
    assert read_checkpoint(cfg.CHECKPOINTS_PATH / "last_checkpoint.pth")["training"]["global_step"] == 1
