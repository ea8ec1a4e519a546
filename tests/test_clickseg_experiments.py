"""ClickSEG's 20 experiments: what they say is what was published, their commands run, and each of them trains."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from isegm import InputError, load_model
from isegm.data.aligned_crop import AlignedCrop, RandomResizedCrop
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.refiner_crops import FocusCrops, WholeTargets
from isegm.data.transforms import RandomBrightnessContrast, RandomFlip, RGBShift
from isegm.engine.tasks import FocalClicks
from isegm.model.checkpoint import read_checkpoint, save_checkpoint
from isegm.model.click_model import EarlyFusionModel
from isegm.model.losses import (
    ClickLoss,
    DiversityLoss,
    NormalizedFocalLoss,
    SigmoidBinaryCrossEntropyLoss,
    WeightedNormalizedFocalLoss,
)
from isegm.model.registry import build_model
from isegm.recipes import clickseg
from isegm.recipes.launch import IMAGENET_FILES
from tests.commands import ROOT, exit_code
from tests.published_data import SBD_SCORES
from tests.tracked import experiment_scripts


@dataclass(frozen=True)
class Row:
    """A row of the table of the published scripts."""

    network: str
    imagenet: str | None  # what the backbone starts from, below IMAGENET_PRETRAINED_MODELS in config.yml
    data: str  # C+L, SBD or combined
    colours: bool = False
    stuff: float = 0.2
    views: str = "aligned"
    rate: float = 5e-4
    batch_size: int = 32
    milestones: tuple[int, int] = (190, 210)
    epochs: int = 230
    interval: tuple[int, int] = (200, 10)
    gamma: float = 0.8
    clicks: int = 3
    name: str | None = None  # MODEL_NAME, where it is not the script's


B0 = dict(rate=5e-3, batch_size=28, interval=(200, 5))
LIGHT = dict(gamma=0.7)
CDNET = dict(milestones=(80, 105), epochs=120, interval=(100, 5), clicks=0)
EXPERIMENTS = {
    "cdnet/cdnet_res34_cclvs": Row("cdnet_resnet34", "RESNET34", "C+L", **CDNET),
    "cdnet/cdnet_res34_sbd": Row("cdnet_resnet34", "RESNET34", "SBD", True, **CDNET),
    "focalclick/hrnet18s_S1_cclvs": Row("focalclick_hrnet18s_s1", "HRNETV2_W18_SMALL", "C+L"),
    "focalclick/hrnet18s_S2_cclvs": Row("focalclick_hrnet18s_s2", "HRNETV2_W18_SMALL", "C+L"),
    "focalclick/hrnet18s_S2_comb": Row("focalclick_hrnet18s_s2", "HRNETV2_W18_SMALL", "combined", stuff=0.1),
    "focalclick/hrnet18s_S2_sbd": Row("focalclick_hrnet18s_s2", "HRNETV2_W18_SMALL", "SBD", True),
    "focalclick/hrnet32_S2_cclvs": Row("focalclick_hrnet32_s2", "HRNETV2_W32", "C+L", True),
    "focalclick/hrnet32_S2_comb": Row("focalclick_hrnet32_s2", "HRNETV2_W32", "combined", True, 0.1),
    "focalclick/segformerB0_S1_cclvs": Row("focalclick_segformerb0_s1", "SEGFORMER_B0", "C+L", **B0),
    "focalclick/segformerB0_S1_cclvs_oldaug": Row(
        "focalclick_segformerb0_s1", "SEGFORMER_B0", "C+L", views="old", name="segformerB0_S1_cclvs", **B0
    ),
    "focalclick/segformerB0_S2_cclvs": Row("focalclick_segformerb0_s2", "SEGFORMER_B0", "C+L", **B0),
    "focalclick/segformerB0_S2_comb": Row("focalclick_segformerb0_s2", "SEGFORMER_B0", "combined", stuff=0.1, **B0),
    "focalclick/segformerB0_S2_sbd": Row("focalclick_segformerb0_s2", "SEGFORMER_B0", "SBD", True, **B0),
    "focalclick/segformerB3_S2_cclvs": Row("focalclick_segformerb3_s2", "SEGFORMER_B3", "C+L", True, **B0),
    "focalclick/segformerB3_S2_comb": Row("focalclick_segformerb3_s2", "SEGFORMER_B3", "combined", True, 0.1, **B0),
    "strongbaseline/mobilenetv2_x1_cclvs": Row("clickseg_mobilenetv2", "MOBILENETV2", "C+L", rate=5e-3, **LIGHT),
    "strongbaseline/mobilenetv2_x1_comb": Row(
        "clickseg_mobilenetv2", "MOBILENETV2", "combined", stuff=0, rate=5e-2, **LIGHT
    ),
    "strongbaseline/pplcnet_x1_cclvs": Row("clickseg_pplcnet", "PPLCNET_X1", "C+L", rate=5e-3, **LIGHT),
    "strongbaseline/pplcnet_x1_comb": Row("clickseg_pplcnet", "PPLCNET_X1", "combined", stuff=0.1, rate=5e-2, **LIGHT),
    "strongbaseline/pplcnet_x1_comb_noiter": Row(
        "clickseg_pplcnet", None, "combined", stuff=0.1, rate=5e-2, gamma=0.9, clicks=0, name="pplcnet_x1_comb"
    ),
}
COMMANDS = """
python train.py models/focalclick/segformerB0_S1_cclvs_oldaug.py --gpus=0,1 --workers=16 --batch-size=64 --exp-name=segformerB0_S1_cclvs
python train.py models/strongbaseline/mobilenetv2_x1_cclvs.py --gpus=2,3 --workers=16 --batch-size=32 --exp-name=mobilenetv2
python train.py models/cdnet/cdnet_res34_sbd.py --gpus=0,1 --workers=16 --batch-size=32 --exp-name=cdnet_res34_sbd
"""  # noqa: E501
LISTED = [shlex.split(line)[1:] for line in COMMANDS.strip().splitlines()]
RATIOS = {"Saliency": 0.1, "ThinObject": 0.1, "YouTubeVOS": 0.2, "HFlickr": 0.1, "ADE20k_full": 0.15, "COCO_LVIS": 0.35}
NOITER = "strongbaseline/pplcnet_x1_comb_noiter"


def of_script(file):
    return f"models/{file}.py"


@pytest.fixture
def start_of(tmp_path):
    """Options without which a script does not start."""

    def options(file):
        if file != NOITER:
            return ()
        save_checkpoint(build_model("clickseg_pplcnet"), tmp_path / "comb.pth")
        return ("--weights", str(tmp_path / "comb.pth"))

    return options


def test_the_table_names_every_script():
    folders = {Path(file).parts[0] for file in EXPERIMENTS}
    files = {f"{path.parent}/{path.stem}" for path in experiment_scripts() if path.parts[0] in folders}
    assert files == set(EXPERIMENTS) and len(EXPERIMENTS) == 20


def looks(task):
    """Criterion, weight, target and further inputs of each loss by the output that it looks at."""
    return {
        (term.output, type(term.criterion)): (term.weight, term.target, term.inputs) for term in task.losses.values()
    }


def expected_losses(file, network):
    refined = {
        ("instances_refined", WeightedNormalizedFocalLoss): (1, "instances_focus", ("trimap_focus",)),
        ("trimap", SigmoidBinaryCrossEntropyLoss): (1, "trimap_focus", ()),
    }
    auxiliary = {("instances_aux", SigmoidBinaryCrossEntropyLoss): (0.4, "instances", ())}
    losses = {("instances", NormalizedFocalLoss): (1, "instances", ())}
    if "segformer" in network:
        return losses | refined
    if "hrnet" in network:
        return losses | auxiliary | refined
    if "cdnet" in network:
        return losses | {
            ("fdm_instances", NormalizedFocalLoss): (0.4, "instances", ()),
            ("latent_instances", DiversityLoss): (1, "instances", ("click_map",)),
        }
    losses[("instances_aux", NormalizedFocalLoss)] = (0.4, "instances", ())
    if file == NOITER:
        losses[("instances", ClickLoss)] = (1, "instances", ("click_map",))
    return losses


@pytest.mark.parametrize("file", EXPERIMENTS)
def test_every_script_says_what_was_published(file, planned, start_of, monkeypatch):
    row = EXPERIMENTS[file]
    monkeypatch.setattr("isegm.recipes.launch.build_model", cheap)
    network, train_set, val_set, config = planned(of_script(file), *start_of(file))
    assert network.name == row.network
    assert (config.batch_size, config.epochs, config.lr, config.clip_norm) == (
        row.batch_size,
        row.epochs,
        row.rate,
        None,
    )
    rates = [config.schedule(epoch) for epoch in range(row.epochs)]
    assert rates == pytest.approx([0.1 ** sum(epoch >= drop for drop in row.milestones) for epoch in range(row.epochs)])
    assert config.checkpoint_interval == [(0, 50), row.interval] and config.lr_multipliers is None

    assert isinstance(config.task, FocalClicks) == network.has_refiner
    assert (config.task.max_num_next_clicks, config.task.prev_mask_drop_prob, config.task.train_every_click) == (
        row.clicks, 0, False,
    )  # fmt: skip
    assert looks(config.task) == expected_losses(file, row.network)
    for term in config.task.losses.values():
        if isinstance(term.criterion, NormalizedFocalLoss):
            assert (term.criterion.alpha, term.criterion.gamma) == (0.5, 2)
            assert term.criterion.from_sigmoid == (term.output == "fdm_instances")

    least = 80 if row.data == "SBD" else 1000
    assert (train_set.epoch_len, train_set.min_object_area) == (None if row.data == "SBD" else 30000, least)
    side = 256 if network.has_refiner else 384
    colours = [RandomBrightnessContrast((-0.25, 0.25), (-0.15, 0.4), 0.75), RGBShift(10, 0.75)] if row.colours else []
    crops = dict(ratio=(0.5, 1.3), centre=1.0) if row.data == "combined" else dict(ratio=(0.3, 1.3), centre=0.8)
    steps = [AlignedCrop((side, side), spread=0.4, p_flip=0.3, published=False, **crops)]
    if row.views == "old":
        steps = [RandomResizedCrop((side, side), (0.75, 1.25)), RandomFlip(0.5)]
    for samples, more, area in ((train_set, colours, least), (val_set, [], 1000)):
        assert list(samples.augment[0][1].steps) == steps + more and len(samples.augment) == 1
        whole = WholeTargets(area, max_share=0.85, min_part=900)
        assert samples.steps == ((whole, FocusCrops(256)) if network.has_refiner else (whole,))
        assert samples.sampler == MultiPointSampler(
            max_num_points=24, prob_gamma=row.gamma, merge_objects_prob=0.15, max_num_merged_objects=2,
            use_hierarchy=False, first_click_center=file != NOITER,
        )  # fmt: skip
    assert val_set.reader.name == ("SBD_val" if row.data == "SBD" else "COCO_LVIS_val")
    if row.data == "combined":
        assert dict(zip(RATIOS, train_set.reader.ratios, strict=True)) == pytest.approx(RATIOS)
        names = [reader.name.removesuffix("_train") for reader in train_set.reader.readers]
        assert names == ["MSRA10K+DUTS_TR+DUTS_TE", *list(RATIOS)[1:]]
        assert train_set.reader.readers[-1].stuff_prob == row.stuff
    elif row.data == "C+L":
        assert train_set.reader.name == "COCO_LVIS_train" and train_set.reader.stuff_prob == row.stuff
    if row.data == "SBD":
        weights = (1 - np.array(SBD_SCORES, np.float32)) ** 1.25
        np.testing.assert_allclose(np.diff(train_set.shares, prepend=0), weights / weights.sum(), rtol=1e-5)
    else:
        assert train_set.shares is None


@pytest.mark.parametrize("file", EXPERIMENTS)
def test_every_script_starts_from_its_imagenet_weights(file, configure, start_of, tmp_path, monkeypatch):
    monkeypatch.setattr("isegm.recipes.launch.build_model", cheap)
    module, cfg = configure(of_script(file), *start_of(file))
    for key in IMAGENET_FILES:
        (tmp_path / f"{key}.pth").touch()
    cfg.IMAGENET_PRETRAINED_MODELS = {key: str(tmp_path / f"{key}.pth") for key in IMAGENET_FILES}
    assert module.init_model(cfg).started_from == EXPERIMENTS[file].imagenet


@pytest.mark.parametrize("source", ["timm", "timm:mobilenetv2_100.ra_in1k"])
def test_names_of_timm_are_no_paths(source, configure, monkeypatch):
    monkeypatch.setattr("isegm.recipes.launch.build_model", cheap)
    module, cfg = configure(of_script("strongbaseline/mobilenetv2_x1_comb"))
    cfg.IMAGENET_PRETRAINED_MODELS = {"MOBILENETV2": source}
    assert module.init_model(cfg).started_from == Path(source).stem


@pytest.mark.parametrize("name", ["focalclick_hrnet32_s1", "clickseg_efficientnetb0", "misspelt"])
def test_a_network_without_imagenet_weights_is_told_in_a_sentence(name):
    with pytest.raises(InputError, match=f"{name} has no ImageNet weights to start from: known are those of focalcl"):
        clickseg.network(name, None)


def test_one_switch_brings_back_what_the_published_code_saw(planned, monkeypatch):
    monkeypatch.setattr("isegm.recipes.launch.build_model", cheap)
    monkeypatch.setattr("isegm.recipes.clickseg.FIRST_IMAGES", 1)
    for switch, images in ((False, 2), (True, 1)):
        script = of_script("focalclick/hrnet18s_S2_comb")
        _, train_set, val_set, _ = planned(script, CLICKSEG_AS_PUBLISHED=switch)
        assert train_set.augment[0][1].steps[0].published == val_set.augment[0][1].steps[0].published == switch
        assert len(train_set.reader.readers[-1]) == images
    with pytest.raises(InputError, match=r"CLICKSEG_AS_PUBLISHED in config\.yml is 'yes': it must be true or false"):
        planned(of_script("cdnet/cdnet_res34_sbd"), CLICKSEG_AS_PUBLISHED="yes")


class Cheap(EarlyFusionModel):
    """A convolution, with all outputs of ClickSEG's networks."""

    config: ClassVar = {"model": "cheap", "params": {}}
    resized_outputs = ("instances", "instances_aux", "feature", "latent_instances", "fdm_instances")

    def __init__(self, name, **facts):
        super().__init__(**facts)
        self.name = name
        self.has_refiner = "focalclick" in name
        self.started_from = None
        self.layer = nn.Conv2d(3 + self.coord_channels, 7, 9, stride=4, padding=4)

    def backbone_forward(self, image, coord_features):
        x = self.layer(torch.cat((image, coord_features), dim=1))
        first, aux, gate, latent = x.split((1, 1, 1, 4), dim=1)
        more = {"latent_instances": latent, "fdm_instances": gate.sigmoid(), "click_map": coord_features[:, -2:]}
        return {"instances": first, "instances_aux": aux, "feature": x, **more}

    def refine(self, image, points, features, logits, boxes):
        return {"instances_refined": logits, "trimap": features[:, :1], "instances_coarse": logits}

    def load_imagenet_weights(self, path):
        self.started_from = Path(path).stem


def cheap(name):
    return Cheap(name, with_prev_mask="cdnet" not in name)


def trained(module, cfg):
    """The checkpoint of a run of one step."""
    module.main(cfg)
    file = Path(cfg.model_path)
    name = EXPERIMENTS[f"{file.parent.name}/{file.stem}"].name or file.stem
    assert Path("experiments") / file.parent.name / name / "000" == cfg.EXP_PATH
    last = cfg.EXP_PATH / "checkpoints" / "last_checkpoint.pth"
    assert read_checkpoint(last)["training"]["global_step"] == 1
    return last


@pytest.mark.parametrize("file", EXPERIMENTS)
def test_every_script_trains_a_step_on_its_data(file, at_data, start_of, small_crops, monkeypatch):
    """A light network with the same inputs and outputs takes the place of the real one; see below for these."""
    monkeypatch.setattr("isegm.recipes.launch.build_model", cheap)
    monkeypatch.setattr("isegm.engine.trainer.start_from", lambda *parts: None)  # another network's weights
    module, cfg = at_data(of_script(file), "--epochs=1", "--epoch-len=2", "--batch-size=2", *start_of(file))
    trained(module, cfg)


@pytest.mark.long
@pytest.mark.parametrize("file", ["focalclick/hrnet18s_S1_cclvs", NOITER])
def test_networks_of_no_listed_command_train_a_step(file, at_data, start_of):
    module, cfg = at_data(of_script(file), "--epochs=1", "--epoch-len=2", "--batch-size=2", "--seed=5", *start_of(file))
    assert load_model(trained(module, cfg)).config["model"] == EXPERIMENTS[file].network


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [pytest.param(words, marks=pytest.mark.long if "cdnet" in words[1] else ()) for words in LISTED],
    ids=lambda words: words[1],
)
def test_the_commands_that_users_know_run(words, published, small_crops, tmp_path, monkeypatch):
    for name in ("datasets", "assets"):
        (tmp_path / name).symlink_to(published / name)
    for name in ("config.yml", "models"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    few = ["--cpu", "--epochs=1", "--epoch-len=2", "--batch-size=2", "--workers=0", "--seed=5"]
    assert exit_code([*(word for word in words if not word.startswith("--gpus")), *few], monkeypatch) == 0
    file = Path(words[1])
    row = EXPERIMENTS[f"{file.parent.name}/{file.stem}"]
    folder = Path("experiments") / file.parent.name / (row.name or file.stem) / f"000_{words[-1].split('=')[1]}"
    model = load_model(folder / "checkpoints" / "last_checkpoint.pth")
    assert model.config == build_model(row.network).config


@pytest.mark.parametrize("file", EXPERIMENTS)
def test_without_the_data_nothing_is_made(file, configure, start_of, tmp_path, monkeypatch):
    monkeypatch.setattr("isegm.recipes.launch.build_model", cheap)
    options = ("--exp-name", Path(file).stem, "--batch-size=64")
    module, cfg = configure(of_script(file), *options, *start_of(file))
    with pytest.raises(InputError, match=r"there is no data folder datasets/.* \(\w+_PATH in config\.yml\)"):
        module.main(cfg)
    assert not (tmp_path / "experiments").exists()


def test_fine_tuning_needs_a_trained_network(at_data):
    module, cfg = at_data(of_script(NOITER))
    with pytest.raises(InputError, match=r"noiter\.py goes on from the network that the script without _noiter"):
        module.main(cfg)
    assert not Path("experiments").exists()


def test_blank_weights_are_named_in_a_warning(configure, caplog):
    module, cfg = configure(of_script("focalclick/segformerB0_S1_cclvs"))
    with caplog.at_level("WARNING"):
        module.init_model(cfg)
    assert "SEGFORMER_B0 is not set: the backbone starts from random weights, not from mit_b0.pth" in caplog.text
