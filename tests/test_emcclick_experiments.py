"""The experiments of EMC-Click: what they say is what was published, and each of them trains."""

import pytest
import torch

from isegm import load_model
from isegm.data.points_sampler import FirstPointSampler
from isegm.data.refiner_crops import WholeTargets
from isegm.data.transforms import HorizontalFlip, RandomCrop, RGBShift, UniformRandomResize
from isegm.engine.corrected_clicks import CorrectedClicks
from isegm.model.checkpoint import read_checkpoint
from isegm.model.losses import NormalizedFocalLoss, SigmoidBinaryCrossEntropyLoss
from tests.tracked import experiment_scripts

# network, learning rate, whether the auxiliary output is trained, start weights
EXPERIMENTS = {
    "hrnet18s_att_cclvis": ("emcclick_hrnet18s", 1e-3, True, "HRNETV2_W18_SMALL"),
    "hrnet18_att_cclvis": ("emcclick_hrnet18", 1e-3, True, "HRNETV2_W18"),
    "hrnet32_att_cclvis": ("emcclick_hrnet32", 8e-4, True, "HRNETV2_W32"),
    "segformerB0_att_cclvis": ("emcclick_segformerb0", 1e-3, False, "SEGFORMER_B0"),
    "segformerB3_att_cclvis": ("emcclick_segformerb3", 2e-3, False, "SEGFORMER_B3"),
}
SHORT = ("--epochs", "1", "--epoch-len", "2", "--batch-size", "2")


def of_script(name):
    return f"models/emcclick/{name}.py"


def test_the_table_names_every_script():
    files = {path.stem for path in experiment_scripts() if path.parent.name == "emcclick"}
    assert files - {"hrnet18s_folder"} == set(EXPERIMENTS)


@pytest.fixture
def started(monkeypatch):
    """Keys of the ImageNet weights that networks asked for; networks take no memory."""
    keys = []
    monkeypatch.setattr("isegm.recipes.launch.start_from_imagenet", lambda model, cfg, key: keys.append(key))
    return keys


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_script_says_what_was_published(name, planned, started):
    network, rate, aux, key = EXPERIMENTS[name]
    with torch.device("meta"):
        found, train_set, _, config = planned(of_script(name))
    assert found.config["model"] == network and started == [key]

    assert train_set.reader.name == "COCO_LVIS_train" and train_set.reader.stuff_prob == 0.2
    assert (train_set.epoch_len, train_set.min_object_area, train_set.keep_background_prob) == (30000, 1000, 0)
    sampler = FirstPointSampler(max_num_points=24, merge_objects_prob=0.15, max_num_merged_objects=2)
    assert train_set.sampler == sampler and (sampler.sfc_inner_k, sampler.positive_erode_prob) == (1.7, 0.9)
    steps = train_set.augment[0][1].steps
    assert [type(step) for step in steps[:2]] == [UniformRandomResize, HorizontalFlip]
    assert any(isinstance(step, RandomCrop) and step.size == (320, 480) for step in steps)
    assert isinstance(steps[-1], RGBShift)
    assert WholeTargets(1000) in train_set.steps

    assert (config.batch_size, config.epochs, config.lr) == (32, 230, rate)
    rates = [config.schedule(epoch) for epoch in range(230)]
    assert rates == pytest.approx([0.1 ** ((epoch >= 200) + (epoch >= 220)) for epoch in range(230)])
    assert (config.checkpoint_interval, config.image_dump_interval) == ([(0, 5), (200, 1)], 3000)

    task = config.task
    assert isinstance(task, CorrectedClicks) and (task.max_num_next_clicks, task.ratio) == (23, 0.8)
    terms = {key: (term.output, term.weight, type(term.criterion)) for key, term in task.losses.items()}
    expected = {
        "instance_loss": ("instances_coarse", 1, NormalizedFocalLoss),
        "instance_aux_loss": ("instances_aux", 0.4, SigmoidBinaryCrossEntropyLoss),
        "instance_refine_loss": ("instances", 1, NormalizedFocalLoss),
    }
    assert terms == (expected if aux else {key: value for key, value in expected.items() if "aux" not in key})


@pytest.mark.parametrize(
    "name", [pytest.param("hrnet18s_att_cclvis", marks=pytest.mark.long), "segformerB0_att_cclvis"]
)
def test_a_script_trains_a_step_and_its_checkpoint_loads(name, at_data, small_crops):
    module, cfg = at_data(of_script(name), *SHORT)
    module.main(cfg)
    last = cfg.CHECKPOINTS_PATH / "last_checkpoint.pth"
    assert read_checkpoint(last)["training"]["global_step"] == 1
    assert load_model(last).config["model"] == EXPERIMENTS[name][0]


def test_batchnorm_sees_the_samples_of_all_gpus_where_several_train(monkeypatch, configure, started):
    module, cfg = configure(of_script("segformerB0_att_cclvis"))
    seen = []
    monkeypatch.setattr("isegm.recipes.launch.start", lambda model, cfg, *_: seen.append(cfg.sync_bn))
    monkeypatch.setattr("isegm.recipes.data_config.DataConfig.open", lambda *_: (None, None))
    for processes, cpu in ((1, False), (2, True), (2, False)):
        monkeypatch.setattr("isegm.utils.distributed.world_size", lambda processes=processes: processes)
        cfg.cpu = cpu
        module.main(cfg)
    assert seen == [False, False, True]
