"""SimpleClick against manifests and vectors measured on the published code, and on its own."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from isegm import InputError, build_model, load_model
from isegm.inference.predictor import Predictor
from isegm.model.backbones.vit import from_windows, resized_positions
from isegm.model.checkpoint import save_checkpoint
from isegm.model.published import model_from_published
from tests.golden import fill_weights, golden, golden_json, key_manifest, model_inputs, rule_state_dict, sine_statistics
from tests.model.recomputed import assert_recomputes
from tests.networks import parameters, without_weights
from tests.published_loss import published_loss

MANIFESTS = [
    ("simpleclick_vit_xtiny", "keys_sc_xtiny.txt", 4_053_577),
    ("simpleclick_vitb", "keys_sc_base.txt", 98_025_513),
    ("simpleclick_vitl", "keys_sc_large.txt", 324_206_377),
    ("simpleclick_vith", "keys_sc_huge.txt", 662_184_793),
]
CONTAINERS = {"vit_base448": "vitb", "vit_large448": "vitl", "vit_huge448": "vith"}
TINY = dict(img_size=(64, 64), embed_dim=32, depth=4, num_heads=2, out_dims=(8, 8, 8, 8), head_channels=8)
CLICKS = torch.tensor([[[20.0, 30.0, 0.0], [-1.0, -1.0, -1.0], [50.0, 40.0, 1.0], [-1.0, -1.0, -1.0]]])


@pytest.fixture(scope="module")
def measured():
    """ViT-B from a published container, weights by rule; its golden json and arrays; outputs of it and its parts."""
    spec = golden_json("simpleclick/vit_base448.json")
    network, seen = load_model({"state_dict": rule_state_dict(spec["state_dict"]), "config": spec["config"]}), {}

    def keep(name):
        def hook(_, __, output):
            parts = output if isinstance(output, (list, tuple)) else [output]
            seen.update({f"{name}|0|{i}": part.clone() for i, part in enumerate(parts)})

        return hook

    for name in {place.split("|")[0] for place in spec["hooks"]} & dict(network.named_modules()).keys():
        network.get_submodule(name).register_forward_hook(keep(name))
    return network, spec, np.load(golden("simpleclick/vit_base448.npz")), network(*model_inputs(spec)), seen


@pytest.fixture
def tiny():
    """Makes small networks with random weights, in eval mode, without gradients."""

    def make(**arguments):
        torch.manual_seed(0)
        return build_model("simpleclick_vit_xtiny", **TINY | arguments).eval().requires_grad_(False)

    return make


# --- against the published code


@pytest.mark.parametrize(("name", "manifest", "count"), MANIFESTS)
def test_state_dict_and_sizes_are_the_published_ones(name, manifest, count):
    network = without_weights(name)
    own = {f"{key} {tuple(value.shape)}" for key, value in network.state_dict().items()}
    assert own == set(key_manifest(manifest))
    assert parameters(network) == count


def test_outputs_equal_the_measured_ones(measured):
    _, spec, vectors, outputs, _ = measured
    assert outputs.keys() == {"instances"}
    facts, logits = spec["outputs"]["instances"], outputs["instances"]
    tolerance = {"rtol": 0, "atol": 5 * spec["noise_vs_no_onednn"]["instances"]}
    assert list(logits.shape) == facts["shape"]
    flat = logits.flatten().numpy()
    np.testing.assert_allclose(flat[:: facts["stride"]], vectors["sample/instances"], **tolerance)
    lowres = F.adaptive_avg_pool2d(logits.double(), 32).numpy()
    np.testing.assert_allclose(lowres, vectors["lowres/instances"], **tolerance)


def test_parts_put_out_what_was_measured_inside_the_published_network(measured):
    network, spec, vectors, _, seen = measured
    period = network.backbone.period
    for block in range(period - 1, len(network.backbone.blocks), period):  # whose tokens are in the windows' order
        name = f"backbone.blocks.{block}|0|0"
        seen[name] = from_windows(seen[name].view(4, 196, -1), (28, 28), (2, 2)).flatten(2).transpose(1, 2)
    for name in ("patch_embed_coords|0|0", "backbone.patch_embed|0|0"):
        seen[name] = seen[name].flatten(2).transpose(1, 2)
    compared = [name for name in spec["hooks"] if name in seen]
    assert {f"backbone.blocks.{block}|0|0" for block in range(12)} < set(compared) and len(compared) >= 27
    for name in compared:
        facts, flat = spec["hooks"][name], seen[name].flatten().numpy()
        assert list(seen[name].shape) == facts["shape"], name
        expected, noise = vectors[f"hook/{name}"], 1e-4 * facts["std"]
        np.testing.assert_allclose(flat[:: max(1, flat.size // 64)], expected, rtol=0, atol=noise, err_msg=name)


SMALL = dict(embed_dim=64, num_heads=4, out_dims=(32, 64, 96, 128), head_channels=32)
PATCH14, DEEP = dict(SMALL, patch_size=14), dict(SMALL, depth=24)
# network, arguments, size; mean, std, and the values at (0, 0), (40, 50), (100, 90), (-1, -1)
SINE = [
    ("vit_xtiny", {}, (448, 448), (0.195794, 0.113456, 0.517709, 0.055474, 0.016043, 0.091179)),
    ("vit_xtiny", {}, (672, 672), (0.193948, 0.113557, 0.508866, 0.058523, 0.015928, 0.351319)),
    ("vitb", PATCH14, (448, 448), (-0.518046, 0.118524, -0.367144, -0.529845, -0.614387, -0.679371)),
    ("vitb", PATCH14, (672, 448), (-0.518022, 0.117558, -0.366517, -0.524647, -0.627357, -0.555384)),
    ("vitb", DEEP | dict(upsample="x2"), (448, 448), (-0.119298, 0.250334, 1.096986, -0.172153, -0.192435, -0.160481)),
    (
        "vitb",
        DEEP | dict(upsample="x4", head_channels=16),
        (448, 448),
        (0.010598, 0.330734, -0.127675, 0.153523, -0.240662, 0.083408),
    ),
]


@pytest.mark.parametrize(("name", "overrides", "size", "expected"), SINE)
def test_statistics_of_a_second_input_equal_the_measured_ones(name, overrides, size, expected):
    found = sine_statistics(build_model(f"simpleclick_{name}", **overrides), size)
    assert found["instances"] == pytest.approx(expected, rel=2e-6, abs=2e-6)


# --- published files


def small_container(**parts):
    """A published container of a small network, with other entries of its dicts, and that network."""
    config = copy.deepcopy(golden_json("simpleclick/vit_base448.json")["config"])
    values = {"backbone_params": dict(img_size=[64, 64], embed_dim=32, depth=4, num_heads=2)}
    values |= {"neck_params": dict(in_dim=32, out_dims=[8, 8, 8, 8])}
    values |= {"head_params": dict(in_channels=[8, 8, 8, 8], channels=8)}
    for part, entries in values.items():
        config["params"][part]["value"] |= entries | parts.get(part, {})
    torch.manual_seed(0)
    network = build_model("simpleclick_vit_xtiny", **TINY).eval()
    return {"state_dict": network.state_dict(), "config": config}, network


@pytest.mark.parametrize("file", CONTAINERS)
def test_a_published_configuration_makes_its_network(file):
    spec = golden_json(f"simpleclick/{file}.json")
    with torch.device("meta"):
        network = model_from_published(spec["config"], {}, file)
    assert network.config["model"] == f"simpleclick_{CONTAINERS[file]}"
    assert {key: list(value.shape) for key, value in network.state_dict().items()} == {
        entry["key"]: entry["shape"] for entry in spec["state_dict"]
    }
    assert parameters(network) == spec["num_params"] and network.with_prev_mask and not network.with_aux_output


def test_a_published_file_loads_without_running_the_loss_in_it(tmp_path):
    content, network = small_container()
    with published_loss() as loss:
        content["config"]["params"]["head_params"]["value"]["loss_decode"] = loss()
        torch.save(content, tmp_path / "published.pth")
    loaded = load_model(tmp_path / "published.pth")
    image = torch.rand(1, 4, 64, 64)
    with torch.no_grad():
        expected = network(image, CLICKS)["instances"]
        assert torch.equal(loaded(image, CLICKS)["instances"], expected)
        save_checkpoint(loaded, tmp_path / "ours.pth")
        assert torch.equal(load_model(tmp_path / "ours.pth")(image, CLICKS)["instances"], expected)


def test_a_file_with_the_loss_in_another_place_is_refused(tmp_path):
    content, _ = small_container()
    with published_loss() as loss:
        content["config"]["params"]["norm_radius"] = (loss(),)
        torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(InputError, match=r"odd\.pth asks for the Python object .*CrossEntropyLoss"):
        load_model(tmp_path / "odd.pth")


def test_a_file_with_many_losses_is_refused(tmp_path):
    content, _ = small_container()
    with published_loss() as loss:
        content["config"]["params"]["head_params"]["value"]["loss_decode"] = [loss() for _ in range(17)]
        torch.save(content, tmp_path / "many.pth")
    with pytest.raises(InputError, match=r"many\.pth asks for the Python object .*CrossEntropyLoss"):
        load_model(tmp_path / "many.pth")


def test_the_state_of_the_loss_is_checked_as_the_rest_is(tmp_path):
    content, _ = small_container()
    with published_loss() as loss:
        criterion = content["config"]["params"]["head_params"]["value"]["loss_decode"] = loss()
        criterion.weight = torch.zeros(2, 2).to_sparse()
        torch.save(content, tmp_path / "sparse.pth")
    with pytest.raises(InputError, match="is a sparse tensor"):
        load_model(tmp_path / "sparse.pth")


class Calls:
    """Asks the reader to call the function beside the loss, or another one of that module."""

    def __init__(self, function):
        self.function = function

    def __reduce__(self):
        return self.function, ("never",)


@pytest.mark.parametrize("name", ["cross_entropy", "other"])
def test_a_file_that_calls_a_function_of_published_code_is_refused(tmp_path, name):
    content, _ = small_container()
    with published_loss() as loss:
        function = loss.__init__.__globals__.setdefault(name, lambda text: text)
        function.__qualname__, function.__module__ = name, loss.__module__
        content["config"]["params"]["head_params"]["value"]["loss_decode"] = Calls(function)
        torch.save(content, tmp_path / "calls.pth")
    with pytest.raises(InputError, match=r"calls\.pth asks for the Python object .* it was not loaded"):
        load_model(tmp_path / "calls.pth")


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        ({"backbone_params": {"patch_size": (16, 8)}}, "patch_size of SimpleClickModel must be a whole number"),
        ({"backbone_params": {"depth": 10}}, "depth must be a multiple of 4"),
        ({"backbone_params": {"embed_dim": {}}}, "embed_dim of SimpleClickModel must be a whole number"),
        ({"backbone_params": {"qkv_bias": False}}, "was built with qkv_bias other than True, which is not supported"),
        ({"backbone_params": {"rope": 1}}, "was built with backbone_params.rope, which is not supported"),
        ({"backbone_params": {"img_size": (224, 224)}}, r"backbone.pos_embed \(1, 17, 32\) instead of \(1, 197, 32\)"),
        ({"backbone_params": {"img_size": (100, 64)}}, "cannot read 100 x 64 pixels"),
        ({"head_params": {"upsample": "x8"}}, "upsample is 'x8': known are x1, x2, x4"),
    ],
)
def test_configurations_that_do_not_fit_are_refused(parts, complaint):
    with pytest.raises(InputError, match=complaint) as error:
        load_model(small_container(**parts)[0])
    assert "\n" not in str(error.value)


def test_configurations_that_lack_something_are_refused():
    content, _ = small_container()
    del content["config"]["params"]["backbone_params"]["value"]["depth"]
    with pytest.raises(InputError, match="has no depth in the backbone_params of its configuration: it is damaged"):
        load_model(content)
    del content["config"]["params"]["backbone_params"]
    with pytest.raises(InputError, match="has a configuration without backbone_params: it is damaged"):
        load_model(content)


def test_older_files_lack_what_has_been_added():
    content, _ = small_container()
    del content["config"]["params"]["random_split"], content["config"]["params"]["head_params"]["value"]["upsample"]
    assert load_model(content).backbone.windowed


# --- on its own


def test_random_split_attends_to_all_tokens_in_every_block(tiny):
    image, windowed, split = torch.rand(1, 4, 448, 448), tiny(depth=8), tiny(depth=8, random_split=True)
    assert not torch.allclose(windowed(image, CLICKS)["instances"], split(image, CLICKS)["instances"], atol=1e-6)
    assert split.backbone.windows_of((28, 28)) == (1, 1)


@pytest.mark.parametrize("size", [(64, 64), (96, 160), (112, 48)])
def test_outputs_have_the_size_of_the_image(tiny, size):
    outputs = tiny()(torch.rand(2, 4, *size), CLICKS.expand(2, -1, -1))
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {"instances": (2, 1, *size)}


@pytest.mark.parametrize("channel", range(4))
def test_every_input_channel_matters(tiny, channel):
    image = torch.rand(1, 4, 64, 64)
    changed = image.clone()
    changed[:, channel] = 0
    network = tiny()
    assert not torch.allclose(network(image, CLICKS)["instances"], network(changed, CLICKS)["instances"])


def test_a_network_without_previous_mask_has_two_channels_of_clicks(tiny):
    network = tiny(with_prev_mask=False)
    assert network.patch_embed_coords.proj.in_channels == 2
    assert network(torch.rand(1, 3, 64, 64), CLICKS)["instances"].shape == (1, 1, 64, 64)


def test_positions_are_resized_from_the_stored_ones_at_any_order_of_sizes(tiny):
    network, image = fill_weights(tiny()), torch.rand(1, 4, 96, 96)
    stored = network.backbone.pos_embed.clone()
    alone = network(image, CLICKS)["instances"]
    for size in (64, 128, 96, 160, 96):
        network(torch.rand(1, 4, size, size), CLICKS)
    assert torch.equal(network(image, CLICKS)["instances"], alone)
    assert torch.equal(network.backbone.pos_embed, stored)
    expected = resized_positions(stored[:, 1:].transpose(1, 2).view(1, 32, 4, 4), (6, 6))
    assert torch.equal(network.backbone.positions((6, 6)), expected)


def test_resized_positions_are_kept_until_the_stored_ones_change(tiny):
    network = tiny()
    backbone = network.backbone
    first = backbone.positions((6, 6))
    assert backbone.positions((6, 6)) is first
    backbone.pos_embed.mul_(2)
    torch.testing.assert_close(backbone.positions((6, 6)), 2 * first)
    other = {key: torch.zeros_like(value) for key, value in network.state_dict().items()}
    network.load_state_dict(other, assign=True)
    assert not backbone.positions((6, 6)).any()
    network.to(torch.float64)
    assert backbone.positions((6, 6)).dtype == torch.float64
    assert not copy.deepcopy(network).backbone.positions((6, 6)).any()


def test_training_at_another_size_trains_the_stored_positions(tiny):
    network = tiny().train()
    network.backbone.pos_embed.requires_grad_(True)
    network(torch.rand(1, 4, 96, 96), CLICKS)["instances"].square().mean().backward()
    assert network.backbone.pos_embed.grad[:, 1:].abs().amin(dim=(0, 2)).gt(0).all()


@pytest.mark.parametrize(("upsample", "unread"), [("x1", ("up_conv1", "up_conv2")), ("x2", ("up_conv2",)), ("x4", ())])
def test_all_that_is_trained_gets_a_gradient(upsample, unread):
    """So that several processes need not look for what has none."""
    torch.manual_seed(0)
    network = build_model("simpleclick_vit_xtiny", **TINY, upsample=upsample).train()
    network(torch.rand(2, 4, 64, 64), CLICKS.expand(2, -1, -1))["instances"].square().mean().backward()
    named = dict(network.named_parameters())
    assert [name for name, p in named.items() if p.requires_grad and p.grad is None] == []
    frozen = {name for name, p in named.items() if not p.requires_grad}
    starts = ("backbone.cls_token", "backbone.fc_norm.", "backbone.head.", *(f"head.{part}." for part in unread))
    assert frozen == {name for name in named if name.startswith(starts)}


def test_recomputed_activations_give_the_same_gradients():
    torch.manual_seed(0)
    network = build_model("simpleclick_vit_xtiny", **TINY, dropout_ratio=0).train()
    assert_recomputes(network, torch.rand(1, 4, 64, 64), CLICKS)


@pytest.mark.parametrize(("patch", "size", "fitting"), [(16, (450, 448), "448 x 448"), (14, (14, 3), "14 x 14")])
def test_an_input_that_is_no_multiple_of_the_patch_is_refused(tiny, patch, size, fitting):
    network = tiny(patch_size=patch, img_size=(28 * patch, 28 * patch))
    with pytest.raises(InputError, match=f"cannot read {size[0]} x {size[1]} pixels.*multiples of {patch}.*{fitting}"):
        network(torch.rand(1, 4, *size), CLICKS)


@pytest.mark.parametrize(("patch", "size", "least"), [(16, (16, 64), 32), (14, (448, 14), 28)])
def test_an_input_of_less_than_two_patches_is_refused(tiny, patch, size, least):
    network = tiny(patch_size=patch, img_size=(28 * patch, 28 * patch))
    with pytest.raises(InputError, match=f"cannot read {size[0]} x {size[1]} pixels: give sides of {least} or more"):
        network(torch.rand(1, 4, *size), CLICKS)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"depth": 6}, "depth must be a multiple of 4"),
        ({"num_heads": 7}, "its channels one of its heads"),
        ({"img_size": (448, 450)}, "cannot read 448 x 450 pixels"),
        ({"out_dims": (8, 8)}, "out_dims of SimpleClickModel must be a list of 4, not"),
        ({"random_split": "yes"}, "random_split of SimpleClickModel must be true or false"),
        ({"with_aux_output": True}, "no auxiliary output"),
        ({"upsample": 2}, "upsample is 2: known are x1, x2, x4"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, complaint):
    with pytest.raises(InputError, match=complaint):
        build_model("simpleclick_vit_xtiny", **arguments)


def test_a_predictor_shows_it_squares_of_448_pixels(tiny):
    network = tiny()
    seen = []
    network.backbone.register_forward_hook(lambda _, inputs, __: seen.append(tuple(inputs[0].shape[2:])))
    predictor = Predictor(network)
    predictor.set_image(np.zeros((61, 83, 3), dtype=np.uint8))
    mask, _ = predictor.predict([(20, 30)], [1])
    assert mask.shape == (61, 83) and set(seen) == {(448, 448)}
