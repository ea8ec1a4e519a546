"""Checkpoints: ours, published ones, and files that are none."""

import pickle

import numpy as np
import pytest
import torch

from isegm import InputError, build_model, load_model
from isegm.model.checkpoint import save_checkpoint, start_from
from tests.golden import golden, golden_json, key_manifest, model_inputs, rule_state_dict
from tests.networks import light_parameters

PUBLISHED = [
    "ritm/hrnet18s_itermask",
    *(pytest.param(f"ritm/{name}", marks=pytest.mark.long) for name in ("hrnet18_itermask", "r34_dh128")),
]
PUBLISHED += ["clickseg/mobilenetv2", "clickseg/pplcnet"]  # CDNet's is in test_cdnet.py
PUBLISHED += ["clickseg/hrnet18s_S1", "clickseg/segformerB0_S1", "clickseg/segformerB0_S2"]


@pytest.mark.parametrize("name", light_parameters())
def test_a_round_trip_keeps_every_output(name, tmp_path):
    torch.manual_seed(0)
    model = build_model(name).eval()
    save_checkpoint(model, tmp_path / "model.pth")
    loaded = load_model(tmp_path / "model.pth")
    assert loaded.config == model.config and not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    image = torch.rand(1, 4, 64, 96)
    points = torch.tensor([[[20.0, 30.0, 0.0], [5.0, 6.0, 1.0]]])
    with torch.no_grad():
        expected, found = model(image, points), loaded(image, points)
    for key in expected.keys() - {"cache"}:
        assert torch.equal(expected[key], found[key])


def test_constructor_arguments_travel_with_the_weights(tmp_path):
    save_checkpoint(build_model("ritm_hrnet18s", with_prev_mask=False), tmp_path / "model.pth")
    assert load_model(tmp_path / "model.pth").with_prev_mask is False


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_container_loads_and_gives_the_golden_outputs(name, tmp_path):
    spec = golden_json(f"{name}.json")
    path = tmp_path / "published.pth"
    torch.save({"state_dict": rule_state_dict(spec["state_dict"]), "config": spec["config"]}, path)
    model = load_model(path)
    with torch.no_grad():
        outputs = model(*model_inputs(spec))
    vectors = np.load(golden(f"{name}.npz"))
    for output in spec["noise_vs_no_onednn"].keys() & {"instances", "instances_aux"}:
        flat = outputs[output].flatten().numpy()
        expected = vectors[f"sample/{output}"]
        tolerance = max(5 * spec["noise_vs_no_onednn"][output], 1e-4 * float(expected.std()))
        np.testing.assert_allclose(flat[:: max(1, flat.size // 4096)], expected, rtol=0, atol=tolerance)
    save_checkpoint(model, tmp_path / "ours.pth")
    again = load_model(tmp_path / "ours.pth")
    assert torch.equal(again(*model_inputs(spec))["instances"], outputs["instances"])


def write(path, content):
    torch.save(content, path)
    return path


def refused(path, *words):
    with pytest.raises(InputError) as error:
        load_model(path)
    message = str(error.value)
    assert str(path) in message and "\n" not in message
    for word in words:
        assert word in message, message
    return message


def test_no_such_file(tmp_path):
    refused(tmp_path / "absent.pth", "there is no checkpoint")


def test_a_training_that_starts_from_no_such_file_is_not_offered_the_shipped_model(tmp_path):
    with pytest.raises(InputError, match=r"there is no checkpoint .*absent\.pth to start from: check its path\.$"):
        start_from(build_model("clickseg_mobilenetv2"), tmp_path / "absent.pth")


@pytest.mark.parametrize("content", [b"", b"these are no weights\n", b"PK\x03\x04 cut off", b"\x80\x02}q\x00."])
def test_a_file_that_is_no_checkpoint(tmp_path, content):
    path = tmp_path / "notes.pth"
    path.write_bytes(content)
    refused(path, "not a")


def test_a_cut_off_checkpoint(tmp_path):
    save_checkpoint(build_model("clickseg_mobilenetv2"), tmp_path / "whole.pth")
    path = tmp_path / "cut.pth"
    path.write_bytes((tmp_path / "whole.pth").read_bytes()[:100_000])
    refused(path, "not a PyTorch checkpoint")


class Malicious:
    def __reduce__(self):
        return (print, ("this must never be printed",))


@pytest.mark.parametrize("legacy", [False, True])
def test_a_malicious_pickle_is_refused_and_never_run(tmp_path, capsys, legacy):
    path = tmp_path / "evil.pth"
    content = {"state_dict": {}, "config": Malicious()}
    if legacy:
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    message = refused(path)
    assert "print" in message or "not a PyTorch checkpoint" in message
    assert "never be printed" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ({"conv1.weight": torch.zeros(3), "layer4.0.conv1.weight": torch.zeros(2)}, "bare ImageNet backbone"),
        ({"model": {"cls_token": torch.zeros(1), "blocks.0.norm1.weight": torch.zeros(1)}}, "MAE backbone"),
        ({"state_dict": {"stage4.0.weight": torch.zeros(1)}}, "bare ImageNet backbone"),
        ([1, 2], "several models"),
        (torch.zeros(3), "holds a Tensor"),
        ({"epoch": 3}, "holds no weights"),
    ],
)
def test_what_is_no_click_model_is_named(tmp_path, content, word):
    refused(write(tmp_path / "other.pth", content), word, "not a click model")


def test_another_architecture_lists_the_difference(tmp_path):
    state = build_model("ritm_hrnet18s").state_dict()
    path = write(tmp_path / "mixed.pth", {"state_dict": state, "config": {"model": "clickseg_mobilenetv2"}})
    refused(path, "missing (", "unexpected (", "feature_extractor.backbone.conv1.conv.weight")


def test_another_shape_is_told_with_both_shapes(tmp_path):
    model = build_model("clickseg_mobilenetv2")
    state = model.state_dict()
    state["feature_extractor.head.weight"] = torch.zeros(2, 16, 1, 1)
    path = write(tmp_path / "shape.pth", {"state_dict": state, "config": {"model": "clickseg_mobilenetv2"}})
    refused(path, "feature_extractor.head.weight (2, 16, 1, 1) instead of (1, 16, 1, 1)")


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"class": "os.system", "params": {}}, "os.system, which is not supported"),
        ({"model": "clickseg_mobilenet"}, "did you mean clickseg_mobilenetv2?"),
        ({"model": "clickseg_mobilenetv2", "params": {"depth": 3}}, "no argument named depth"),
        ({"model": "clickseg_mobilenetv2", "params": None}, "params are no mapping"),
        ({"model": "clickseg_mobilenetv2", "params": ["backbone"]}, "params are no mapping"),
        ({"model": "clickseg_mobilenetv2", "params": {3: 4}}, "cannot be built"),
        ({"model": "clickseg_mobilenetv2", "params": {"backbone": "ResNet"}}, "backbone is 'ResNet': known are"),
        ({"model": "ritm_hrnet18", "params": {"width": "18"}}, "cannot be built (TypeError"),
        ({"class": ["HRNetModel"]}, "is not supported"),
        ({"class": "isegm.model.is_hrnet_model.HRNetModel", "params": None}, "without a value for each argument"),
        ({"class": "isegm.model.is_hrnet_model.HRNetModel", "params": {"width": 18}}, "without a value for each"),
        ({"epoch": 3}, "names no network"),
        ("RITM", "no mapping"),
    ],
)
def test_a_configuration_that_means_nothing_here(tmp_path, config, word):
    refused(write(tmp_path / "config.pth", {"state_dict": {}, "config": config}), word)


@pytest.mark.parametrize("state", [{"head.weight": 3}, {"head.weight": None}, {7: torch.zeros(1)}])
def test_weights_that_are_no_tensors_by_name(tmp_path, state):
    path = write(tmp_path / "state.pth", {"state_dict": state, "config": {"model": "clickseg_mobilenetv2"}})
    refused(path, "not all tensors by name")


def test_a_file_that_may_not_be_read_is_not_called_cut_off(tmp_path, monkeypatch):
    path = write(tmp_path / "shut.pth", {"state_dict": {}, "config": {}})

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(torch, "load", denied)  # the super-user may read files of every mode
    refused(path, "cannot be read (Permission denied)")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_no_damage_to_a_file_is_a_traceback(tmp_path):
    """Files of both of PyTorch's formats, with some bytes replaced or the end cut off."""
    rng = np.random.default_rng(0)
    content = {"state_dict": {"head.weight": torch.ones(9)}, "config": {"model": "another"}}
    path = tmp_path / "damaged.pth"
    for zipped in (True, False):
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        whole = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(150):
            damaged = whole[: rng.integers(len(whole)) if rng.random() < 0.3 else None].copy()
            places = rng.integers(len(damaged), size=3) if len(damaged) else []
            damaged[places] = rng.integers(256, size=len(places))
            path.write_bytes(damaged.tobytes())
            refused(path)


def test_a_network_is_named_by_its_nearest():
    with pytest.raises(InputError, match="did you mean ritm_hrnet32"):
        build_model("ritm_hrnet33")


def stored(model, class_path, **params):
    """A published container around a network's weights; each of ``params`` is (value, specified)."""
    entries = {name: {"type": "builtin", "value": value, "specified": given} for name, (value, given) in params.items()}
    return {"state_dict": model.state_dict(), "config": {"class": class_path, "params": entries}}


RITM, CLICKSEG = "isegm.model.is_hrnet_model.HRNetModel", "isegm.model.is_strong_baseline.BaselineModel"
DEEPLAB = "isegm.model.is_deeplab_model.DeeplabModel"
MAPS = {
    "use_rgb_conv": (False, True),
    "use_leaky_relu": (True, True),
    "use_disks": (True, True),
    "norm_radius": (5, True),
}
HRNET18S = {"width": (18, True), "ocr_width": (48, True), "small": (True, True), **MAPS}
MASK_AND_AUX = {"with_prev_mask": (True, True), "with_aux_output": (True, True)}


@pytest.mark.parametrize(
    ("network", "class_path", "known"),
    [
        ("ritm_hrnet18s", RITM, {**HRNET18S, **MASK_AND_AUX}),
        ("clickseg_mobilenetv2", CLICKSEG, {"backbone": ("MobleNetV2", True)}),
    ],
)
def test_an_unknown_argument_is_passed_over_as_a_default_and_refused_when_given(tmp_path, network, class_path, known):
    model = build_model(network)
    path = write(tmp_path / "fork.pth", stored(model, class_path, **known, only_first_click=(False, False)))
    assert load_model(path).config["model"] == network
    path = write(tmp_path / "given.pth", stored(model, class_path, **known, only_first_click=(True, True)))
    refused(path, "no argument named only_first_click")


def test_a_default_that_the_network_knows_is_taken_from_the_file(tmp_path):
    model = build_model("ritm_hrnet18s", with_prev_mask=False)
    path = write(tmp_path / "old.pth", stored(model, RITM, **HRNET18S, with_prev_mask=(False, False)))
    assert load_model(path).with_prev_mask is False


# RITM's constructors, where a file leaves everything unsaid
UNSAID = dict(with_prev_mask=False, with_aux_output=False, use_rgb_conv=True, use_leaky_relu=False)
UNSAID |= dict(use_disks=False, norm_radius=260)


@pytest.mark.parametrize(
    ("class_path", "network", "said"),
    [
        (RITM, "ritm_hrnet18s", {"width": 18, "ocr_width": 48, "small": True}),
        (DEEPLAB, "ritm_resnet34", {"backbone": "resnet34", "deeplab_ch": 64}),
    ],
)
def test_what_a_file_leaves_unsaid_is_the_default_of_the_published_class(tmp_path, class_path, network, said):
    torch.manual_seed(0)
    model = build_model(network, **said, **UNSAID).eval()
    path = write(
        tmp_path / "unsaid.pth", stored(model, class_path, **{name: (value, True) for name, value in said.items()})
    )
    loaded = load_model(path)
    assert loaded.config["model"] == network
    assert loaded.config["params"].items() >= {**said, **UNSAID}.items()
    assert not loaded.dist_maps.use_disks and loaded.dist_maps.norm_radius == 260
    image, points = torch.rand(1, 3, 64, 96), torch.tensor([[[20.0, 30.0, 0.0], [5.0, 6.0, 1.0]]])
    assert torch.equal(loaded(image, points)["instances"], model(image, points)["instances"])


# options of RITM beside those of the published weights
RGB = {"use_rgb_conv": (True, True)}
OPTIONS = [
    {**RGB, "use_disks": (False, True), "norm_radius": (260, True)},
    {"clicks_groups": ([2, 5, 5], True)},
    {"conv_extend": (True, True)},
    {"with_prev_mask": (True, True), "binary_prev_mask": (True, True)},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: next(iter(options)))
def test_options_of_ritm_are_read_from_published_files_and_kept(tmp_path, options):
    torch.manual_seed(0)
    entries = {**HRNET18S, **options}
    model = build_model("ritm_hrnet18s", with_aux_output=False, **{"with_prev_mask": False, **plain(entries)}).eval()
    path = write(tmp_path / "ritm.pth", stored(model, RITM, **entries))
    loaded = load_model(path)
    image = torch.rand(1, 4 if loaded.with_prev_mask else 3, 64, 96)
    points = torch.tensor([[[20.0, 30.0, 0.0], [5.0, 6.0, 1.0]]])
    with torch.no_grad():
        expected = model(image, points)["instances"]
    assert torch.equal(loaded(image, points)["instances"], expected)
    save_checkpoint(loaded, tmp_path / "ours.pth")
    assert torch.equal(load_model(tmp_path / "ours.pth")(image, points)["instances"], expected)


def plain(entries):
    return {name: value for name, (value, _) in entries.items()}


def test_clicksegs_baselines_ignore_arguments_that_ritm_reads(tmp_path):
    model = build_model("clickseg_mobilenetv2")
    unread = {**RGB, "clicks_groups": ([2, 5], True), "conv_extend": (True, False)}
    path = write(tmp_path / "baseline.pth", stored(model, CLICKSEG, **unread))
    assert load_model(path).config["params"] == {}


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"backbone": "resnet18"}, "no backbone named 'resnet18': known are resnet34"),
        ({"backbone": "resnet34", "with_aux_output": True}, "DeepLabV3+ has no auxiliary output"),
        ({"backbone": "resnet34", "clicks_groups": []}, "clicks_groups is empty"),
        ({"backbone": "resnet34", "clicks_groups": [[2], [5]]}, "the radius of clicks must be a number"),
        ({"backbone": "resnet34", "deeplab_ch": "128"}, "its configuration is damaged"),
        ({"backbone": "resnet34", "norm_layer": "torch.nn.GroupNorm"}, "norm_layer other than"),
        ({"backbone": "resnet34", "backbone_norm_layer": "torch.nn.GroupNorm"}, "backbone_norm_layer other than"),
    ],
)
def test_a_deeplab_that_cannot_be_built_says_why(tmp_path, params, word):
    entries = {name: {"type": "builtin", "value": value, "specified": True} for name, value in params.items()}
    content = {"state_dict": {}, "config": {"class": DEEPLAB, "params": entries}}
    refused(write(tmp_path / "deeplab.pth", content), word)


@pytest.mark.parametrize("class_path", [RITM, CLICKSEG])
def test_another_norm_layer_is_refused(tmp_path, class_path):
    model = build_model("clickseg_mobilenetv2")
    path = write(tmp_path / "norm.pth", stored(model, class_path, norm_layer=("torch.nn.GroupNorm", True)))
    refused(path, "norm_layer other than")


def test_another_backbone_of_clickseg_is_named(tmp_path):
    model = build_model("clickseg_mobilenetv2")
    path = write(tmp_path / "v3.pth", stored(model, CLICKSEG, backbone=("MobileNetV3", True)))
    refused(path, "the backbone MobileNetV3, which is not supported: known are MobleNetV2, MobileNetV2, PPLCNet")


CLICKSEGS_PUBLISHED = [
    ("clickseg_mobilenetv2", "keys_cs_mobile.txt", CLICKSEG, {**MASK_AND_AUX, "backbone": ("MobleNetV2", True)}),
    ("clickseg_pplcnet", "keys_cs_pplc.txt", CLICKSEG, {**MASK_AND_AUX, "backbone": ("PPLCNet", True)}),
    ("clickseg_efficientnetb0", "keys_cs_eff.txt", CLICKSEG, {**MASK_AND_AUX, "backbone": ("EfficientNet", True)}),
    ("cdnet_resnet34", "keys_cs_cdnet.txt", DEEPLAB, {"backbone": ("resnet34", True), "deeplab_ch": (128, True)}),
]


@pytest.mark.parametrize(("network", "manifest", "class_path", "said"), CLICKSEGS_PUBLISHED)
def test_a_file_with_the_published_keys_is_taken_as_clicksegs_network(tmp_path, network, manifest, class_path, said):
    shapes = dict(line.split("\t") for line in key_manifest(manifest))
    state = {
        key: torch.full([int(n) for n in shape.strip("()").split(",") if n.strip()], 2.0)
        for key, shape in shapes.items()
    }
    entries = {name: {"value": value, "specified": given} for name, (value, given) in {**MAPS, **said}.items()}
    path = write(tmp_path / "clickseg.pth", {"state_dict": state, "config": {"class": class_path, "params": entries}})
    model = load_model(path)
    assert model.config["model"] == network
    assert model.config["params"].keys().isdisjoint({"use_rgb_conv", "use_disks", "norm_radius"})
    assert all((value == 2).all() for value in model.state_dict().values())
    del state["feature_extractor.head.bias" if class_path == CLICKSEG else "latent_head.layers.2.bias"]
    refused(
        write(tmp_path / "less.pth", {"state_dict": state, "config": {"class": class_path, "params": entries}}),
        "1 missing",
    )


def test_the_radius_that_clickseg_stores_is_not_the_one_that_it_draws(tmp_path):
    model = build_model("cdnet_resnet34", deeplab_ch=32)
    said = {"backbone": ("resnet34", True), "deeplab_ch": (32, True), "use_leaky_relu": (True, True)}
    unread = {"norm_radius": (260, False), "use_disks": (False, False), **RGB}
    loaded = load_model(write(tmp_path / "cdnet.pth", stored(model, DEEPLAB, **said, **unread)))
    assert loaded.dist_maps.norm_radius == 5 and loaded.dist_maps.use_disks and loaded.protocol == "cdnet"


@pytest.mark.parametrize("name", ["mobilenetv2_default", "mobilenetv2_default.pth", "weights/mobilenetv2_default.pth"])
def test_the_shipped_model_is_found_by_its_name_from_any_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = load_model().state_dict()
    assert all(torch.equal(value, shipped[key]) for key, value in load_model(name).state_dict().items())
    (tmp_path / "mobilenetv2_default.pth").write_text("a file of the user's own")
    with pytest.raises(InputError, match="is not a PyTorch checkpoint"):
        load_model("mobilenetv2_default.pth")


@pytest.mark.parametrize("checkpoint", [None, 3, b"x", [], "", "no.pth", "x" * 5000, "a\0b", "ritm_hrnet18s"])
def test_what_is_no_checkpoint_is_refused(checkpoint):
    with pytest.raises(InputError, match="checkpoint"):
        load_model(checkpoint)


@pytest.mark.parametrize("device", ["gpu", "meta", "cuda:99", "", ["cpu"], 1.5, None])
def test_a_device_that_is_none_is_refused(device):
    with pytest.raises(InputError, match="device"):
        load_model(device=device)


@pytest.mark.parametrize("name", ["cocolvis_icl_vit_huge.7z.001", "cocolvis_icl_vit_huge.7z.003", "a.7z"])
def test_an_archive_of_a_checkpoint_is_to_be_unpacked(tmp_path, name):
    (tmp_path / name).write_bytes(b"7z\xbc\xaf\x27\x1c")
    first = f"{name.partition('.')[0]}.7z.001"
    with pytest.raises(
        InputError, match=rf"is a 7z archive, or a volume of one: unpack all volumes with 7z x {first},"
    ):
        load_model(tmp_path / name)
