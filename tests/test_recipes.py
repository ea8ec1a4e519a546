"""Experiment scripts and the recipes that they share."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from isegm import InputError, build_model, load_model
from isegm.data.corrupted_masks import CorruptedInitialMasks
from isegm.data.drawn_prompts import DrawnPrompts
from isegm.data.refiner_crops import FocusCrops
from isegm.model.checkpoint import DEFAULT_CHECKPOINT, save_checkpoint
from isegm.recipes import folder_data, launch, light, ritm, train
from isegm.recipes.training import train_config
from isegm.utils.exp import create_experiment, load_script
from isegm.utils.files import write_image
from tests.drawn import draw_folder
from tests.imagenet import write_folded_mobilenetv2
from tests.tracked import experiment_scripts

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = [Path("models") / script for script in experiment_scripts()]
FOLDER_SCRIPTS = [script for script in SCRIPTS if script.parent.name == "light" or script.stem.endswith("_folder")]


@pytest.fixture
def configure_small(configure):
    """``configure`` with views of 64 x 64 pixels, for the time that training takes."""

    def run(script, *arguments):
        module, cfg = configure(script, *arguments)
        module.RECIPE = replace(module.RECIPE, crop=dict.fromkeys(module.RECIPE.crops, (64, 64)))
        return module, cfg

    return run


def start_of(script):
    """Options without which a script does not start."""
    return ("--weights", str(DEFAULT_CHECKPOINT)) if script.stem.endswith(("finetune", "stage2")) else ()


def of_batch_statistics(script):
    """Whether a script's network normalises by the statistics of a batch, which must be of two samples then."""
    return "vit_" not in script.stem and not load_script(ROOT / script).RECIPE.freeze_batchnorm


# Scripts whose network and recipe, or their likes, are trained in other tests too
TRAINED_ELSEWHERE = {
    "emcclick/hrnet18s_folder.py",
    "iter_mask/hrnet18s_folder.py",
    "light/mobilenetv2_finetune.py",
    "light/mobilenetv2_folder_stage2.py",
    "light/timm_mixed.py",
    "segnext/vit_tiny512_folder.py",
}
# Whose data, length or start are read in another way than those of other scripts
OF_A_KIND = {"hrnet18s_folder", "mobilenetv2_finetune", "mobilenetv2_mixed", "timm_folder", "vit_tiny224_folder"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(script, marks=pytest.mark.long if str(script.relative_to("models")) in TRAINED_ELSEWHERE else ())
        for script in FOLDER_SCRIPTS
    ],
    ids=str,
)
def test_every_script_for_folders_trains_a_step_and_its_checkpoint_loads(script, configure_small, tmp_path):
    images = draw_folder(tmp_path / "photos", 6)
    short = ("--data", str(images), "--epochs", "1", "--epoch-len", "2", "--batch-size", "2")
    module, cfg = configure_small(script, *short, *start_of(script))
    module.main(cfg)
    model = load_model(cfg.CHECKPOINTS_PATH / "last_checkpoint.pth")
    assert model.config == module.init_model(cfg).config
    assert list(cfg.EXP_PATH.glob(f"{script.stem}_*.py")) and list(cfg.LOGS_PATH.glob("train_*.log"))


@pytest.mark.parametrize(
    "script",
    [pytest.param(script, marks=() if script.stem in OF_A_KIND else pytest.mark.long) for script in FOLDER_SCRIPTS],
    ids=str,
)
def test_nothing_is_made_when_the_input_is_wrong(script, configure, tmp_path):
    images = ("--data", str(draw_folder(tmp_path / "photos", 4)))
    too_small = ((*images, "--batch-size", "1"), "batch of 1 is too small")
    for arguments, words in (
        ((), "no training data"),
        (("--data", str(tmp_path / "absent")), "there is no data folder"),
        (("--data", str(draw_folder(tmp_path / "one", 1))), "one has too few images"),
        ((*images, "--batch-size", "4", "--epoch-len", "2"), "shorter than a batch"),
        ((*images, "--weights", str(tmp_path / "absent.pth")), "there is no checkpoint"),
        *([too_small] if of_batch_statistics(script) else []),
    ):
        module, cfg = configure(script, *start_of(script), *arguments)
        with torch.device("meta"), pytest.raises(InputError, match=words):
            module.main(cfg)
    assert not (tmp_path / "experiments").exists()


def test_weights_to_start_from_are_loaded(configure_small, tmp_path):
    torch.manual_seed(3)
    trained = build_model("clickseg_mobilenetv2")
    save_checkpoint(trained, tmp_path / "trained.pth")
    images = draw_folder(tmp_path / "photos", 4)
    arguments = ("--data", str(images), "--epochs", "1", "--epoch-len", "2", "--batch-size", "2")
    arguments += ("--weights", str(tmp_path / "trained.pth"))
    module, cfg = configure_small("models/light/mobilenetv2_folder.py", *arguments)
    module.main(cfg)
    found = load_model(cfg.CHECKPOINTS_PATH / "last_checkpoint.pth").state_dict()
    key = "feature_extractor.backbone.block5.3.conv.2.weight"
    torch.testing.assert_close(found[key], trained.state_dict()[key], atol=0.01, rtol=0)  # one step of warm-up away


OTHERS = ("timm_folder", "timm_mixed", "plainvit_xtiny224_folder")  # whose networks have other parts
LIGHT_SCRIPTS = [script for script in SCRIPTS if script.parent.name == "light" and script.stem not in OTHERS]


@pytest.mark.parametrize("script", LIGHT_SCRIPTS, ids=str)
def test_light_scripts_say_how_fast_the_backbone_learns_and_how_loud_clicks_are(script, planned, tmp_path):
    images = draw_folder(tmp_path / "photos", 25)
    network, train_set, val_set, config = planned(script, "--data", str(images), *start_of(script))
    backbone = {name for name, _ in network.named_parameters() if name.startswith("feature_extractor.backbone.")}
    assert set(config.lr_multipliers) == backbone and set(config.lr_multipliers.values()) <= {0.25}
    assert bool(backbone) == ("mobilenetv2" in script.stem)
    if script.stem != "hrnet18s_folder":
        assert network.maps_transform[-1].scale.item() == 1.0
    steps = (FocusCrops(256), CorruptedInitialMasks(p=0.3, iou=(0.55, 0.92))) if network.has_refiner else ()
    assert network.reads_strokes == (script.stem == "mobilenetv2_prompts_finetune")
    steps = (DrawnPrompts(),) if network.reads_strokes else steps
    assert train_set.steps == val_set.steps == steps


def test_any_backbone_of_timm_by_name(planned, tmp_path):
    images = ("--data", str(draw_folder(tmp_path / "photos", 25)))
    network, _, _, config = planned("models/light/timm_folder.py", *images, "--backbone", "mobilenetv3_small_050")
    assert network.config["params"]["backbone"] == "mobilenetv3_small_050"
    assert set(network.lr_multipliers().values()) == {0.25} and config.lr_multipliers is None
    with pytest.raises(InputError, match=r"hrnet18s_folder\.py has a backbone of its own: leave --backbone out"):
        planned("models/light/hrnet18s_folder.py", *images, "--backbone", "resnet18")
    with pytest.raises(InputError, match="timm has no network named resnet81: did you mean"):
        planned("models/light/timm_folder.py", *images, "--backbone", "resnet81")


def test_a_backbone_rate_that_no_parameter_has_is_refused(configure, tmp_path):
    images = draw_folder(tmp_path / "photos", 4)
    module, cfg = configure("models/light/hrnet18s_folder.py", "--data", str(images))
    module.RECIPE = replace(module.RECIPE, backbone_lr=0.25)
    with pytest.raises(InputError, match=r"backbone_lr is 0\.25, which no parameter of HRNetModel has"):
        module.main(cfg)


def test_what_is_no_network_or_no_recipe_is_named(configure):
    module, cfg = configure("models/light/hrnet18s_folder.py")
    with pytest.raises(InputError, match=r"the network that .*hrnet18s_folder\.py trains must be a network of isegm"):
        module.train(None, cfg, module.RECIPE)
    with pytest.raises(InputError, match=r"the recipe of .*hrnet18s_folder\.py must be a Recipe, not"):
        module.train(build_model("clickseg_mobilenetv2"), cfg, {"lr": 1e-3})


def test_a_field_of_the_recipe_may_stand_in_the_configuration(configure):
    module, cfg = configure("models/light/hrnet18s_folder.py")
    cfg.recipe_fields = "ema=5"  # a text, where the command line gives a list
    with pytest.raises(InputError, match="ema of Recipe must be"):
        module.train(build_model("clickseg_mobilenetv2"), cfg, module.RECIPE)


def test_mixed_clicks_of_a_network_with_a_refiner_are_refused(configure, tmp_path):
    images = draw_folder(tmp_path / "photos", 4)
    fields = ("mixed_clicks=true", "interleaved_batches=1", "initial_masks=null")
    options = ("--data", str(images), *(word for field in fields for word in ("--set", field)))
    module, cfg = configure("models/light/focalclick_hrnet18s_folder.py", *options)
    with pytest.raises(InputError, match="mixed_clicks trains no refiner: leave it out"):
        module.main(cfg)


def test_folded_imagenet_weights_get_their_statistics_back(configure, tmp_path, caplog, monkeypatch):
    few = partial(launch.calibration_batches, count=2, batch_size=4)  # of 16 batches of 8
    monkeypatch.setattr(launch, "calibration_batches", few)
    module, cfg = configure("models/light/mobilenetv2_folder.py", "--data", str(draw_folder(tmp_path / "photos", 4)))
    cfg.IMAGENET_PRETRAINED_MODELS = {"MOBILENETV2": str(write_folded_mobilenetv2(tmp_path / "imagenet.pth"))}
    with caplog.at_level("INFO"):
        network = module.init_model(cfg)
    assert "measuring its statistics" in caplog.text
    norm = network.feature_extractor.backbone.block4[0].conv[0].bn
    assert float((norm.weight.detach() - 1).abs().max()) > 0.1
    assert float(norm.running_mean.abs().max()) > 0.1


def test_frozen_batchnorm_needs_a_trained_network(configure, tmp_path):
    images = draw_folder(tmp_path / "photos", 4)
    module, cfg = configure("models/light/mobilenetv2_finetune.py", "--data", str(images))
    with pytest.raises(InputError, match="goes on from a trained network: give its checkpoint with --weights"):
        module.main(cfg)


def test_a_run_goes_on_with_the_same_options_weights_included(configure, configure_small, tmp_path, caplog):
    caplog.set_level("INFO", logger="isegm")
    images = draw_folder(tmp_path / "photos", 4)
    given = ("--data", str(images), "--epochs", "1", "--epoch-len", "2", "--batch-size", "2")
    given += ("--weights", str(DEFAULT_CHECKPOINT))
    module, cfg = configure_small("models/light/mobilenetv2_finetune.py", *given)
    module.main(cfg)
    last = cfg.CHECKPOINTS_PATH / "last_checkpoint.pth"
    trained = last.read_bytes()
    module, cfg = configure("models/light/mobilenetv2_finetune.py", *given, "--resume-exp", "000")
    module.main(cfg)
    assert "mobilenetv2_default.pth is not read again" in caplog.text
    assert last == cfg.CHECKPOINTS_PATH / "last_checkpoint.pth"
    assert torch.load(last)["training"]["global_step"] == 1 and len(last.read_bytes()) == len(trained)


def test_a_run_without_a_checkpoint_says_so(configure, tmp_path):
    images = draw_folder(tmp_path / "photos", 4)
    given = ("--data", str(images), "--epochs", "1", "--epoch-len", "2", "--batch-size", "2")
    _, cfg = configure("models/light/mobilenetv2_folder.py", *given)
    create_experiment(cfg)
    module, cfg = configure("models/light/mobilenetv2_folder.py", *given, "--resume-exp", "000")
    with pytest.raises(InputError, match=r"/000 has no checkpoint yet, .*: start it again without --resume-exp\.$"):
        module.main(cfg)
    for name in ("last_checkpoint.pth", "000.pth"):
        (cfg.CHECKPOINTS_PATH / name).touch()
    for prefix in ("../", "/", "*", "["):
        module, cfg = configure(
            "models/light/mobilenetv2_folder.py", *given, "--resume-exp", "000", "--resume-prefix", prefix
        )
        with pytest.raises(InputError, match=r"fits 0 files in .* one of 000\.pth, last_checkpoint\.pth\.$"):
            module.main(cfg)


def test_one_run_at_a_time_works_in_a_folder(configure, configure_small, tmp_path, monkeypatch):
    images = draw_folder(tmp_path / "photos", 4)
    given = ("--data", str(images), "--epochs", "1", "--epoch-len", "2", "--batch-size", "2")
    module, cfg = configure_small("models/light/mobilenetv2_folder.py", *given)
    trained, refused = launch.Trainer.run, []

    def train_beside_another(trainer):
        finished = trained(trainer)
        second, resumed = configure("models/light/mobilenetv2_folder.py", *given, "--resume-exp", "000")
        with pytest.raises(InputError, match=r"/000 is in use by another program .* new run without --resume-exp\.$"):
            second.main(resumed)
        refused.append(0)
        return finished

    monkeypatch.setattr(launch.Trainer, "run", train_beside_another)
    module.main(cfg)
    assert refused
    assert not [path for path in cfg.EXP_PATH.iterdir() if path.suffix == ".lock"]


def test_broken_images_and_masks_are_named_together_before_the_first_step(configure, tmp_path):
    images = draw_folder(tmp_path / "photos", 30, size=(48, 64))
    for number in range(14):
        path = images / ("masks" if number % 2 else "images") / f"{number:02d}.png"
        path.write_bytes(path.read_bytes()[:60])
    write_image(images / "images" / "29.jpg", np.zeros((48, 64, 3), np.uint8))
    (images / "images" / "29.png").unlink()
    (images / "images" / "29.jpg").write_bytes((images / "images" / "29.jpg").read_bytes()[:-60])
    module, cfg = configure("models/light/mobilenetv2_folder.py", "--data", str(images))
    with pytest.raises(InputError) as refused:
        module.main(cfg)
    said = str(refused.value)
    assert said.startswith(f"15 of 30 images of {images} cannot be used: ") and said.endswith(" (and 5 more).")
    assert said.count(".png") == 10 and not cfg.EXP_PATH.exists()


def test_images_of_one_pixel_give_samples_or_one_sentence(configure, tmp_path):
    images = draw_folder(tmp_path / "photos", 4, size=(48, 64))
    for name in ("a", "b"):
        write_image(images / "images" / f"{name}.png", np.full((1, 1, 3), 120, np.uint8))
        write_image(images / "masks" / f"{name}.png", np.ones((1, 1), np.uint8))
    for script in FOLDER_SCRIPTS:
        module, cfg = configure(script, "--data", str(images), "--epoch-len", "12")
        steps = () if module.RECIPE.initial_masks is None else (module.RECIPE.initial_masks,)
        train_set, _ = module.RECIPE.data.open(cfg, {0: (96, 96)}, module.RECIPE.sampler, steps, True)
        assert {tuple(train_set[index]["images"].shape) for index in range(12)} == {(3, 96, 96)}


@pytest.mark.parametrize("recipes", [light, ritm])
def test_losses_of_networks_without_an_auxiliary_output(recipes):
    assert {term.output for term in recipes.losses(aux=0.4).values()} == {"instances", "instances_aux"}
    assert {term.output for term in recipes.losses(aux=None).values()} == {"instances"}


def test_the_published_crop_finds_objects_on_camera_images():
    image, masks = np.zeros((3000, 4000, 3), np.uint8), np.zeros((3000, 4000, 1), np.int32)
    masks[200:800, 3000:3600] = 1
    augment, rng = ritm.folder_views((320, 480))[0], np.random.default_rng(0)
    views = [augment(image, masks, rng)[1] for _ in range(20)]
    assert sum(view.any() for view in views) >= 5  # at native size one view in ten would show it


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (["a", "b"], (["a", "b"], None)),
        ({"a": 0.3, "b": 1}, (["a", "b"], [0.3, 1.0])),
        ("a", "must be a list"),
        ({"a": "much"}, "must be a list"),
        ({}, "no training data"),
    ],
)
def test_training_folders_of_the_configuration(listed, expected):
    cfg = {"TRAIN_FOLDERS": listed}
    if isinstance(expected, tuple):
        assert folder_data.training_folders(cfg) == expected
    else:
        with pytest.raises(InputError, match=expected):
            folder_data.training_folders(cfg)


def test_a_training_folder_may_have_a_comma_in_its_name(tmp_path):
    (tmp_path / "a,b").mkdir()
    named = f"{tmp_path}/a,b"
    assert folder_data.training_folders({"data": f"{named}, {tmp_path}/c"}) == ([named, f"{tmp_path}/c"], None)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("photos", "photos"),
        ("photos", "./photos"),
        ("photos", "photos/"),
        ("photos", "link"),
        ("a.pack", "a.pack"),
        ("a.pack", "./a.pack"),
        ("a.pack", "hard.pack"),
    ],
)
def test_a_training_folder_that_is_given_twice_is_refused(tmp_path, monkeypatch, first, second):
    monkeypatch.chdir(tmp_path)
    for name in ("photos", "others"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("photos")
    (tmp_path / "a.pack").touch()
    (tmp_path / "hard.pack").hardlink_to("a.pack")
    (tmp_path / "copy.pack").touch()
    found = (
        {"data": f"{first},others,{second}"},
        {"TRAIN_FOLDERS": [first, second]},
        {"TRAIN_FOLDERS": {first: 1, second: 2}},
    )
    for cfg in found[: 2 if first == second else 3]:
        with pytest.raises(InputError, match=f"^{re.escape(second)} is given twice in the training data: give each"):
            folder_data.training_folders(cfg)
    different = ["photos", "others", "a.pack", "copy.pack", "absent", "gone"]
    assert folder_data.training_folders({"data": ",".join(different)}) == (different, None)


def test_a_mask_to_start_from_needs_a_network_that_reads_it(configure_small, tmp_path):
    module, cfg = configure_small("models/light/mobilenetv2_folder.py", "--data", str(tmp_path))
    network = build_model("clickseg_mobilenetv2")
    network.with_prev_mask = False
    recipe = replace(module.RECIPE, initial_masks=CorruptedInitialMasks(0.3, (0.5, 0.9)))
    with pytest.raises(InputError, match="initial_masks are for networks that read the previous mask, which BaselineM"):
        train(network, cfg, recipe)


@pytest.mark.parametrize(
    ("epochs", "expected"), [(1, [1.0]), (2, [1.0, 0.1]), (4, [1, 1, 0.1, 0.1]), (10, [1.0] * 5 + [0.1] * 4 + [0.01])]
)
def test_a_short_run_begins_at_the_whole_learning_rate(configure, epochs, expected):
    module, cfg = configure("models/light/mobilenetv2_folder.py", "--epochs", str(epochs))
    recipe = replace(module.RECIPE, epochs=100, warmup=0, decay_from=None, milestones=(50, 90))
    schedule = train_config(build_model("clickseg_mobilenetv2"), cfg, recipe).schedule
    assert [schedule(epoch) for epoch in range(epochs)] == pytest.approx(expected)


def test_options_of_the_command_line_reach_the_trainer(configure, tmp_path):
    images = ("--data", str(draw_folder(tmp_path / "photos", 4)), "--batch-size", "2")
    more = ("--lr", "1e-3", "--accumulate-grad", "2", "--clip-grad-norm", "0.5", "--sync-bn", "--compile")
    _, cfg = configure("models/light/mobilenetv2_folder.py", *images)
    given = launch.run_config(cfg)
    assert (given.lr, given.accumulate, given.clip_norm) == (None, 1, None)
    assert not given.sync_batchnorm and not given.compile
    _, cfg = configure("models/light/mobilenetv2_folder.py", *images, *more)
    given = launch.run_config(cfg)
    assert (given.lr, given.accumulate, given.clip_norm) == (1e-3, 2, 0.5)
    assert given.sync_batchnorm and given.compile


@pytest.mark.parametrize(
    "option", [("--accumulate-grad", "0"), ("--lr", "0"), ("--lr", "x"), ("--clip-grad-norm", "nan")]
)
def test_numbers_that_are_not_above_0_end_in_a_sentence(option, configure, capsys):
    with pytest.raises(SystemExit) as ended:
        configure(SCRIPTS[0], *option)
    assert ended.value.code == 2 and option[1] in capsys.readouterr().err


@pytest.mark.parametrize("option", [("--seed", "-1"), ("--workers", "-1"), ("--start-epoch", "x")])
def test_numbers_that_are_none_end_in_a_sentence(option, configure, capsys):
    with pytest.raises(SystemExit) as ended:
        configure(SCRIPTS[0], *option)
    assert ended.value.code == 2 and "is not a whole number" in capsys.readouterr().err


def test_no_two_scripts_share_more_than_a_declaration():
    seen = {}
    for script in SCRIPTS:
        text = (ROOT / script).read_text()
        assert 14 <= len(text.splitlines()) <= 35, script
        assert f"python train.py {script}" in text, script
        lines = [line for line in text.splitlines() if line.strip()]
        for start in range(len(lines) - 5):
            run = tuple(lines[start : start + 6])
            assert seen.setdefault(run, script) == script, "\n".join(run)
