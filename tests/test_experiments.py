"""RITM's 22 experiments: what they say is what was published, and each of them trains."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from isegm import InputError, load_model
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.transforms import (
    HorizontalFlip,
    PadIfNeeded,
    RandomBrightnessContrast,
    RandomCrop,
    RandomFlip,
    RandomRotate90,
    RGBShift,
    ShiftRotate,
    UniformRandomResize,
)
from isegm.model.checkpoint import read_checkpoint
from isegm.model.click_model import EarlyFusionModel
from isegm.model.losses import FocalLoss, NormalizedFocalLoss, SigmoidBinaryCrossEntropyLoss, SoftIoU
from tests.published_data import SBD_SCORES
from tests.tracked import experiment_scripts


@dataclass(frozen=True)
class Row:
    """A row of the tables of the published scripts."""

    name: str  # MODEL_NAME
    network: str
    data: str
    min_area: int
    keep_background: float
    epoch_len: int | None
    stuff: float
    val: tuple[int | None, int, float]  # samples, least area, kept background
    milestones: tuple[int, int]
    epochs: int
    batch_size: int = 28
    clicks: int = 0
    views: str = "CL"
    scores: bool = False
    interval: object = 5
    images: int = 2000
    loss: str = "NFL"


ITERATIVE = dict(clicks=3, images=3000)
LATE = dict(interval=[(0, 5), (200, 1)])
EXPERIMENTS = {
    "iter_mask/hrnet18_cocolvis_itermask_3p": Row(
        "cocolvis_hrnet18", "18", "COCO_LVIS", 1000, 0.05, 30000, 0.3, (2000, 1000, 0), (200, 220), 230,
        **ITERATIVE, **LATE,
    ),
    "iter_mask/hrnet18s_cocolvis_itermask_3p": Row(
        "cocolvis_hrnet18s", "18s", "COCO_LVIS", 1000, 0.05, 30000, 0.3, (2000, 1000, 0), (200, 220), 230, 32,
        **ITERATIVE, **LATE,
    ),
    "iter_mask/hrnet32_cocolvis_itermask_3p": Row(
        "cocolvis_hrnet32", "32", "COCO_LVIS", 1000, 0.05, 30000, 0.3, (2000, 1000, 0), (200, 220), 230, 32,
        **ITERATIVE, **LATE,
    ),
    "iter_mask/hrnet18_sbd_itermask_3p": Row(
        "sbd_hrnet18", "18", "SBD", 80, 0.01, None, 0, (500, 80, 0), (200, 215), 220,
        views="SBD", scores=True, interval=[(0, 5), (100, 1)], **ITERATIVE,
    ),
}  # fmt: skip
for file, name, network in (("hrnet18", "hrnet18", "18 baseline"), ("r34_dh128", "resnet34", "34")):
    EXPERIMENTS |= {
        f"noniterative_baselines/{file}_{ending}": Row(name, network, *row, scores=ending == "sbd")
        for ending, row in {
            "sbd": ("SBD", 80, 0, None, 0, (None, 1000, 0), (100, 115), 120),
            "vocsbd": ("PascalVOC+SBD", 80, 0, None, 0, (None, 1000, 0), (100, 115), 120),
            "ade20k": ("ADE20k", 80, 0.05, 30000, 0.3, (2000, 80, 0.05), (100, 115), 120),
            "coco": ("COCO", 1000, 0.05, 30000, 0.3, (2000, 1000, 0.05), (120, 135), 140),
            "openimages": ("OpenImages", 1000, 0.05, 30000, 0, (2000, 1000, 0.05), (120, 135), 140),
            "lvis": ("LVIS", 1000, 0.05, 30000, 0, (2000, 1000, 0), (140, 155), 160),
        }.items()
    }
EXPERIMENTS["noniterative_baselines/hrnet18_cocolvis"] = Row(
    "hrnet18", "18 baseline", "COCO_LVIS", 1000, 0.05, 30000, 0.3, (2000, 1000, 0), (200, 220), 230,
    images=3000, **LATE,
)  # fmt: skip
SMALL_OBJECTS = ("COCO_LVIS", 80, 0, 30000, 0.3, (2000, 80, 0), (140, 155), 160)
EXPERIMENTS["noniterative_baselines/r34_dh128_cocolvis"] = Row("resnet34", "34", *SMALL_OBJECTS)
EXPERIMENTS |= {
    f"cocolvis_loss_ablation/hrnet18_cocolvis_{loss}": Row("hrnet18", "18 baseline", *SMALL_OBJECTS, loss=loss)
    for loss in ("bce", "focal", "nfl", "soft_iou")
}
NETWORKS = {
    "18s": ("ritm_hrnet18s", {}),
    "18": ("ritm_hrnet18", {}),
    "32": ("ritm_hrnet32", {}),
    "18 baseline": ("ritm_hrnet18", {"with_prev_mask": False}),
    "34": ("ritm_resnet34", {}),
}
# These train in tests/test_commands.py, with their own networks.
COMMANDS = [
    "iter_mask/hrnet18_cocolvis_itermask_3p",
    "iter_mask/hrnet18s_cocolvis_itermask_3p",
    "iter_mask/hrnet32_cocolvis_itermask_3p",
    "noniterative_baselines/r34_dh128_cocolvis",
]
IN_COMMANDS = {EXPERIMENTS[file].network for file in COMMANDS}
ALONE = [
    next(file for file, row in EXPERIMENTS.items() if row.network == name) for name in NETWORKS.keys() - IN_COMMANDS
]
COLOURS = [RandomBrightnessContrast((-0.25, 0.25), (-0.15, 0.4), 0.75), RGBShift(10, 0.75)]
WINDOW = [PadIfNeeded((320, 480)), RandomCrop((320, 480))]
VIEWS = {
    "CL": ([UniformRandomResize((0.75, 1.4)), HorizontalFlip(0.5), *WINDOW, *COLOURS], WINDOW),
    "SBD": (
        [
            UniformRandomResize((0.75, 1.25)),
            *(RandomFlip(0.5), RandomRotate90(0.5), ShiftRotate(0.03, 3, 0.75)),
            *(*WINDOW, *COLOURS),
        ],
        [UniformRandomResize((0.75, 1.25)), *WINDOW],
    ),
}
SAMPLER = MultiPointSampler(
    max_num_points=24, prob_gamma=0.8, merge_objects_prob=0.15, max_num_merged_objects=2, expand_ratio=0.1,
    positive_erode_prob=0.9, positive_erode_iters=3, negative_bg_prob=0.1, negative_other_prob=0.4,
    negative_border_prob=0.5, use_hierarchy=False, first_click_center=False, only_one_first_click=False,
)  # fmt: skip


def of_script(file):
    return f"models/{file}.py"


class Light(EarlyFusionModel):
    """A convolution."""

    config: ClassVar = {"model": "light", "params": {}}

    def __init__(self, **facts):
        super().__init__(**facts)
        self.layer = nn.Conv2d(3 + self.coord_channels, 2, 9, stride=4, padding=4)

    def backbone_forward(self, image, coord_features):
        instances, aux = self.layer(torch.cat((image, coord_features), dim=1)).split(1, dim=1)
        return {"instances": instances, "instances_aux": aux} if self.with_aux_output else {"instances": instances}


def short(file):
    return (of_script(file), "--epochs", "1", "--epoch-len", "2", "--batch-size", "2")


def trained(module, cfg):
    """The checkpoint of a run of one step."""
    module.main(cfg)
    expected = Path("experiments") / Path(cfg.model_path).parent.name / module.MODEL_NAME / "000"
    assert expected == cfg.EXP_PATH
    last = expected / "checkpoints" / "last_checkpoint.pth"
    assert read_checkpoint(last)["training"]["global_step"] == 1
    return last


@pytest.mark.long
@pytest.mark.parametrize("file", ALONE)
def test_networks_of_no_listed_command_train_a_step(file, at_data, small_crops):
    module, cfg = at_data(*short(file), "--seed", "5")  # with this one chance asks for no further clicks
    assert load_model(trained(module, cfg)).config == module.init_model(cfg).config


@pytest.mark.parametrize("file", sorted(set(EXPERIMENTS) - {*ALONE, *COMMANDS}))
def test_every_script_trains_a_step_on_its_data(file, at_data):
    """The networks of these train elsewhere: a light one with the same inputs and outputs takes their place."""
    module, cfg = at_data(*short(file))
    network = module.init_model(cfg)
    light = Light(with_prev_mask=network.with_prev_mask, with_aux_output=network.with_aux_output)
    module.init_model = lambda cfg: light
    trained(module, cfg)


def test_the_table_names_every_script():
    folders = {Path(file).parts[0] for file in EXPERIMENTS}
    files = {f"{path.parent}/{path.stem}" for path in experiment_scripts() if path.parts[0] in folders}
    files -= {file for file in files if "/plainvit_" in file}  # tests/test_simpleclick_experiments.py has SimpleClick's
    assert files - {"iter_mask/hrnet18s_folder"} == set(EXPERIMENTS) and len(EXPERIMENTS) == 22


@pytest.mark.parametrize("file", EXPERIMENTS)
def test_every_script_says_what_was_published(file, planned):
    row = EXPERIMENTS[file]
    with torch.device("meta"):
        network, train_set, val_set, config = planned(of_script(file))
    name, overrides = NETWORKS[row.network]
    assert network.config == {"model": name, "params": overrides}
    assert (config.batch_size, config.epochs, config.lr, config.clip_norm) == (row.batch_size, row.epochs, 5e-4, None)
    rates = [config.schedule(epoch) for epoch in range(row.epochs)]
    assert rates == pytest.approx([0.1 ** sum(epoch >= drop for drop in row.milestones) for epoch in range(row.epochs)])
    assert (config.checkpoint_interval, config.image_dump_interval) == (row.interval, row.images)
    assert (config.freeze_batchnorm, config.precise_bn_batches, config.interleaved_batches) == (False, 0, 1)
    assert config.lr_multipliers is None  # the network's own

    task = config.task
    assert (task.max_num_next_clicks, task.prev_mask_drop_prob, task.train_every_click) == (row.clicks, 0, False)
    terms = {term.output: term for term in task.losses.values()}
    assert {output: term.weight for output, term in terms.items()} == (
        {"instances": 1} if row.network == "34" else {"instances": 1, "instances_aux": 0.4}
    )
    kinds = {"bce": SigmoidBinaryCrossEntropyLoss, "focal": FocalLoss, "soft_iou": SoftIoU}
    main = terms["instances"].criterion
    assert type(main) is kinds.get(row.loss, NormalizedFocalLoss)
    if isinstance(main, FocalLoss):
        assert (main.alpha, main.gamma) == (0.5, 2)
    assert row.network == "34" or type(terms["instances_aux"].criterion) is SigmoidBinaryCrossEntropyLoss

    for samples, (length, area, kept), steps in zip(
        (train_set, val_set),
        ((row.epoch_len, row.min_area, row.keep_background), row.val),
        VIEWS[row.views],
        strict=True,
    ):
        assert (samples.epoch_len, samples.min_object_area, samples.keep_background_prob) == (length, area, kept)
        assert list(samples.augment[0][1].steps) == steps and len(samples.augment) == 1
        assert samples.sampler == SAMPLER and samples.retry_image and samples.copy_paste is None
    assert train_set.reader.name == "+".join(f"{part}_train" for part in row.data.split("+"))
    assert val_set.reader.name in {f"{row.data.split('+')[-1]}_{split}" for split in ("val", "validation")}
    assert getattr(train_set.reader, "stuff_prob", 0) == row.stuff and getattr(val_set.reader, "stuff_prob", 0) == 0
    if row.scores:
        weights = (1 - np.array(SBD_SCORES, np.float32)) ** 1.25
        np.testing.assert_allclose(np.diff(train_set.shares, prepend=0), weights / weights.sum(), rtol=1e-5)
    else:
        assert train_set.shares is None
    assert val_set.shares is None


def test_a_run_of_another_length_keeps_its_shape(planned):
    options = ("--epochs", "23", "--epoch-len", "100", "--batch-size", "4")
    _, train_set, val_set, config = planned(of_script("iter_mask/hrnet18s_cocolvis_itermask_3p"), *options)
    assert (config.epochs, config.batch_size, config.checkpoint_interval) == (23, 4, [(0, 5), (20, 1)])
    assert [epoch for epoch in range(1, 23) if config.schedule(epoch) < config.schedule(epoch - 1)] == [20, 22]
    assert len(train_set) == 100 and len(val_set) == 100
    assert len(planned(of_script("noniterative_baselines/hrnet18_sbd"), "--epoch-len", "100")[2]) == 2  # all of val


@pytest.mark.parametrize(  # what looks for the data is the same for all: every fourth stands for its neighbours
    "file",
    [pytest.param(file, marks=pytest.mark.long if number % 4 else ()) for number, file in enumerate(EXPERIMENTS)],
)
def test_without_the_data_nothing_is_made(file, configure, tmp_path):
    module, cfg = configure(of_script(file))
    with (
        torch.device("meta"),
        pytest.raises(InputError, match=r"there is no data folder datasets/.* \(\w+_PATH in config\.yml\)"),
    ):
        module.main(cfg)
    assert not list(tmp_path.iterdir())


def without_key(cfg):
    del cfg["SBD_PATH"]


def with_absent_weights(cfg):
    cfg.IMAGENET_PRETRAINED_MODELS.HRNETV2_W18 = "w18.pth"


def with_folders(cfg):
    cfg.data = "my_photos"


def without_scores(cfg):
    Path("assets").unlink()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (without_key, "the path of SBD is not set: add SBD_PATH to config.yml"),
        (
            with_absent_weights,
            r"there is no w18.pth \(IMAGENET_PRETRAINED_MODELS.HRNETV2_W18 in config.yml\): get hrnetv2",
        ),
        (with_folders, "trains on SBD, at the paths in config.yml: leave --data out"),
        (without_scores, "there is no assets/sbd_samples_weights.pkl, the scores"),
    ],
)
def test_bad_input_is_told_before_anything_is_made(spoil, words, at_data):
    module, cfg = at_data(of_script("iter_mask/hrnet18_sbd_itermask_3p"))
    cfg.IMAGENET_PRETRAINED_MODELS = type(cfg)({})
    spoil(cfg)
    with torch.device("meta"), pytest.raises(InputError, match=words):
        module.main(cfg)
    assert not Path("experiments").exists()


def test_blank_weights_mean_random_ones_with_a_warning(configure, caplog):
    module, cfg = configure(of_script("noniterative_baselines/r34_dh128_coco"))
    with caplog.at_level("WARNING"):
        module.init_model(cfg)
    assert "RESNET34 is not set: the backbone starts from random weights, not from gluon_resnet34_v1b" in caplog.text
