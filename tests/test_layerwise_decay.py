"""``--layerwise-decay``, ``--upsample`` and ``--random-split``, SimpleClick's options of train.py."""

import pytest
import torch

from isegm import InputError, build_model, load_model
from isegm.engine.optimizer import adam
from isegm.model.checkpoint import read_checkpoint
from isegm.recipes import launch
from tests.drawn import draw_folder

XTINY = "models/iter_mask/plainvit_xtiny448_cocolvis_itermask.py"
SLIM = dict(img_size=(128, 128), embed_dim=32, depth=8, num_heads=2, out_dims=(8, 8, 8, 8))
SHORT = ("--epochs", "2", "--epoch-len", "4", "--batch-size", "2")
DEPTH = 8


@pytest.fixture
def slim(monkeypatch):
    """SimpleClick's networks are small ones of 8 blocks."""

    def build(name, **arguments):
        return build_model(name, **{**(SLIM if name.startswith("simpleclick") else {}), **arguments})

    monkeypatch.setattr("isegm.recipes.launch.build_model", build)


def published(name, shape):
    """Rate over the base rate, and weight decay, as SimpleClick sets them; for all but ``patch_embed_coords``."""
    part, *rest = name.split(".")
    if part != "backbone":
        return 1.0, 0.02
    number = {"cls_token": 0, "pos_embed": 0, "patch_embed": 0}.get(rest[0], DEPTH + 1)
    if rest[0] == "blocks":
        number = int(rest[1]) + 1
    decays = len(shape) > 1 and rest[0] not in ("cls_token", "pos_embed")
    return 0.75 ** (DEPTH + 1 - number), 0.02 if decays else 0.0


@pytest.mark.parametrize("option", ["--layerwise-decay", "--layerwise_decay"])
def test_rates_and_weight_decays_are_the_published_ones(option, slim, planned):
    network, _, _, config = planned(XTINY, option)
    optimizer = adam(network, config)
    named = {id(parameter): name for name, parameter in network.named_parameters()}
    found = {
        named[id(parameter)]: (group["mult"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    expected = {name: published(name, parameter.shape) for name, parameter in network.named_parameters()}
    first = 0.75 ** (DEPTH + 1)
    expected |= {"patch_embed_coords.proj.weight": (first, 0.02), "patch_embed_coords.proj.bias": (first, 0.0)}
    assert found == {name: pytest.approx(values) for name, values in expected.items()}
    assert type(optimizer) is torch.optim.Adam


def test_without_the_option_all_parameters_learn_alike(slim, planned):
    network, _, _, config = planned(XTINY)
    (group,) = adam(network, config).param_groups
    assert (group["mult"], group["weight_decay"]) == (1, 0)


@pytest.mark.parametrize("as_published", [False, True])
def test_clicks_are_embedded_by_trained_weights_unless_the_published_slip_is_asked_for(
    as_published, slim, at_data, small_crops
):
    more = ("--set", "published_layer_decay=true") if as_published else ()
    module, cfg = at_data(XTINY, *SHORT, "--layerwise-decay", *more)
    started = []
    module.init_model = lambda cfg, init=module.init_model: started.append(init(cfg)) or started[0]
    torch.manual_seed(0)
    before = {}

    def keep(network, *arguments):
        before.update({name: value.clone() for name, value in network.state_dict().items()})
        launched(network, *arguments)

    launched, launch.start = launch.start, keep
    try:
        module.main(cfg)
    finally:
        launch.start = launched
    found = load_model(cfg.CHECKPOINTS_PATH / "last_checkpoint.pth").state_dict()
    for part in ("weight", "bias"):
        key = f"patch_embed_coords.proj.{part}"
        assert torch.equal(found[key], before[key]) == as_published
    assert not torch.equal(found["backbone.pos_embed"], before["backbone.pos_embed"])


def test_a_run_goes_on_with_its_layers_rates_and_with_no_others(slim, at_data, small_crops):
    weights = {}
    for name, *options in (("whole",), ("broken", "--minutes", "1e-9"), ("broken", "--resume-exp", "001")):
        torch.manual_seed(0)
        module, cfg = at_data(XTINY, *SHORT, "--exp-name", name, "--layerwise-decay", *options)
        module.main(cfg)
        content = read_checkpoint(cfg.CHECKPOINTS_PATH / "last_checkpoint.pth")
        assert (content["training"]["global_step"] < 4) == ("--minutes" in options)
        weights[name] = content["state_dict"]
    assert all(torch.equal(value, weights["broken"][name]) for name, value in weights["whole"].items())
    module, cfg = at_data(XTINY, *SHORT, "--resume-exp", "001")
    with pytest.raises(InputError, match="does not fit the parameters of this network: resume the run with the script"):
        module.main(cfg)


def test_other_networks_and_rates_are_refused(slim, planned, tmp_path):
    images = ("--data", str(draw_folder(tmp_path / "photos", 25)))
    hrnet = "models/iter_mask/hrnet18s_folder.py"
    for options, words in (
        (("--layerwise-decay",), r"hrnet18s_folder\.py has no plain vision transformer: leave --layerwise-decay out"),
        (("--upsample", "x2"), r"hrnet18s_folder\.py has no network that --upsample changes: leave it out"),
        (("--random-split",), r"hrnet18s_folder\.py has no network that --random-split changes: leave it out"),
    ):
        with pytest.raises(InputError, match=words):
            planned(hrnet, *images, *options)
    with pytest.raises(InputError, match=r"published_layer_decay goes with --layerwise-decay: give that too"):
        planned(XTINY, "--set", "published_layer_decay=true")


@pytest.mark.parametrize(
    ("crop", "words"),
    [
        ("[128,100]", "cannot read 128 x 100 pixels, as its patches have 16 x 16: .* such as 128 x 96"),
        ("{0: [128,128], 1: [16,16]}", "cannot read 16 x 16 pixels: give sides of 32 or more"),
    ],
)
def test_a_crop_that_the_network_cannot_read_is_told_before_anything_is_written(crop, words, slim, at_data, tmp_path):
    module, cfg = at_data(XTINY, *SHORT, "--set", f"crop={crop}")
    with pytest.raises(InputError, match=words):
        module.main(cfg)
    assert not (tmp_path / "experiments").exists()


@pytest.mark.parametrize(
    ("script", "channels"),
    [(XTINY, 128), ("models/iter_mask/plainvit_base448_sbd_itermask.py", 256)],
)
@pytest.mark.parametrize(("upsample", "factor"), [("x1", 1), ("x2", 2), ("x4", 4)])
def test_upsample_keeps_the_width_of_the_head(script, channels, upsample, factor, slim, planned):
    network, *_ = planned(script, "--upsample", upsample)
    params = network.config["params"]
    assert params.get("upsample", "x1") == upsample
    assert params.get("head_channels", channels) == channels // factor
    assert network.head.fusion_conv.conv.weight.shape[0] == channels


def test_random_split_attends_to_all_tokens_and_is_kept_in_the_checkpoint(slim, at_data, small_crops):
    module, cfg = at_data(XTINY, *SHORT, "--random-split", "--upsample", "x2")
    module.main(cfg)
    network = load_model(cfg.CHECKPOINTS_PATH / "last_checkpoint.pth")
    assert not network.backbone.windowed and len(network.head.used) == 1


def test_amp_without_a_value_is_fp16_as_in_cfr_icl(configure):
    assert [configure(XTINY, *words)[1].amp for words in ((), ("--amp",), ("--amp", "bf16"))] == [None, "fp16", "bf16"]
