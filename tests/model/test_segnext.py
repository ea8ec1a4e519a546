"""SegNext against manifests and vectors measured on the published code, and on its own."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from isegm import InputError, build_model, load_model
from isegm.inference.predictor import Predictor
from isegm.model.backbones.vit import from_windows, resized_positions
from isegm.model.checkpoint import save_checkpoint
from isegm.model.layers import to_tokens
from isegm.model.published import model_from_published
from tests.golden import golden, golden_json, key_manifest, model_inputs, rule_state_dict, rule_tensor
from tests.model.recomputed import assert_recomputes
from tests.networks import parameters, without_weights
from tests.operators import called
from tests.segnext import SMALL, small_container, small_segnext

MANIFESTS = [
    ("segnext_vitb_sax1", "keys_segnext_sax1.txt", 106_701_761),
    ("segnext_vitb_sax2", "keys_segnext_sax2.txt", 113_789_633),
]
PARTS = {
    "backbone": 88_793_088,
    "neck": 9_475_008,
    "head": 755_201,
    "visual_prompts_encoder": 590_592,
    "fusion_blocks": 7_087_872,
}
CLICKS = torch.tensor([[[20.0, 30.0, 0.0], [-1.0, -1.0, -1.0], [50.0, 40.0, 1.0], [-1.0, -1.0, -1.0]]])


def compare(outputs, names, spec, vectors, at=1e-4):
    """Outputs against golden ones, by name, within a share of their deviation."""
    for name in names:
        facts, value = spec["outputs"][name], outputs[name]
        assert list(value.shape) == facts["shape"], name
        flat, close = value.flatten().numpy(), {"rtol": 0, "atol": at * facts["std"], "err_msg": name}
        expected = vectors[f"sample/{name}"]
        np.testing.assert_allclose(flat[:: facts["stride"]][: len(expected)], expected, **close)
        lowres = F.adaptive_avg_pool2d(value[:, :1].double(), 32).numpy()
        np.testing.assert_allclose(lowres, vectors[f"lowres/{name}"], **close)


# --- against the published code


@pytest.mark.parametrize(("name", "manifest", "count"), MANIFESTS)
def test_state_dict_and_sizes_are_the_published_ones(name, manifest, count):
    network = without_weights(name)
    own = {f"{key}\t{tuple(value.shape)}" for key, value in network.state_dict().items()}
    assert own == set(key_manifest(manifest))
    assert parameters(network) == count
    depth = int(name[-1])
    for part, expected in PARTS.items():
        expected *= depth if part == "fusion_blocks" else 1
        assert parameters(network.get_submodule(part)) == expected, part


@pytest.mark.parametrize("file", ["vit_base1024_sax2", "vit_base1024_hqseg_sax2"])
def test_a_published_configuration_makes_its_network(file):
    spec = golden_json(f"segnext/{file}.json")
    with torch.device("meta"):
        network = model_from_published(spec["config"], {}, file)
    assert network.config["model"] == "segnext_vitb_sax2" and network.encoded_size == (1024, 1024)
    assert {key: list(value.shape) for key, value in network.state_dict().items()} == {
        entry["key"]: entry["shape"] for entry in spec["state_dict"]
    }
    assert parameters(network) == spec["num_params"]
    assert (network.dist_maps.norm_radius, network.dist_maps.use_disks) == (5, True)


def golden_case():
    """The golden json and arrays of SAx2, its image of 1024 x 1024 pixels with the mask behind it, and its clicks."""
    spec = golden_json("segnext/vit_base1024_sax2.json")
    return spec, np.load(golden("segnext/vit_base1024_sax2.npz")), *model_inputs(spec)


def golden_small_case():
    """The image of 480 x 640 pixels, its mask and clicks."""
    image = np.random.Generator(np.random.PCG64(2)).random((1, 3, 480, 640), dtype=np.float32)
    y, x = np.mgrid[:480, :640].astype(np.float64)
    mask = np.exp(-(((y - 0.45 * 480) / (0.25 * 480)) ** 2 + ((x - 0.5 * 640) / (0.2 * 640)) ** 2))
    unused = (-1, -1, -1)
    clicks = [(192, 288, 0), (264.25, 384.5, 2), unused, (48, 96, 1), (408, 512, 3), unused]
    return torch.from_numpy(image), torch.from_numpy(mask)[None, None].float(), torch.tensor([clicks]).float()


def test_features_of_clicks_equal_the_measured_ones():
    """Of images of 1024 x 1024 and 480 x 640 pixels; clicks of the latter move to whole pixels of the former."""
    spec, vectors, image, points = golden_case()
    _, mask, clicks = golden_small_case()
    network = copy.deepcopy(without_weights("segnext_vitb_sax2"))
    encoder = network.visual_prompts_encoder = type(network.visual_prompts_encoder)(3, 768, 16).requires_grad_(False)
    for key, value in encoder.state_dict().items():
        value.copy_(rule_tensor(f"visual_prompts_encoder.{key}", tuple(value.shape)))
    given = clicks.clone()
    outputs = {
        "prompt_feats": network.embed_prompts(points, image[:, 3:]),
        "ns/prompt_feats": network.embed_prompts(clicks, mask),
    }
    compare(outputs, outputs, spec, vectors)
    np.testing.assert_array_equal(network.rescaled(clicks, (480, 640)), vectors["full/ns/points_after"])
    assert torch.equal(clicks, given)  # published code overwrites them


def test_clicks_move_without_numbers_of_the_host():
    """A tensor made of these would be copied to a GPU, which stops for every copy."""
    network = without_weights("segnext_vitb_sax2")
    operators = called(lambda: network.rescaled(CLICKS, (480, 640)))
    assert "aten::mul" in operators and "aten::lift_fresh" not in operators


@pytest.mark.slow
def test_outputs_and_parts_equal_the_measured_ones(every_click):
    """What each part of a published container puts out for an image, with weights by rule; then for a smaller one."""
    spec, vectors, image, points = golden_case()
    network, seen, calls = (
        load_model({"state_dict": rule_state_dict(spec["state_dict"]), "config": spec["config"]}),
        {},
        {},
    )

    def keep(name):
        def hook(_, __, output):
            call = calls[name] = calls.get(name, -1) + 1
            parts = output if isinstance(output, (list, tuple)) else [output]
            seen.update({f"{name}|{call}|{i}": part.clone() for i, part in enumerate(parts)})

        return hook

    for name in {place.split("|")[0] for place in spec["hooks"]} & dict(network.named_modules()).keys():
        network.get_submodule(name).register_forward_hook(keep(name))
    features = network.encode(image[:, :3])
    outputs = {"image_feats": features["image_features"]}
    outputs |= network.decode(features, points, image[:, 3:])
    if every_click:
        image, mask, points = golden_small_case()
        outputs["ns/instances"] = network.decode(network.encode(image), points, mask)["instances"]
    compare(outputs, outputs, spec, vectors)

    for call in range(1 + every_click):
        for block in (2, 5, 8, 11):  # whose tokens are in the windows' order
            name = f"backbone.blocks.{block}|{call}|0"
            seen[name] = to_tokens(from_windows(seen[name].view(16, 256, -1), (64, 64), (4, 4)))
        for name in (f"visual_prompts_encoder|{call}|0", f"backbone.patch_embed|{call}|0"):
            seen[name] = to_tokens(seen[name])
    compared = [name for name in spec["hooks"] if name in seen]
    assert {f"backbone.blocks.{block}|0|0" for block in range(12)} < set(compared)
    assert len(compared) == 39 * (1 + every_click)
    for name in compared:
        facts, flat = spec["hooks"][name], seen[name].flatten().numpy()
        assert list(seen[name].shape) == facts["shape"], name
        expected, noise = vectors[f"hook/{name}"], 1e-4 * facts["std"]
        np.testing.assert_allclose(flat[:: max(1, flat.size // 64)], expected, rtol=0, atol=noise, err_msg=name)


# --- published files


def test_a_published_file_loads_and_is_written_as_ours(tmp_path):
    content, network = small_container()
    torch.save(content, tmp_path / "published.pth")
    loaded = load_model(tmp_path / "published.pth")
    image = torch.rand(1, 4, 48, 80)
    expected = network(image, CLICKS)["instances"]
    assert torch.equal(loaded(image, CLICKS)["instances"], expected)
    save_checkpoint(loaded, tmp_path / "ours.pth")
    assert torch.equal(load_model(tmp_path / "ours.pth")(image, CLICKS)["instances"], expected)


def test_the_weights_tell_it_from_simpleclick_where_the_configuration_does_not():
    content, _ = small_container()
    del content["config"]["params"]["fusion_params"]
    with pytest.raises(InputError, match="has a configuration without fusion_params: it is damaged"):
        load_model(content)


def test_maps_that_are_added_alone_have_no_blocks():
    content, _ = small_container(fusion_params={"type": "naive"})
    content["state_dict"] = {k: v for k, v in content["state_dict"].items() if not k.startswith("fusion_blocks.")}
    network = load_model(content)
    assert parameters(network.fusion_blocks) == 0
    assert network(torch.rand(1, 4, 64, 64), CLICKS)["instances"].shape == (1, 1, 64, 64)


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        ({"fusion_params": {"type": "cross_attention"}}, "with the fusion cross_attention, which is not supported"),
        ({"fusion_params": {"params": {"dim": 64}}}, "with dim of its fusion other than 32, which is not supported"),
        ({"fusion_params": {"params": 3}}, "has no params in the fusion_params of its configuration: it is damaged"),
        ({"fusion_params": {"depth": "2"}}, "fusion_depth of SegNextModel must be a whole number"),
        ({"fusion_params": {"depth": 1}}, "12 unexpected .fusion_blocks.1.norm1.weight"),
        ({"fusion_params": {"gate": 1}}, "was built with fusion_params.gate, which is not supported"),
        ({"backbone_params": {"patch_size": (16, 8)}}, "patch_size of SegNextModel must be a whole number"),
        ({"backbone_params": {"global_atten_freq": 5}}, "of 4 blocks of a ViT every 5th cannot be global"),
        ({"backbone_params": {"img_size": (100, 64)}}, "cannot read 100 x 64 pixels"),
        ({"backbone_params": {"img_size": (128, 128)}}, r"backbone.pos_embed \(1, 17, 32\) instead of \(1, 65, 32\)"),
        ({"head_params": {"in_select_index": [0, 1]}}, "was built with in_select_index other than"),
        ({"head_params": {"upsample": "x1"}}, "was built with head_params.upsample, which is not supported"),
    ],
)
def test_configurations_that_do_not_fit_are_refused(parts, complaint):
    with pytest.raises(InputError, match=complaint) as error:
        load_model(small_container(**parts)[0])
    assert "\n" not in str(error.value)


# --- on its own


@pytest.mark.parametrize("size", [(64, 64), (96, 160), (31, 7), (1, 1)])
def test_logits_have_the_size_of_the_image(size):
    outputs = small_segnext()(torch.rand(2, 4, *size), CLICKS.clamp(max=0).expand(2, -1, -1))
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {"instances": (2, 1, *size)}


@pytest.mark.parametrize("channel", range(4))
def test_every_input_channel_matters(channel):
    image = torch.rand(1, 4, 64, 64)
    changed = image.clone()
    changed[:, channel] = 0
    network = small_segnext()
    assert not torch.allclose(network(image, CLICKS)["instances"], network(changed, CLICKS)["instances"])


@pytest.mark.parametrize("row", [0, 2])
def test_clicks_of_either_sign_matter(row):
    network, image, without = small_segnext(), torch.rand(1, 4, 64, 64), CLICKS.clone()
    without[:, row] = -1
    assert not torch.allclose(network(image, CLICKS)["instances"], network(image, without)["instances"])


def test_images_in_flight_never_mix():
    """Published code stores the size of the last encoded image in the network, and clicks are moved in place."""
    network, points = small_segnext(), CLICKS.clone()
    images = [torch.rand(1, 4, 64, 64), torch.rand(1, 4, 40, 90)]
    alone = [network(image, points)["instances"] for image in images]
    features = [network.encode(image[:, :3]) for image in images]
    for image, encoded, expected in zip(images, features, alone, strict=True):
        assert torch.equal(network.decode(encoded, points, image[:, 3:])["instances"], expected)
    assert torch.equal(points, CLICKS)


def test_features_of_one_image_serve_several_objects():
    network, image, points = small_segnext(), torch.rand(1, 3, 64, 64), torch.cat((CLICKS, CLICKS.flip(1)))
    masks = torch.rand(2, 1, 64, 64)
    together = network.decode(network.encode(image), points, masks)["instances"]
    for row in range(2):
        alone = network.decode(network.encode(image), points[row : row + 1], masks[row : row + 1])["instances"]
        torch.testing.assert_close(together[row : row + 1], alone, rtol=0, atol=1e-5)


def test_rows_that_do_not_belong_together_are_refused():
    network = small_segnext()
    features, mask = network.encode(torch.rand(2, 3, 64, 64)), torch.zeros(3, 1, 64, 64)
    with pytest.raises(InputError, match=r"features of 2 images, clicks of 3 and masks of 3: give one row of each"):
        network.decode(features, CLICKS.expand(3, -1, -1), mask)
    with pytest.raises(InputError, match=r"features of 2 images, clicks of 2 and masks of 3"):
        network.decode(features, CLICKS.expand(2, -1, -1), mask)
    with pytest.raises(ValueError, match="needs prev_mask"):
        network.decode(features, CLICKS.expand(2, -1, -1))


def test_every_third_block_attends_to_the_whole_image():
    network = small_segnext(img_size=(512, 512), depth=12)
    sequences = []
    for block in network.backbone.blocks:
        block.register_forward_hook(lambda _, inputs, __: sequences.append(tuple(inputs[0].shape[:2])))
    network.encode(torch.rand(1, 3, 64, 64))
    assert sequences == [(4, 256), (4, 256), (1, 1024)] * 4


def test_all_that_is_trained_gets_a_gradient():
    """So that several processes need not look for what has none."""
    torch.manual_seed(0)
    network = build_model("segnext_vit_tiny", **SMALL).train()
    network(torch.rand(2, 4, 64, 64), CLICKS.expand(2, -1, -1))["instances"].square().mean().backward()
    named = dict(network.named_parameters())
    assert [name for name, p in named.items() if p.requires_grad and p.grad is None] == []
    frozen = {name for name, p in named.items() if not p.requires_grad}
    assert frozen == {"backbone.fc_norm.weight", "backbone.fc_norm.bias"}


def test_recomputed_activations_give_the_same_gradients():
    torch.manual_seed(0)
    network = build_model("segnext_vit_tiny", **SMALL, dropout_ratio=0).train()
    assert_recomputes(network, torch.rand(1, 4, 64, 64), CLICKS)


def test_layers_of_the_encoder_are_numbered():
    numbers = small_segnext().layer_numbers()
    assert numbers["visual_prompts_encoder.proj.weight"] == numbers["backbone.pos_embed"] == 0
    assert numbers["backbone.blocks.0.attn.qkv.weight"] == 1 and numbers["backbone.blocks.3.mlp.fc2.bias"] == 4
    assert not any(name.startswith(("neck.", "head.", "fusion_blocks.")) for name in numbers)


def test_weights_of_mae_start_the_encoder_alone(tmp_path):
    """Its classifier and class token are not read; its positions are resized."""
    network = small_segnext()
    mae = {
        name: torch.rand_like(value) for name, value in network.backbone.state_dict().items() if "fc_norm" not in name
    }
    mae |= {"pos_embed": torch.rand(1, 10, 32), "cls_token": torch.rand(1, 1, 32), "norm.weight": torch.rand(32)}
    mae |= {"decoder_pred.weight": torch.rand(3, 3), "mask_token": torch.rand(1, 1, 3)}
    torch.save({"model": mae}, tmp_path / "mae_pretrain_vit_base.pth")
    rest = {name: value.clone() for name, value in network.state_dict().items() if not name.startswith("backbone.")}
    network.load_imagenet_weights(tmp_path / "mae_pretrain_vit_base.pth")
    assert torch.equal(network.backbone.blocks[3].mlp.fc1.weight, mae["blocks.3.mlp.fc1.weight"])
    expected = resized_positions(mae["pos_embed"][:, 1:].transpose(1, 2).view(1, 32, 3, 3), (4, 4))
    assert torch.equal(network.backbone.positions((4, 4)), expected)
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in rest.items())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"depth": 0}, "depth of SegNextModel must be a whole number"),
        ({"num_heads": 7}, "its channels one of its heads"),
        ({"img_size": (512, 500)}, "cannot read 512 x 500 pixels"),
        ({"img_size": (16, 512)}, "img_size of SegNextModel is 16 x 512: give sides of 32 or more"),
        ({"global_atten_freq": 13}, "of 12 blocks of a ViT every 13th cannot be global"),
        ({"fusion_depth": -1}, "fusion_depth of SegNextModel must be a whole number"),
        ({"out_dims": (8, 8)}, "out_dims of SegNextModel must be a list of 4, not"),
        ({"with_aux_output": True}, "no auxiliary output"),
        ({"with_prev_mask": False}, "reads a previous mask"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, complaint):
    with pytest.raises(InputError, match=complaint):
        build_model("segnext_vit_tiny", **arguments)


@pytest.mark.parametrize("size", [(61, 83), (5, 3), (1, 1)])
def test_a_predictor_shows_it_the_whole_image_once(size):
    network, seen = small_segnext(), []
    network.backbone.register_forward_hook(lambda _, inputs, __: seen.append(tuple(inputs[0].shape)))
    predictor = Predictor(network)
    predictor.set_image(np.zeros((*size, 3), dtype=np.uint8))
    for _ in range(3):
        mask, probs = predictor.predict([(size[1] // 2, size[0] // 2)], [1])
        assert mask.shape == probs.shape == size
    assert seen == [(1, 3, 64, 64)]
