"""The experiments of SegNext: what they say is what was published, and each of them trains."""

import os
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from isegm import InputError, build_model, load_model
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.transforms import (
    PadIfNeeded,
    RandomBrightnessContrast,
    RandomFlip,
    RandomRotate90,
    ResizeLongestSide,
    RGBShift,
    ShiftRotate,
    Stretch,
    UniformRandomResize,
)
from isegm.engine.random import BatchRNG
from isegm.engine.tasks import run_all_steps
from isegm.engine.training_step import TrainingStep
from isegm.model.checkpoint import read_checkpoint, save_checkpoint
from isegm.model.losses import NormalizedFocalLoss
from isegm.recipes import segnext, training
from isegm.utils.exp import load_script
from tests.conftest import ROOT
from tests.segnext_miniatures import hqseg44k
from tests.tracked import experiment_scripts

# network, data, whether images are stretched
EXPERIMENTS = {
    "default/plainvit_base1024_cocolvis_sax1": ("segnext_vitb_sax1", "COCO_LVIS_train", False),
    "default/plainvit_base1024_cocolvis_sax2": ("segnext_vitb_sax2", "COCO_LVIS_train", False),
    "default/plainvit_base1024_hqseg44k_sax2": ("segnext_vitb_sax2", "HQSeg44K_train", False),
    "segnext/plainvit_base1024_cocolvis_sax2_stretched": ("segnext_vitb_sax2", "COCO_LVIS_train", True),
    "segnext/plainvit_base1024_hqseg44k_sax2_stretched": ("segnext_vitb_sax2", "HQSeg44K_train", True),
}
FOLDERS = {"segnext/vit_tiny224_folder", "segnext/vit_tiny512_folder"}
TURNS = [RandomFlip(0.5), RandomRotate90(0.5), ShiftRotate(0.03, 3, 0.75)]
COLOURS = [RandomBrightnessContrast((-0.25, 0.25), (-0.15, 0.4), 0.75), RGBShift(10, 0.75)]
LETTERBOX = [ResizeLongestSide(1024), PadIfNeeded((1024, 1024), at_top_left=True)]
# As in the list of published commands, whose paths have lost their first folder.
COMMANDS = """
torchrun --nproc-per-node=4 --master-port 29504 ./train.py ./models/default/plainvit_base1024_cocolvis_sax1.py --batch-size=16 --gpus=0,1,2,3
torchrun --nproc-per-node=4 --master-port 29506 ./train.py ./models/default/plainvit_base1024_hqseg44k_sax2.py --batch-size=12 --gpus=0,1,2,3 --weights ./weights/vitb_sa2_cocolvis_epoch_90.pth
"""  # noqa: E501
SMALL = dict(img_size=(64, 64), embed_dim=24, depth=3, num_heads=3, out_dims=(8, 8, 8, 8), head_channels=8)


def of_script(file):
    return f"models/{file}.py"


@pytest.fixture
def started(monkeypatch):
    """Keys of the weights that networks asked to start from."""
    keys = []
    monkeypatch.setattr("isegm.recipes.launch.start_from_imagenet", lambda model, cfg, key: keys.append(key))
    return keys


@pytest.fixture
def small(monkeypatch):
    """Networks of SegNext are small ones."""

    def build(name, **arguments):
        return build_model(name, **{**arguments, **SMALL})

    monkeypatch.setattr("isegm.recipes.launch.build_model", build)


def test_the_tables_name_every_script():
    files = {str(path.with_suffix("")) for path in experiment_scripts() if path.parts[0] in ("default", "segnext")}
    assert files == {*EXPERIMENTS, *FOLDERS}


@pytest.mark.parametrize("file", EXPERIMENTS)
def test_every_script_says_what_was_published(file, planned, started):
    name, data, stretched = EXPERIMENTS[file]
    with torch.device("meta"):
        network, train_set, val_set, config = planned(of_script(file))
    assert (network.config, val_set, started) == ({"model": name, "params": {}}, None, ["MAE_BASE"])
    assert file.partition("/")[2] == load_script(ROOT / of_script(file)).MODEL_NAME

    assert train_set.reader.name == data and getattr(train_set.reader, "stuff_prob", 0.3) == 0.3
    assert (train_set.epoch_len, train_set.min_object_area, train_set.keep_background_prob) == (30000, 1000, 0.05)
    sampler = MultiPointSampler(24, 0.8, merge_objects_prob=0.15, max_num_merged_objects=2)
    assert train_set.sampler == sampler and not sampler.first_click_center and not sampler.use_hierarchy
    ((_, augment),) = train_set.augment
    end = [Stretch((1024, 1024))] if stretched else LETTERBOX
    assert list(augment.steps) == [UniformRandomResize((0.75, 1.4)), *TURNS, *COLOURS, *end]
    assert not train_set.steps and train_set.retry_image

    assert (config.batch_size, config.epochs, config.lr, config.clip_norm) == (32, 100, 5e-5, None)
    rates = [config.schedule(epoch) for epoch in range(100)]
    assert rates == pytest.approx([0.1 ** ((epoch >= 50) + (epoch >= 90)) for epoch in range(100)])
    assert config.checkpoint_interval == [(0, 10), (90, 1)] and not config.weight_decays and not config.lr_multipliers
    (term,) = config.task.losses.values()
    assert isinstance(term.criterion, NormalizedFocalLoss) and (term.criterion.alpha, term.criterion.gamma) == (0.5, 2)
    assert (term.weight, term.output, term.target) == (1, "instances", "instances")
    assert (config.task.max_num_next_clicks, config.task.prev_mask_drop_prob) == (3, 0)


@pytest.mark.parametrize("validates", [False, True])
def test_images_of_validation_need_not_be_there_where_nothing_is_validated(validates, planned, started, tmp_path):
    root = hqseg44k(tmp_path / "set")
    shutil.rmtree(root / "DIS5K" / "DIS-VD")
    script, more = of_script("default/plainvit_base1024_hqseg44k_sax2"), {"HQSeg44K_PATH": str(root)}
    with torch.device("meta"):
        if validates:
            with pytest.raises(InputError, match="DIS-VD"):
                planned(script, "--set", "validates=true", **more)
        else:
            assert planned(script, **more)[2] is None


def test_images_keep_their_shape_at_the_top_left_of_black_squares():
    image, mask = np.full((300, 400, 3), 128, np.uint8), np.ones((300, 400, 1), np.int32)
    for shape, inside in (((300, 400), (96, 128)), ((400, 300), (128, 96))):
        view, labels = segnext.letterboxed_views((128, 128))[1](
            image.reshape(*shape, 3), mask.reshape(*shape, 1), rng()
        )
        assert view.shape == (128, 128, 3) and labels.shape == (128, 128, 1)
        assert (view[: inside[0], : inside[1]] == 128).all() and labels[: inside[0], : inside[1]].all()
        assert view.astype(int).sum() == 3 * 128 * 128 * 96 and labels.sum() == 128 * 96
    view, labels = segnext.stretched_views((128, 128))[1](image, mask, rng())
    assert (view == 128).all() and labels.all() and view.shape == (128, 128, 3)


def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("seed", range(4))
def test_the_encoder_runs_once_in_a_step_and_learns(seed):
    torch.manual_seed(0)
    network = build_model("segnext_vit_tiny", **SMALL).train()
    task = training._task(network, segnext.recipe())
    calls = []
    network.backbone.register_forward_pre_hook(lambda *_: calls.append((network.training, torch.is_grad_enabled())))
    mask = torch.zeros(2, 1, 64, 64)
    mask[:, :, 10:40, 10:40] = 1
    points = torch.full((2, 48, 3), -1.0)
    points[:, 0] = torch.tensor([25.0, 25.0, 100.0])
    batch = {"images": torch.rand(2, 3, 64, 64), "instances": mask, "points": points}
    step = run_all_steps(task.begin(network, batch, BatchRNG(seed, first=0, count=2)), TrainingStep(network, task))
    assert calls == [(True, True)] and network.training
    step.loss.backward()
    assert all(p.grad is not None for n, p in network.named_parameters() if p.requires_grad)


@pytest.mark.parametrize("file", EXPERIMENTS)
def test_a_script_trains_a_step_and_its_checkpoint_loads(file, at_data, small_crops, small):
    module, cfg = at_data(of_script(file), "--epochs", "1", "--epoch-len", "2", "--batch-size", "2")
    module.main(cfg)
    last = cfg.CHECKPOINTS_PATH / "last_checkpoint.pth"
    assert read_checkpoint(last)["training"]["global_step"] == 1
    assert load_model(last).config["model"] == EXPERIMENTS[file][0]


PLUGIN = f"""
import isegm.recipes.launch as recipes
from isegm import build_model
recipes.build_model = lambda name, **arguments: build_model(name, **{SMALL})
"""


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("line", COMMANDS.strip().splitlines(), ids=["cocolvis", "hqseg44k"])
def test_the_published_commands_train_and_their_batch_is_that_of_all_processes(line, at_data, tmp_path):
    """With other weights and devices: two processes on the CPU, whose small network learns one batch."""
    launcher, (script, file, *options) = shlex.split(line)[1:4], shlex.split(line)[4:]
    assert launcher[:2] == ["--nproc-per-node=4", "--master-port"]  # a port that may be taken here
    save_checkpoint(build_model("segnext_vitb_sax2", **SMALL), tmp_path / "weights" / "vitb_sa2_cocolvis_epoch_90.pth")
    (tmp_path / "small.py").write_text(PLUGIN)
    (tmp_path / "models").symlink_to(ROOT / "models")
    kept = [option for option in options if not option.startswith("--gpus")]
    size = int(next(option.partition("=")[2] for option in options if option.startswith("--batch-size=")))
    short = ["--cpu", "--epochs=1", f"--epoch-len={size}", "--workers=0", "--set", "crop=[64, 64]", "--plugin=small.py"]
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(ROOT / script), file]
    at_data(file)  # shows the data in this folder, in which the command runs
    (tmp_path / "config.yml").symlink_to(ROOT / "config.yml")
    done = subprocess.run(
        [sys.executable, *words, *kept, *short], cwd=tmp_path, capture_output=True, text=True, env=environment()
    )
    assert done.returncode == 0, done.stderr
    assert f"1 epochs of 1 batches of {size} samples" in done.stderr
    (last,) = (tmp_path / "experiments" / "default").rglob("last_checkpoint.pth")
    assert read_checkpoint(last)["training"]["global_step"] == 1


def environment():
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
