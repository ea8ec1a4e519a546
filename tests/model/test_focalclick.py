"""FocalClick against manifests and vectors measured on the published code, and on its own."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from isegm import InputError, build_model, load_model
from isegm.model.focalclick import Refiner, crop_boxes
from isegm.model.ritm import HRNetModel
from tests.golden import fill_weights, golden, golden_json, key_manifest, model_inputs
from tests.networks import parameters, without_weights
from tests.operators import called

MEASURED = {
    "focalclick_hrnet18s_s1": "hrnet18s_S1",
    "focalclick_segformerb0_s1": "segformerB0_S1",
    "focalclick_segformerb0_s2": "segformerB0_S2",
}
OUTPUTS = ["instances", "instances_aux", "feature"]
REFINED = ["instances_refined", "trimap", "instances_coarse"]
# registered name, manifest of its published files, parameters of its refiner
MANIFESTS = [
    ("focalclick_hrnet18s_s1", "keys_cs_hr18s.txt", 11_330),
    ("focalclick_hrnet32_s2", "keys_cs_hr32.txt", 16_450),
    ("focalclick_segformerb0_s1", "keys_cs_segb0.txt", 16_483),
    ("focalclick_segformerb3_s2", "keys_cs_segb3.txt", 24_675),
]
HRNET, SEGFORMER = "isegm.model.is_hrnet_model.HRNetModel", "isegm.model.is_segformer_model.SegFormerModel"
SMALL = ["focalclick_hrnet18s_s1", "focalclick_segformerb0_s1", "focalclick_segformerb0_s2"]


def crops(spec):
    """What the golden vectors give ``refine`` beside the outputs of ``forward``."""
    _, points = model_inputs(spec)
    batch, height, width = (spec["input"][side] for side in "BHW")
    image = np.random.Generator(np.random.PCG64(1)).random((batch, 3, height, width), dtype=np.float32)
    boxes = [(b, 0.125 * width + 3.5 * b, 0.25 * height, 0.75 * width, 0.875 * height - 5.25 * b) for b in range(batch)]
    return torch.from_numpy(image), points.flip(0), torch.tensor(boxes)


@pytest.fixture(scope="module", params=MEASURED)
def measured(request):
    """A network with weights by rule, its golden json and arrays, all its outputs, and outputs of its parts."""
    spec = golden_json(f"clickseg/{MEASURED[request.param]}.json")
    network, seen = fill_weights(build_model(request.param)), {}

    def keep(name):
        def hook(_, __, output):  # a copy, since activations behind it may change it
            parts = output if isinstance(output, (list, tuple)) else [output]
            seen.update({f"{name}|0|{i}": part.clone() for i, part in enumerate(parts)})

        return hook

    for name in {place.split("|")[0] for place in spec["hooks"]}:
        if name in dict(network.named_modules()):
            network.get_submodule(name).register_forward_hook(keep(name))
    outputs = network(*model_inputs(spec))
    image, points, boxes = crops(spec)
    refined = network.refine(image, points, outputs["feature"], outputs["instances"], boxes)
    outputs.update({f"refine/{name}": value for name, value in refined.items()})
    return network, spec, np.load(golden(f"clickseg/{MEASURED[request.param]}.npz")), outputs, seen


@pytest.fixture
def network():
    """Networks by name with random weights, in eval mode, without gradients."""

    def make(name, **arguments):
        torch.manual_seed(0)
        return build_model(name, **arguments).eval().requires_grad_(False)

    return make


def clicks(*rows):
    """One positive and one negative click of one image, (row, column) each."""
    return torch.tensor([[(*row, order) for order, row in enumerate(rows)]], dtype=torch.float32)


# --- against the published code


@pytest.mark.parametrize(("name", "manifest", "refiner"), MANIFESTS)
def test_state_dict_and_sizes_are_the_published_ones(name, manifest, refiner):
    network = without_weights(name)
    own = [[key, str(tuple(value.shape))] for key, value in network.state_dict().items()]
    assert own == [line.split(maxsplit=1) for line in key_manifest(manifest)]
    assert parameters(network.refiner) == refiner


def test_entries_parameters_and_learning_rates_are_the_measured_ones(measured):
    network, spec, *_ = measured
    assert [(key, list(value.shape)) for key, value in network.state_dict().items()] == [
        (entry["key"], entry["shape"]) for entry in spec["state_dict"]
    ]
    assert parameters(network) == spec["num_params"]
    assert network.lr_multipliers() == spec["lr_mult"]


@pytest.mark.parametrize("output", OUTPUTS + [f"refine/{name}" for name in REFINED])
def test_outputs_equal_the_measured_ones(measured, output):
    _, spec, vectors, outputs, _ = measured
    facts = spec["outputs"][output]
    tolerance = {"rtol": 0, "atol": 5 * spec["noise_vs_no_onednn"][output]}
    assert list(outputs[output].shape) == facts["shape"]
    flat = outputs[output].flatten().numpy()
    np.testing.assert_allclose(flat[:: facts["stride"]], vectors[f"sample/{output}"], **tolerance)
    lowres = F.adaptive_avg_pool2d(outputs[output][:, :1].double(), 32).numpy()
    np.testing.assert_allclose(lowres, vectors[f"lowres/{output}"], **tolerance)


def test_parts_put_out_what_was_measured_inside_the_published_network(measured):
    _, spec, vectors, _, seen = measured
    compared = [name for name in spec["hooks"] if name in seen]
    assert {"refiner.refine_fusion|0|0", "refiner.refine_trimap|0|0"} < set(compared) and len(compared) >= 17
    for name in compared:
        facts, flat = spec["hooks"][name], seen[name].flatten().numpy()
        assert list(seen[name].shape) == facts["shape"], name
        expected, noise = vectors[f"hook/{name}"], 1e-4 * facts["std"]
        np.testing.assert_allclose(flat[:: max(1, flat.size // 64)], expected, rtol=0, atol=noise, err_msg=name)


def test_click_maps_equal_the_measured_ones(measured):
    network, spec, vectors, _, _ = measured
    image, points = model_inputs(spec)
    maps = network.dist_maps(points, tuple(image.shape[2:])).flatten().numpy()
    np.testing.assert_array_equal(maps[:: spec["outputs"]["click_map"]["stride"]], vectors["sample/click_map"])
    refine_maps = network.dist_maps_refine(points.flip(0), tuple(image.shape[2:]))
    assert refine_maps.mean().item() == pytest.approx(spec["hooks"]["dist_maps_refine|0|0"]["mean"])


# --- published files


def entries(**values):
    """Arguments as published files store them; those that ClickSEG does not read say something else than it does."""
    unread = dict(use_rgb_conv=True, norm_radius=260, use_disks=False, clicks_groups=(2, 5), conv_extend=True)
    unread |= dict(feature_stride=4, cpu_dist_maps=True, norm_layer="torch.nn.modules.batchnorm.BatchNorm2d")
    flags = dict(use_leaky_relu=True, with_prev_mask=True, with_aux_output=True)
    return {
        name: {"type": "builtin", "value": value, "specified": True}
        for name, value in {**unread, **flags, **values}.items()
    }


def published(state, path, **values):
    return load_model({"state_dict": state, "config": {"class": path, "params": entries(**values)}})


HR18S, HR32 = dict(width=18, ocr_width=48, small=True), dict(width=32, ocr_width=128, small=False)
FILES = [
    ("keys_cs_hr18s.txt", HRNET, dict(pipeline_version="s2", backbone_lr_mult=0.1, **HR18S), "focalclick_hrnet18s_s2"),
    ("keys_cs_hr32.txt", HRNET, dict(pipeline_version="s2", **HR32), "focalclick_hrnet32_s2"),
    ("keys_cs_segb0.txt", SEGFORMER, dict(pipeline_version="s1", model_version="b0"), "focalclick_segformerb0_s1"),
    ("keys_cs_segb3.txt", SEGFORMER, dict(pipeline_version="s2", model_version="b3"), "focalclick_segformerb3_s2"),
]


@pytest.mark.parametrize(("manifest", "path", "values", "name"), FILES)
def test_a_file_of_each_published_manifest_loads(manifest, path, values, name):
    state = {}
    for line in key_manifest(manifest):
        key, shape = line.split(maxsplit=1)
        numbers = tuple(int(side) for side in shape.strip("()").split(",") if side.strip())
        state[key] = torch.zeros((), dtype=torch.long if key.endswith("tracked") else torch.float32).expand(numbers)
    model = published(state, path, **values)
    assert model.config["model"] == name
    assert (model.dist_maps.norm_radius, model.dist_maps.use_disks) == ({"s1": 3, "s2": 5}[name[-2:]], True)
    assert max(model.lr_multipliers().values()) == (2.0 if path == HRNET else 0.1)


@pytest.mark.parametrize("name", ["focalclick_hrnet18s_s1", "focalclick_segformerb0_s1"])
def test_what_published_files_store_and_do_not_read_changes_nothing(network, name):
    model = network(name)
    path, size = (HRNET, HR18S) if "hrnet" in name else (SEGFORMER, {"model_version": "b0"})
    loaded = published(model.state_dict(), path, pipeline_version="s1", **size)
    image = torch.rand(1, 4, 96, 64)
    points = clicks((40.0, 30.0), (70.0, 20.5))
    assert torch.equal(loaded(image, points)["instances"], model(image, points)["instances"])


@pytest.mark.parametrize(("said", "pipeline"), [("s1", "s1"), ("s2", "s2"), ("S1", "s2")])
def test_every_pipeline_but_s1_is_s2_in_published_files(network, said, pipeline):
    state = network("focalclick_segformerb1_s2").state_dict()
    loaded = published(state, SEGFORMER, pipeline_version=said, model_version="b1")
    assert loaded.pipeline_version == pipeline and loaded.config["model"] == "focalclick_segformerb1_s2"


def test_classes_of_one_name_are_told_apart_by_their_arguments_and_by_their_keys(network):
    plain = dict(use_rgb_conv=False, conv_extend=False, clicks_groups=None)
    ritm = published(network("ritm_hrnet18s").state_dict(), HRNET, **HR18S, **plain)
    assert type(ritm) is HRNetModel and not ritm.has_refiner
    state = network("focalclick_hrnet18s_s2").state_dict()
    assert published(state, HRNET, **HR18S, **plain).config["model"] == "focalclick_hrnet18s_s2"
    with pytest.raises(InputError, match=r"missing .*refiner\.image_conv1"):
        published(network("ritm_hrnet18s").state_dict(), HRNET, pipeline_version="s1", **HR18S)


def test_what_is_not_built_here_is_refused(network):
    with pytest.raises(InputError, match="SegFormer b9, which is not supported: known are b0, b1"):
        published({}, SEGFORMER, pipeline_version="s1", model_version="b9")
    state = network("focalclick_segformerb0_s1").state_dict()
    with pytest.raises(InputError, match=r"is_swin_model\.SwinModel, which is not supported: known"):
        published(state, "isegm.model.is_swin_model.SwinModel", model_version="b0")
    with pytest.raises(InputError, match="a network class of EMC-Click, but its weights are of another method"):
        published(state, "isegm.model.is_refine_segformer_model.SegFormerModel", model_version="b0")
    with pytest.raises(InputError, match="pipeline_version is 's3': known are s1 and s2"):
        build_model("focalclick_segformerb0_s1", pipeline_version="s3")


# --- crops of boxes


def crop_by_hand(maps, box, frame, size):
    """RoIAlign of one box with aligned corners and one sample in the middle of each bin."""
    place, x1, y1, x2, y2 = (float(value) for value in box)
    channels, height, width = maps.shape[1:]
    result = np.zeros((channels, *size))
    for i in range(size[0]):
        for j in range(size[1]):
            y = (y1 + (i + 0.5) * (y2 - y1) / size[0]) * height / frame[0] - 0.5
            x = (x1 + (j + 0.5) * (x2 - x1) / size[1]) * width / frame[1] - 0.5
            y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
            top, left = min(int(y), height - 2), min(int(x), width - 2)
            for row, part in ((top, 1 - (y - top)), (top + 1, y - top)):
                for column, share in ((left, 1 - (x - left)), (left + 1, x - left)):
                    result[:, i, j] += part * share * maps[int(place), :, row, column]
    return result


@pytest.mark.parametrize(("resolution", "size"), [((12, 16), (9, 7)), ((3, 4), (3, 4)), ((24, 32), (24, 32))])
def test_crops_are_bilinear_samples_at_the_centres_of_bins(resolution, size):
    maps = torch.randn(2, 3, *resolution, generator=torch.Generator().manual_seed(0))
    boxes = torch.tensor([[1, 3.25, 4, 20, 17.5], [0, 0, 0, 32, 24], [1, 0, 20, 9, 24], [0, 5, 5, 5, 5]])
    found = crop_boxes(maps, boxes, (24, 32), size)
    expected = np.stack([crop_by_hand(maps.double().numpy(), box, (24, 32), size) for box in boxes])
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("resolution", [(12, 16), (3, 4), (24, 32), (1, 1)])
def test_rims_are_repeated(resolution):
    torch.manual_seed(0)
    maps = torch.randn(2, 3, *resolution, requires_grad=True)
    boxes = torch.tensor([[1, 0, 0, 32, 24], [0, 0.25, 0, 2, 24], [1, 30, 20, 32, 24]])
    found = crop_boxes(maps, boxes, (24, 32), (40, 40))
    expected = np.stack([crop_by_hand(maps.detach().double().numpy(), box, (24, 32), (40, 40)) for box in boxes])
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=0, atol=1e-5)
    found.sum().backward()
    assert maps.grad.sum().item() == pytest.approx(found.numel(), rel=1e-4)  # no share of a sample is lost


def test_the_whole_frame_at_its_own_size_stays_as_it_is():
    maps = torch.randn(2, 3, 24, 32)
    boxes = torch.tensor([[1.0, 0.0, 0.0, 256.0, 192.0]])
    torch.testing.assert_close(crop_boxes(maps, boxes, (192, 256), (24, 32)), maps[1:], rtol=0, atol=1e-5)


def test_gradients_reach_the_pixels_of_a_box_and_no_others():
    maps = torch.zeros(2, 1, 16, 16, requires_grad=True)
    crop_boxes(maps, torch.tensor([[1.0, 4.0, 8.0, 8.0, 12.0]]), (16, 16), (16, 16)).sum().backward()
    touched = maps.grad.nonzero()
    assert touched[:, 0].unique().tolist() == [1]
    assert touched[:, 2:].amin(dim=0).tolist() == [7, 3] and touched[:, 2:].amax(dim=0).tolist() == [12, 8]
    assert maps.grad.sum().item() == pytest.approx(256)


def test_half_precision_does_not_move_boxes():
    ramp = torch.linspace(0, 1, 256).expand(1, 1, 256, 256)
    boxes = torch.tensor([[0.0, 100.25, 0.0, 200.75, 256.0]])
    full = crop_boxes(ramp, boxes, (256, 256), (256, 256))
    with torch.autocast("cpu", torch.bfloat16):
        half = crop_boxes(ramp.bfloat16(), boxes, (256, 256), (256, 256))
    assert half.dtype == torch.float32
    assert (half - full).abs().max() < 2**-8  # the rounding of the values themselves


# --- on its own


@pytest.mark.parametrize(
    ("name", "radius", "stride"),
    [
        ("focalclick_hrnet18s_s1", 2, 8),
        ("focalclick_hrnet18s_s2", 5, 4),
        ("focalclick_segformerb0_s1", 3, 8),
        ("focalclick_segformerb0_s2", 5, 4),
    ],
)
def test_pipelines_have_their_radius_and_their_stride(network, name, radius, stride):
    model = network(name)
    assert (model.dist_maps.norm_radius, model.dist_maps_refine.norm_radius) == (radius, 5)
    outputs = model(torch.rand(1, 4, 128, 96), clicks((60.0, 40.0), (20.0, 80.0)))
    assert outputs["feature"].shape[2:] == (128 // stride, 96 // stride)
    assert outputs["instances"].shape == outputs["instances_aux"].shape == (1, 1, 128, 96)


def test_s1_is_s2_on_image_and_maps_of_half_the_size(network):
    s1, s2 = network("focalclick_segformerb0_s1"), network("focalclick_segformerb0_s2")
    s2.load_state_dict(s1.state_dict())
    image, maps = torch.randn(1, 3, 128, 96), torch.rand(1, 3, 128, 96)
    small = [F.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=True) for x in (image, maps)]
    expected, found = s2.backbone_forward(*small), s1.backbone_forward(image, maps)
    assert torch.equal(found["instances"], expected["instances"])
    assert torch.equal(found["feature"], expected["feature"])


def test_segformers_auxiliary_output_is_the_output_itself(network):
    image, points = torch.rand(1, 4, 64, 64), clicks((30.0, 30.0), (5.0, 50.0))
    outputs = network("focalclick_segformerb0_s2")(image, points)
    assert outputs["instances_aux"] is outputs["instances"]
    assert "instances_aux" not in network("focalclick_segformerb0_s2", with_aux_output=False)(image, points)
    assert "instances_aux" not in network("focalclick_hrnet18s_s1", with_aux_output=False)(image, points)


def test_the_previous_mask_is_read_as_probabilities_unless_asked_otherwise(network):
    image, points = torch.rand(1, 4, 64, 64), clicks((30.0, 30.0), (5.0, 50.0))
    rounded = torch.cat((image[:, :3], (image[:, 3:] > 0.5).float()), dim=1)
    model = network("focalclick_segformerb0_s2")
    assert not torch.equal(model(image, points)["instances"], model(rounded, points)["instances"])
    model.binary_prev_mask = True
    assert torch.equal(model(image, points)["instances"], model(rounded, points)["instances"])


def refine_inputs(model, side=64):
    """Two boxes of the first and one of the second image, and what ``refine`` reads of them."""
    generator = torch.Generator().manual_seed(3)
    image = torch.rand(2, 4, side, side, generator=generator)
    outputs = model(image, clicks((30.0, 30.0), (5.0, 50.0)).repeat(2, 1, 1))
    boxes = torch.tensor([[1, 8, 8, 40, 56], [0, 0, 0, 64, 64], [0, 20, 10, 60, 30.5]])
    crop = torch.rand(3, 3, side, side, generator=generator)
    points = clicks((20.0, 9.0), (-7.0, 50.0)).repeat(3, 1, 1)
    return crop, points, outputs["feature"], outputs["instances"], boxes


@pytest.mark.parametrize("name", SMALL)
def test_boxes_are_refined_one_by_one_as_together(network, name):
    model = network(name)
    crop, points, feature, logits, boxes = refine_inputs(model)
    together = model.refine(crop, points, feature, logits, boxes)
    assert {key: value.shape for key, value in together.items()} == dict.fromkeys(REFINED, (3, 1, 64, 64))
    for i in range(3):
        alone = model.refine(crop[i : i + 1], points[i : i + 1], feature, logits, boxes[i : i + 1])
        for key, value in alone.items():
            torch.testing.assert_close(value, together[key][i : i + 1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together["instances_coarse"][1:2], logits[:1], rtol=1e-4, atol=1e-5)


def test_the_trimap_says_where_the_answer_differs_from_the_coarse_one(network):
    model = network("focalclick_segformerb0_s1")
    inputs = refine_inputs(model)
    fine_layer, trimap_layer = model.refiner.refine_pred, model.refiner.refine_trimap
    fine_layer.weight.zero_(), trimap_layer.weight.zero_()
    fine_layer.bias.fill_(7.0)
    for bias, share in ((-40.0, 0.0), (40.0, 1.0), (0.0, 0.5)):
        trimap_layer.bias.fill_(bias)
        outputs = model.refine(*inputs)
        expected = 7 * share + outputs["instances_coarse"] * (1 - share)
        torch.testing.assert_close(outputs["instances_refined"], expected)


def test_the_refiner_reads_pixels_clicks_features_and_logits(network):
    model = fill_weights(network("focalclick_segformerb0_s1"))
    crop, points, feature, logits, boxes = refine_inputs(model)
    before = model.refine(crop, points, feature, logits, boxes)["trimap"]
    changes = [(0.5 * crop, points, feature, logits), (crop, points + 3, feature, logits)]
    changes += [(crop, points, 0.5 * feature, logits), (crop, points, feature, logits - 1)]
    for change in changes:
        assert not torch.allclose(model.refine(*change, boxes)["trimap"], before)


def test_the_crop_is_not_normalised(network):
    model = network("focalclick_segformerb0_s1")
    crop, *rest = refine_inputs(model)
    seen = []
    model.refiner.image_conv1.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.refine(crop, *rest)
    assert seen[0].shape == (3, 6, 64, 64) and torch.equal(seen[0][:, :3], crop)
    disks = seen[0][:, 3:5]  # 81 pixels of the positive click, and nothing of the negative one, which is too far above
    assert disks[:, 0].sum((1, 2)).tolist() == [81.0] * 3 and not disks[:, 1].any()


def test_the_refined_loss_teaches_the_coarse_network_too():
    torch.manual_seed(0)
    model = build_model("focalclick_segformerb0_s1").train()
    crop, points, feature, logits, boxes = refine_inputs(model)
    outputs = model.refine(crop, points, feature, logits, boxes)
    (outputs["instances_refined"].square().mean() + outputs["trimap"].square().mean()).backward()
    silent = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    unused = ("maps_transform.", "refiner.feature_gate.")
    assert silent == {name for name, _ in model.named_parameters() if name.startswith(unused)}


@pytest.mark.parametrize("size", [(64, 96), (51, 75)])
def test_a_refiner_takes_crops_of_any_size(size):
    torch.manual_seed(0)
    refiner = Refiner(8).eval()
    image, maps, coarse = torch.rand(2, 3, *size), torch.rand(2, 2, *size), torch.rand(2, 1, *size)
    refined, trimap = refiner(image, maps, torch.rand(2, 8, 5, 4), coarse)
    assert refined.shape == trimap.shape == (2, 1, *size)


def test_imagenet_weights_start_the_backbones(tmp_path):
    torch.manual_seed(0)
    for name in ("focalclick_hrnet18s_s1", "focalclick_segformerb0_s1"):
        source, model = build_model(name), build_model(name)
        backbone = getattr(source.feature_extractor, "backbone", source.feature_extractor)
        heads = ("patch_embed_side1.", "conv3x3_ocr.", "ocr_distri_head.", "cls_head.", "aux_head.")
        state = {key: value for key, value in backbone.state_dict().items() if not key.startswith(heads)}
        torch.save(state, tmp_path / "imagenet.pth")
        model.load_imagenet_weights(tmp_path / "imagenet.pth")
        own = getattr(model.feature_extractor, "backbone", model.feature_extractor).state_dict()
        assert all(torch.equal(own[key], value) for key, value in state.items()) and len(state) > 150


def test_boxes_are_cropped_without_numbers_of_the_host():
    """A tensor made of these would be copied to a GPU, which stops for every copy."""
    maps, boxes = torch.zeros(1, 2, 12, 16), torch.tensor([[0.0, 4.0, 8.0, 8.0, 12.0]])
    operators = called(lambda: crop_boxes(maps, boxes, (24, 32), (6, 6)))
    assert "torchvision::roi_align" in operators and "aten::lift_fresh" not in operators
