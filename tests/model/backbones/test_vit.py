"""The plain ViT backbone: windows, schedule of attention, and MAE's weights."""

import logging

import pytest
import timm
import torch
import torch.nn.functional as F

from isegm import InputError, build_model, load_model
from isegm.model.backbones.vit import TIMM_NAMES, UNREAD, VisionTransformer, from_windows, to_windows
from isegm.model.checkpoint import save_checkpoint, start_from
from tests.networks import without_weights

WHAT_TO_DO = "a click model: give a file that training has written, or set this one below IMAGENET_PRETRAINED_MODELS"
TINY = dict(img_size=(64, 64), embed_dim=32, depth=4, num_heads=2, out_dims=(8, 8, 8, 8), head_channels=8)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build_model("simpleclick_vit_xtiny", **TINY).eval().requires_grad_(False)


@pytest.mark.parametrize(
    ("patch", "grid", "windows"),
    [
        (16, (28, 28), (2, 2)),
        (14, (32, 32), (2, 2)),
        (16, (42, 42), (3, 3)),
        (14, (48, 32), (3, 2)),
        (16, (4, 27), (1, 1)),
        (16, (30, 43), (2, 1)),  # 43 is a prime; published code fails
        (16, (45, 56), (3, 4)),
    ],
)
def test_windows_have_224_pixels_where_these_divide_the_input(patch, grid, windows):
    with torch.device("meta"):
        backbone = VisionTransformer((patch, patch), patch, channels=8, depth=4, heads=1)
    assert backbone.windows_of(grid) == windows


@pytest.mark.parametrize(("depth", "attending"), [(4, [1, 2, 3, 4]), (8, [2, 4, 6, 8]), (12, [6, 12])])
def test_blocks_attend_to_all_tokens_by_the_published_schedule(depth, attending):
    backbone = VisionTransformer((448, 448), 16, channels=8, depth=depth, heads=1).eval()
    seen = []
    for block in backbone.blocks:
        block.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[1]))
    with torch.no_grad():
        backbone(torch.zeros(1, 3, 448, 448), torch.zeros(1, 8, 28, 28))
    assert [number for number, count in enumerate(seen, start=1) if count == 28 * 28] == attending
    assert set(seen) <= {28 * 28, 14 * 14}


def test_windows_are_cut_row_by_row_and_put_together_again():
    x = torch.arange(2 * 3 * 4 * 6.0).view(2, 3, 4, 6)
    tokens = to_windows(x, (2, 3))
    assert tokens.shape == (12, 4, 3)
    assert torch.equal(tokens[7], x[1, :, :2, 2:4].flatten(1).T)
    assert torch.equal(from_windows(tokens, (4, 6), (2, 3)), x)


# --- MAE's weights


def mae_weights(backbone, side=2):
    """What a published MAE file of the same size looks like, with a grid of its own."""
    state = {key: torch.full_like(value, 2) for key, value in backbone.state_dict().items()}
    state = {key: value for key, value in state.items() if not key.startswith(("fc_norm.", "head."))}
    state["pos_embed"] = torch.arange(1.0, side * side + 2)[None, :, None].repeat(1, 1, 32)
    return {**state, "norm.weight": torch.zeros(32), "norm.bias": torch.zeros(32)}


def test_mae_weights_fill_the_backbone_with_positions_resized_once(network, tmp_path, caplog):
    path = tmp_path / "mae_pretrain_vit_base.pth"
    weights = mae_weights(network.backbone)
    torch.save({"model": weights}, path)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with caplog.at_level(logging.INFO, logger="isegm"):
        network.load_imagenet_weights(path)
    assert "CC BY-NC 4.0" in caplog.text
    for key, value in network.state_dict().items():
        inner = key.removeprefix("backbone.")
        if inner in weights and inner != "pos_embed":
            assert (value == 2).all(), key
        elif inner != "pos_embed":
            assert torch.equal(value, before[key]), key
    found = network.backbone.pos_embed
    assert torch.equal(found[:, :1], weights["pos_embed"][:, :1])
    expected = F.interpolate(torch.arange(2.0, 6).view(1, 1, 2, 2), size=(4, 4), mode="bicubic", align_corners=False)
    torch.testing.assert_close(found[0, 1:, 5], expected.flatten())


def test_a_mae_backbone_is_no_click_model(network, tmp_path):
    torch.save({"model": mae_weights(network.backbone)}, tmp_path / "mae_pretrain_vit_base.pth")
    with pytest.raises(InputError, match=rf"mae_pretrain_vit_base\.pth is a ViT or MAE backbone, not {WHAT_TO_DO}"):
        load_model(tmp_path / "mae_pretrain_vit_base.pth")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda weights: weights.pop("blocks.3.attn.qkv.weight"), "1 of .* first blocks.3.attn.qkv.weight"),
        (lambda weights: weights.update(pos_embed=torch.zeros(1, 7, 32)), "1 of .* first pos_embed"),
        (lambda weights: weights.update({"blocks.4.norm1.bias": torch.zeros(32)}), "it has 1 entries too many"),
    ],
)
def test_weights_of_another_vit_are_refused(network, tmp_path, change, complaint):
    weights = mae_weights(network.backbone)
    change(weights)
    torch.save(weights, tmp_path / "other.pth")
    with pytest.raises(InputError, match=f"does not fit VisionTransformer: {complaint}"):
        network.load_imagenet_weights(tmp_path / "other.pth")


def test_an_xtiny_has_no_weights_in_timm(network):
    with pytest.raises(InputError, match="timm has no"):
        network.load_imagenet_weights("timm")


@pytest.mark.parametrize(
    ("name", "size"),
    [("vit_base_patch16_224.mae", "b"), ("vit_large_patch16_224.mae", "l"), ("vit_huge_patch14_224.mae", "h")],
)
def test_timm_has_mae_weights_whose_entries_fit(name, size):
    backbone = without_weights(f"simpleclick_vit{size}").backbone
    assert TIMM_NAMES[backbone.channels, backbone.patch] == name and timm.is_model_pretrained(name)
    with torch.device("meta"):
        theirs = timm.create_model(name, pretrained=False).state_dict()
    ours = {
        key: value.shape for key, value in backbone.state_dict().items() if not key.startswith(("fc_norm.", "head."))
    }
    unread = {key for key in theirs if key not in ours}
    assert all(key.startswith(UNREAD) for key in unread)
    assert {key: value.shape for key, value in theirs.items() if key not in (*unread, "pos_embed")} == {
        key: shape for key, shape in ours.items() if key != "pos_embed"
    }


def test_attention_runs_in_a_fused_kernel(network):
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        network(torch.rand(1, 4, 64, 64), torch.full((1, 2, 3), -1.0))
    calls = {event.key: event.count for event in profile.key_averages()}
    fused = [key for key in calls if "scaled_dot_product" in key and ("flash" in key or "efficient" in key)]
    assert sum(calls[key] for key in fused) == len(network.backbone.blocks)
    assert "aten::softmax" not in calls and "aten::_softmax" not in calls


def test_windows_are_copied_once_in_and_once_out():
    """Twelve blocks change between windows and the whole image four times, by views."""
    backbone = VisionTransformer((448, 448), 16, channels=8, depth=12, heads=1).eval().requires_grad_(False)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        backbone(torch.zeros(1, 3, 448, 448), torch.zeros(1, 8, 28, 28))
    calls = {event.key: event.count for event in profile.key_averages()}
    assert calls["aten::clone"] == 2
    assert calls["aten::copy_"] == 2 + calls["aten::addmm"]  # a linear layer copies its bias


@pytest.mark.parametrize("name", ["simpleclick_vit_xtiny", "segnext_vit_tiny"])
def test_training_goes_on_at_another_input_size(name, tmp_path):
    small, large = (build_model(name, **TINY | {"img_size": (side, side)}) for side in (64, 96))
    save_checkpoint(small, tmp_path / "small.pth")
    start_from(large, tmp_path / "small.pth")
    resized = small.backbone.positions((6, 6)).flatten(2).transpose(1, 2)  # (1, 36, channels)
    for key, value in large.state_dict().items():
        if key == "backbone.pos_embed":
            torch.testing.assert_close(value[:, 1:], resized, rtol=0, atol=0)
        else:
            assert torch.equal(value, small.state_dict()[key]), key


def test_weights_of_a_wider_network_do_not_start_a_training(network, tmp_path):
    save_checkpoint(build_model("simpleclick_vit_xtiny", **TINY | {"embed_dim": 48}), tmp_path / "wide.pth")
    with pytest.raises(InputError, match=r"wide\.pth does not fit the network simpleclick_vit_xtiny"):
        start_from(network, tmp_path / "wide.pth")
