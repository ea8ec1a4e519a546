"""CDNet against vectors measured on the published code, and against the plain way to compute its two diffusions."""

import numpy as np
import pytest
import torch

from isegm import load_model
from isegm.model import build_model
from isegm.model.cdnet import FeatureDiffusion
from isegm.model.heads.pixel_diffusion import DILATIONS, PixelDiffusion
from tests.golden import golden, golden_json, key_manifest, model_inputs, rule_state_dict


@pytest.fixture(scope="module")
def spec():
    return golden_json("clickseg/cdnet_res34.json")


@pytest.fixture(scope="module")
def vectors():
    return np.load(golden("clickseg/cdnet_res34.npz"))


@pytest.fixture(scope="module")
def network(spec, tmp_path_factory):
    """The network that a file in the published container holds, with weights by the golden rule."""
    kernels = {f"PDM.{key}": value for key, value in PixelDiffusion().state_dict().items()}
    path = tmp_path_factory.mktemp("cdnet") / "published.pth"
    torch.save({"state_dict": {**rule_state_dict(spec["state_dict"]), **kernels}, "config": spec["config"]}, path)
    return load_model(path)


@pytest.fixture(scope="module")
def outputs(spec, network):
    image, points = model_inputs(spec)
    return network(image, points)


@pytest.fixture(scope="module")
def small():
    """A network with random weights; tests leave them as they are."""
    torch.manual_seed(0)
    return build_model("cdnet_resnet34", deeplab_ch=32).eval()


def clicks(batch):
    return torch.tensor([[[20.0, 30.0, 0.0], [-1.0, -1.0, -1.0], [50.0, 40.0, 1.0], [-1.0, -1.0, -1.0]]] * batch)


# --- against the published code


def test_state_dict_and_size_are_the_published_ones():
    with torch.device("meta"):
        network = build_model("cdnet_resnet34")
    assert sum(p.numel() for p in network.parameters()) == 23_465_815
    own = [f"{key}\t{tuple(value.shape)}" for key, value in network.state_dict().items()]
    assert own == key_manifest("keys_cs_cdnet.txt")


def test_a_published_file_is_told_from_ritms_of_the_same_class(network):
    assert network.config["model"] == "cdnet_resnet34"
    assert network.protocol == "cdnet" and network.has_diffusion and not network.with_prev_mask


def test_the_kernels_begin_as_measured(spec):
    state = {f"PDM.{key}": value for key, value in PixelDiffusion().state_dict().items()}
    measured = {entry["key"]: entry["first"] for entry in spec["state_dict"] if entry["key"].startswith("PDM.")}
    assert {key: value.flatten()[0].item() for key, value in state.items()} == measured


def test_learning_rate_multipliers_are_the_published_ones(spec, small):
    published = {name: mult for name, mult in spec["lr_mult"].items() if mult not in (None, 1.0)}
    assert small.lr_multipliers() == published


@pytest.mark.parametrize("name", ["instances", "latent_instances", "fdm_instances", "click_map"])
def test_outputs_equal_the_measured_ones(spec, vectors, outputs, name):
    facts = spec["outputs"][name]
    assert list(outputs[name].shape) == facts["shape"]
    flat = outputs[name].flatten()[:: facts["stride"]].numpy()
    tolerance = 3 * spec["noise_vs_no_onednn"][name]
    np.testing.assert_allclose(flat, vectors[f"sample/{name}"], rtol=0, atol=tolerance)


def test_pixel_diffusion_equals_the_measured_one(spec, vectors, network, outputs):
    """The published code gives every pair of a sample's answer and a sample's clicks: (B, B, H, W)."""
    image, points = model_inputs(spec)
    facts, pairs = spec["outputs"]["pixel_diffusion"], []
    for of_clicks in (points, points.flip(0)):
        pairs.append(network.diffuse(image, outputs["instances"], of_clicks))
    own, other = pairs
    every = torch.stack((torch.cat((own[0], other[0])), torch.cat((other[1], own[1]))))  # (B, B, H, W)
    assert list(every.shape) == facts["shape"]
    flat = every.flatten()[:: facts["stride"]].numpy()
    np.testing.assert_allclose(flat, vectors["sample/pixel_diffusion"], rtol=0, atol=1e-4)


# --- feature diffusion


def test_feature_diffusion_is_the_softmax_over_all_pairs_of_pixels():
    torch.manual_seed(0)
    module = FeatureDiffusion(16).eval()
    module.gate_head_pos.layers[1].weight.data *= 20  # gates on both sides of 0.8 and of 0.2
    x, maps = torch.randn(2, 16, 5, 7), torch.rand(2, 2, 5, 7).round()
    found, gate = module(x, maps)
    assert (gate > 0.8).any() and (gate < 0.2).any()
    expected = x
    sides = ((0, gate, module.z, module.bn), (1, 1 - gate, module.z2, module.bn2))
    for side, own_gate, last, norm in sides:
        weight = (maps[:, side : side + 1] + (own_gate > 0.8)).flatten(1)  # (B, hw)
        pairs = module.t(x).flatten(2).transpose(1, 2) @ module.p(x).flatten(2)  # (B, hw, hw)
        share = (pairs * weight[:, None]).softmax(2) * own_gate.flatten(1)[:, :, None]
        taken = (share @ module.g(x).flatten(2).transpose(1, 2)).transpose(1, 2).reshape(x.shape)
        expected = expected + norm(last(taken))
    torch.testing.assert_close(found, expected)


def test_feature_diffusion_keeps_full_precision_under_autocast():
    torch.manual_seed(0)
    module = FeatureDiffusion(8).eval()
    x, maps = 10 * torch.randn(1, 8, 6, 6), torch.ones(1, 2, 6, 6)
    expected = module(x, maps)
    with torch.autocast("cpu", torch.bfloat16):
        found = module(x, maps.bfloat16())
    assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])


def test_the_gate_learns_from_its_own_answer_only():
    torch.manual_seed(0)
    module = FeatureDiffusion(8)
    features, gate = module(torch.randn(2, 8, 6, 6), torch.zeros(2, 2, 6, 6))
    features.square().mean().backward(retain_graph=True)
    assert all(p.grad is None for p in module.gate_head_pos.parameters())
    gate.mean().backward()
    assert all(p.grad is not None for p in module.gate_head_pos.parameters())


# --- pixel diffusion


def plain_diffusion(image, logits, maps):
    """The same pixel by pixel, in double precision; arrays (3, H, W), (H, W), (2, H, W)."""
    height, width = logits.shape
    sure = 2 / (1 + np.exp(-logits)) - 1
    mask = np.where(np.abs(sure) > 0.25, sure, 0) + 10 * maps[0] - 10 * maps[1]
    around = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
    steps = [(d * dy, d * dx) for d in (1, 2, 4, 8) for dy, dx in around]
    places, weights = {}, {}
    for y, x in np.ndindex(height, width):
        places[y, x] = [(min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)) for dy, dx in steps]
        colours = np.array([image[:, i, j] for i, j in places[y, x]])  # (32, 3)
        centre = image[:, y, x]
        unit = 1e-8 + 0.1 * np.concatenate((colours, [centre] * 4)).std(0, ddof=1)
        near = np.exp(-(np.abs(colours - centre) / unit).mean(1))
        weights[y, x] = near / near.sum()
    for _ in range(5):
        spread = np.empty_like(mask)
        for at in np.ndindex(height, width):
            spread[at] = sum(w * mask[place] for w, place in zip(weights[at], places[at], strict=True))
        mask = spread
    return mask + sure


def test_pixel_diffusion_equals_a_loop_over_pixels():
    rng = np.random.default_rng(0)
    image = rng.random((2, 3, 13, 18))
    image[:, :, 4:9, 3:15] = 0.5  # a flat part, with a faint step of one grey level in it
    image[:, :, 6:9, 3:15] += 1 / 255
    logits, maps = 3 * rng.standard_normal((2, 1, 13, 18)), rng.random((2, 2, 13, 18)) > 0.95
    tensors = [torch.tensor(array, dtype=torch.float32) for array in (image, logits, maps)]
    found = PixelDiffusion()(*tensors).numpy()
    for sample in range(2):
        expected = plain_diffusion(image.astype(np.float32)[sample].astype(np.float64), logits[sample, 0], maps[sample])
        np.testing.assert_allclose(found[sample, 0], expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("seed", range(12))
def test_pixel_diffusion_is_finite_and_bounded(seed):
    """By what it adds up: at most 1 for the answer, 10 for clicks, 1 for the answer that is added again."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 40, 2)
    image = rng.random((2, 3, height, width)) ** rng.uniform(0.1, 8)
    image = [image, np.round(image), np.full_like(image, rng.random()), image * 1e-4][seed % 4]
    logits = rng.standard_normal((2, 1, height, width)) * 10 ** rng.uniform(-2, 4)
    maps = rng.random((2, 2, height, width)) < rng.random()
    found = PixelDiffusion()(*(torch.tensor(array, dtype=torch.float32) for array in (image, logits, maps)))
    assert found.shape == (2, 1, height, width)
    assert found.isfinite().all() and found.abs().max() <= 12


def test_a_click_fills_what_has_its_colour_and_stops_at_an_edge():
    image = torch.full((1, 3, 40, 40), 0.2)
    image[:, :, :, 20:] = 0.8
    maps = torch.zeros(1, 2, 40, 40)
    maps[:, 0, 18:23, 10:15] = 1
    spread = PixelDiffusion()(image, torch.zeros(1, 1, 40, 40), maps)
    assert spread[0, 0, 20, 5] > 0.1  # same colour, outside the disk
    assert spread[0, 0, :, 20:].max() < 1e-2 * spread.max()
    assert len(DILATIONS) * 8 == PixelDiffusion().affinity(image).shape[1]


def test_samples_of_a_batch_do_not_mix(small):
    torch.manual_seed(1)
    image, logits = torch.rand(2, 3, 48, 48), torch.randn(2, 1, 48, 48)
    points = torch.tensor([[[20.0, 30.0, 0.0], [-1.0, -1.0, -1.0]], [[-1.0, -1.0, -1.0], [9.0, 9.0, 0.0]]])
    together = small.diffuse(image, logits, points)
    for sample in range(2):
        one = slice(sample, sample + 1)
        torch.testing.assert_close(small.diffuse(image[one], logits[one], points[one]), together[one])


# --- the network on its own


@pytest.mark.parametrize("size", [(64, 96), (75, 53)])
def test_outputs_have_the_size_of_the_image(small, size):
    with torch.no_grad():
        outputs = small(torch.rand(2, 3, *size), clicks(2))
    channels = {"instances": 1, "latent_instances": 4, "fdm_instances": 1, "click_map": 2}
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        name: (2, count, *size) for name, count in channels.items()
    }
    assert outputs["fdm_instances"].min() >= 0 and outputs["fdm_instances"].max() <= 1


def test_wide_disks_condition_the_features(small):
    """Far from the small disks, where only the wide ones reach the features before they are mixed."""
    maps = small.coord_features(clicks(1), None, (96, 96))
    wide, narrow = maps.split(2, dim=1)
    assert wide[0, 0, 20, 30 + 24] == 1 and wide[0, 0, 20, 30 + 25] == 0
    assert narrow[0, 0, 20, 30 + 5] == 1 and narrow[0, 0, 20, 30 + 6] == 0
    image = torch.rand(1, 3, 96, 96)
    with torch.no_grad():
        with_wide = small.backbone_forward(image, maps)
        without = small.backbone_forward(image, torch.cat((0 * wide, narrow), dim=1))
    assert torch.equal(with_wide["fdm_instances"], without["fdm_instances"])
    assert not torch.allclose(with_wide["instances"], without["instances"])


@pytest.mark.parametrize("backbone", ["resnet34", "resnet50"])
def test_all_parameters_get_a_gradient_other_than_zero(backbone):
    torch.manual_seed(0)
    network = build_model("cdnet_resnet34", deeplab_ch=32, backbone=backbone).train()
    outputs = network(torch.rand(2, 3, 64, 64), clicks(2))
    sum(outputs[name].square().mean() for name in ("instances", "latent_instances", "fdm_instances")).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_new_layers_start_as_the_others():
    torch.manual_seed(0)
    network = build_model("cdnet_resnet34")
    for layer in (network.feature_extractor.FDM.t, network.latent_head.layers[0].body[1]):
        outputs, inputs = layer.weight.shape[:2]
        assert layer.weight.std().item() == pytest.approx((4 / (inputs + outputs)) ** 0.5, rel=0.05)
    assert not network.latent_head.layers[2].bias.any()


def test_gluons_weights_fill_the_backbone(tmp_path):
    network = build_model("cdnet_resnet34", deeplab_ch=32)
    state = {key: torch.full_like(value, 2) for key, value in network.feature_extractor.backbone.state_dict().items()}
    torch.save({**state, "fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}, tmp_path / "r34.pth")
    network.load_imagenet_weights(tmp_path / "r34.pth")
    assert all((value == 2).all() for value in network.feature_extractor.backbone.state_dict().values())
    assert not (network.latent_head.layers[2].weight == 2).any()
