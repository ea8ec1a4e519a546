"""EMC-Click against manifests and vectors measured on the published code, and on its own."""

import numpy as np
import pytest
import torch

from isegm import InputError, build_model, load_model
from isegm.click_maps import relative_distances
from isegm.model.flops import count_complexity
from isegm.model.heads.mask_correction import MaskCorrection
from tests.golden import golden, golden_json, key_manifest, model_inputs, rule_state_dict
from tests.networks import parameters, without_weights

# registered name, manifest of its published files, parameters of its mask correction
MANIFESTS = [
    ("emcclick_hrnet18s", "keys_emc_hr18s.txt", 102_401),
    ("emcclick_hrnet18", "keys_emc_hr18.txt", 207_841),
    ("emcclick_hrnet32", "keys_emc_hr32.txt", 220_129),
    ("emcclick_segformerb0", "keys_emc_segb0.txt", 112_641),
    ("emcclick_segformerb3", "keys_emc_segb3.txt", 244_705),
]
MEASURED = {"hrnet18s": "emcclick_hrnet18s", "segformerB0": "emcclick_segformerb0"}
UNUSED = (-1.0, -1.0, -1.0)
FIRST = torch.tensor([[(20.0, 30.0, 0.0), UNUSED, UNUSED, UNUSED]])
SECOND = torch.tensor([[(20.0, 30.0, 0.0), UNUSED, (50.0, 40.0, 1.0), UNUSED]])
IMAGE = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module", params=MEASURED)
def measured(request):
    """A network from a published container, weights by rule; its golden json and arrays; outputs of three passes."""
    spec = golden_json(f"emc/{request.param}.json")
    network, seen = load_model({"state_dict": rule_state_dict(spec["state_dict"]), "config": spec["config"]}), {}
    calls = {}

    def keep(name):
        def hook(_, __, output):
            calls[name] = calls.get(name, -1) + 1
            seen[f"{name}|{calls[name]}|0"] = output.clone()

        return hook

    for name in {place.split("|")[0] for place in spec["hooks"]} & dict(network.named_modules()).keys():
        network.get_submodule(name).register_forward_hook(keep(name))
    image, points = model_inputs(spec)
    features = network.encode(image[:, :3])
    first = network.decode(features, torch.where(points[..., 2:] == 0, points, -1.0))
    second = network.decode(features, points, cache=first["cache"])
    at_once = network(image, points)
    outputs = {
        "click1/instances": first["instances_coarse"],
        "click1/instances_aux": first["instances_aux"],
        "click1/instances_refined": first["instances"],
        "click2/instances_refined": second["instances"],
        "click2/instances_lr": second["cache"]["logits"],
        "nocache/instances": at_once["instances_coarse"],
        "nocache/instances_refined": at_once["instances"],
    }
    return network, spec, np.load(golden(f"emc/{request.param}.npz")), outputs, seen


@pytest.fixture(scope="module")
def network():
    """EMC-Click with SegFormer-B0 and random weights, in eval mode, without gradients."""
    torch.manual_seed(0)
    return build_model("emcclick_segformerb0").eval().requires_grad_(False)


# --- against the published code


@pytest.mark.parametrize(("name", "manifest", "count"), MANIFESTS)
def test_state_dict_and_correction_are_the_published_ones(name, manifest, count):
    network = without_weights(name)
    own = [f"{key}\t{tuple(value.shape)}" for key, value in network.state_dict().items()]
    assert own == key_manifest(manifest)
    assert parameters(network.refiner) == count


def test_segformer_b4_differs_from_b3_by_its_backbone_alone():
    b3, b4 = without_weights("emcclick_segformerb3"), without_weights("emcclick_segformerb4")
    assert parameters(b4.refiner) == parameters(b3.refiner) == 244_705
    assert len(b4.feature_extractor.backbone.block3) == 27


def test_outputs_of_all_passes_equal_the_measured_ones(measured):
    network, spec, vectors, outputs, _ = measured
    assert parameters(network) == spec["num_params"]
    for name, output in outputs.items():
        facts, noise = spec["outputs"][name], spec["noise_vs_no_onednn"][name]
        assert list(output.shape) == facts["shape"], name
        found, atol = output.flatten().numpy()[:: facts["stride"]], 5 * noise + 1e-4 * facts["std"]
        np.testing.assert_allclose(found, vectors[f"sample/{name}"], rtol=0, atol=atol, err_msg=name)


def test_parts_of_the_correction_put_out_what_was_measured_inside_the_published_one(measured):
    _, spec, vectors, _, seen = measured
    compared = [place for place in spec["hooks"] if place in seen]
    assert {"refiner.corr_conv|0|0", "refiner.fusion1|1|0", "refiner.all_fusion|1|0"} < set(compared)
    for place in compared:
        facts, flat = spec["hooks"][place], seen[place].flatten().numpy()
        found = flat[:: max(1, flat.size // 64)]
        close = np.isclose(found, vectors[f"hook/{place}"], rtol=0, atol=2e-3 * facts["std"])
        assert close.mean() > 0.9, place  # templates whose scores are nearly equal may change places


def test_learning_rates_are_the_published_ones(measured):
    network, spec, *_ = measured
    published = {name: rate for name, rate in spec["lr_mult"].items() if rate != 1}
    assert network.lr_multipliers() == published


def test_a_correction_needs_the_published_operations_but_for_those_on_features_of_the_first_click(measured):
    network, spec, *_ = measured
    size = (spec["input"]["H"], spec["input"]["W"])
    counted = count_complexity(network, size)
    adapting = network.refiner.refine_fusion.conv.weight.numel() * (size[0] // 4) * (size[1] // 4)
    assert 2 * (counted.macs_decode + adapting) == spec["flops_forward_cached_batch1"]
    assert counted.macs_encode > 2 * counted.macs_decode


# --- the cache


def test_with_a_cache_the_backbone_is_not_run(network):
    first = network(IMAGE, FIRST)
    ran = []
    hook = network.feature_extractor.register_forward_hook(lambda *_: ran.append(True))
    try:
        second = network.decode(network.encode(IMAGE), SECOND, cache=first["cache"])
    finally:
        hook.remove()
    assert not ran and "instances_coarse" not in second
    assert second["cache"]["feature"] is first["cache"]["feature"]


def test_decode_leaves_its_cache_as_it_was(network):
    first = network(IMAGE, FIRST)
    kept = {name: value.clone() for name, value in first["cache"].items()}
    again = [network.decode(network.encode(IMAGE), SECOND, cache=first["cache"])["instances"] for _ in range(2)]
    assert all(torch.equal(first["cache"][name], value) for name, value in kept.items())
    assert torch.equal(*again)


def test_logits_alone_in_the_cache_are_corrected_by_a_whole_pass(network):
    start = torch.full((1, 1, 16, 24), -3.0)
    features = network.encode(IMAGE)
    first = network.decode(features, SECOND)
    corrected = network.decode(features, SECOND, cache={"logits": start})
    from_cache = network.decode(features, SECOND, cache={"feature": first["cache"]["feature"], "logits": start})
    assert torch.equal(corrected["instances_coarse"], first["instances_coarse"])
    assert torch.equal(corrected["instances"], from_cache["instances"])
    assert not torch.equal(corrected["instances"], first["instances"])


def test_the_backbone_sees_the_first_positive_click_alone(network):
    coarse = [network(IMAGE, points)["instances_coarse"] for points in (FIRST, SECOND, FIRST.flip(1), 0 * FIRST - 1)]
    assert torch.equal(coarse[0], coarse[1])
    assert torch.equal(coarse[2], coarse[3])  # a negative first click is no click to it
    assert not torch.equal(coarse[0], coarse[2])


def test_the_previous_mask_is_not_read(network):
    none = torch.zeros(1, 1, 64, 96)
    outputs = [network(torch.cat((IMAGE, mask), dim=1), FIRST)["instances"] for mask in (none, none + 1)]
    assert torch.equal(*outputs)


# --- templates


def test_a_template_is_near_a_click_of_its_sign():
    torch.manual_seed(0)
    correction = MaskCorrection(8, 8, corr_channel=5)
    chosen = correction.select_templates(torch.ones(1, 8, 16, 24), SECOND, (64, 96))  # where all locations look alike
    rows, columns = chosen // 24, chosen % 24
    assert ((rows[0, :5] - 5).abs() <= 2).all() and ((columns[0, :5] - 8).abs() <= 2).all()  # (20, 30) / 4
    assert ((rows[0, 5:] - 12).abs() <= 2).all() and ((columns[0, 5:] - 10).abs() <= 2).all()  # (50, 40) / 4


def test_templates_do_not_depend_on_unused_rows():
    torch.manual_seed(0)
    correction = MaskCorrection(8, 8, corr_channel=5)
    x = torch.randn(1, 8, 16, 24).relu()
    wide = torch.cat((SECOND[:, :2], FIRST[:, 1:], SECOND[:, 2:], FIRST[:, 1:]), dim=1)
    chosen = [correction.select_templates(x, points, (64, 96)) for points in (SECOND, wide)]
    assert torch.equal(*chosen)


def test_distances_of_a_sign_without_clicks_and_of_far_pixels_are_one_pixel():
    size = (8, 1200)
    one = torch.tensor([[(0.0, 0.0, 0.0), UNUSED]])
    both = torch.tensor([[(0.0, 0.0, 0.0), (0.0, 1199.0, 1.0)]])
    pixel = 1 / np.hypot(*size)
    distances = relative_distances(one, size)
    assert torch.allclose(distances[0, 1], torch.tensor(pixel).float())
    assert distances[0, 0, 0, 1100] == pytest.approx(1100 * pixel, rel=1e-5)  # its sign lacks no click
    more = torch.cat((one[:, :1], one[:, 1:], both[:, 1:], both[:, 1:]), dim=1)  # one positive, two negative clicks
    assert relative_distances(more, size)[0, 0, 0, 1100] == pytest.approx(pixel, rel=1e-5)


# --- parameters and checkpoints


def test_one_convolution_has_three_names_and_the_last_of_them_counts(network):
    refiner = network.refiner
    assert refiner.corr_conv is refiner.corr_conv_pos is refiner.corr_conv_neg
    state = {key: value.clone() for key, value in network.state_dict().items()}
    for number, name in enumerate(("corr_conv", "corr_conv_pos", "corr_conv_neg")):
        state[f"refiner.{name}.conv1x1.bias"].fill_(number)
    loaded = load_model({"state_dict": state, "config": network.config})
    assert (loaded.refiner.corr_conv.conv1x1.bias == 2).all()


def published(**changes):
    """SegFormer-B0's container with other parameters, weights without values."""
    spec = golden_json("emc/segformerB0.json")
    for name, value in changes.items():
        spec["config"]["params"].setdefault(name, {"type": "builtin", "specified": True})["value"] = value
    state = {entry["key"]: torch.zeros(entry["shape"]) for entry in spec["state_dict"]}
    return {"state_dict": state, "config": spec["config"]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(only_first_click=False), "only_first_click other than True, which is not supported"),
        (dict(with_prev_mask=False), "with_prev_mask other than True, which is not supported"),
        (dict(refiner_conf=None), "has a configuration without refiner_conf: it is damaged"),
        (dict(refiner_conf={"conv_layer": "xconv", "mid_dims": 64, "corr_channel": 64}), "conv_layer other than"),
        (dict(refiner_conf={"conv_layer": "xconv2", "mid_dims": 64}), "has no corr_channel in the refiner_conf"),
        (dict(refiner_conf={"mid_dims": 63, "corr_channel": 64}), "cannot have 63 channels and 64 templates"),
        (dict(model_version="b9"), "holds EMC-Click with the SegFormer b9, which is not supported"),
    ],
)
def test_what_no_published_network_has_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        load_model(published(**changes))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("is_segformer_model", "names a network class of FocalClick, but its weights are of EMC-Click"),
        ("is_refine_segformer_model", "names a network class of EMC-Click, but its weights are of another method"),
    ],
)
def test_weights_of_the_other_class_of_the_same_name_are_refused(module, message):
    source = published()
    if module == "is_refine_segformer_model":
        spec = golden_json("clickseg/segformerB0_S2.json")
        source = {"state_dict": rule_state_dict(spec["state_dict"]), "config": spec["config"]}
    source["config"] = {**source["config"], "class": f"isegm.model.{module}.SegFormerModel"}
    with pytest.raises(InputError, match=message) as caught:
        load_model(source)
    assert str(caught.value).count(". ") == 0


def test_inputs_without_room_for_the_templates_or_of_odd_sides_are_refused(network):
    with pytest.raises(InputError, match=r"given 62x96 pixels: make the sides .* multiples of 4"):
        network(torch.rand(1, 3, 62, 96), FIRST)
    with pytest.raises(InputError, match=r"given 20x48 pixels: .* its area 1024 pixels or more"):
        network.refiner.adapt(torch.zeros(1, 256, 5, 12), (20, 48))
