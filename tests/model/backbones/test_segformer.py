"""SegFormer's parts on their own; tests/model/test_focalclick.py compares the whole with the published code."""

import pytest
import torch
from torch import nn

from isegm import InputError
from isegm.model.backbones.segformer import DROP_PATH, VERSIONS, EfficientAttention, MixTransformer
from isegm.model.layers import to_map, to_tokens
from isegm.model.segmentors import SegFormer
from tests.networks import parameters


@pytest.fixture
def backbone():
    torch.manual_seed(0)
    return MixTransformer(VERSIONS["b0"], 3).eval()


# millions of parameters of backbone and head as Xie et al. 2021 print them (table 1a); their head has 150 classes
@pytest.mark.parametrize(
    ("name", "size", "head"),
    [("b0", 3.4, 0.4), ("b1", 13.1, 0.6), ("b2", 24.2, 3.3), ("b3", 44.0, 3.3), ("b4", 60.8, 3.3), ("b5", 81.4, 3.3)],
)
def test_sizes_are_those_of_the_paper(name, size, head):
    with torch.device("meta"):
        network = SegFormer(name, 3)
    own = parameters(network.backbone) - parameters(network.backbone.patch_embed_side1)
    assert own / 1e6 == pytest.approx(size, abs=0.15)


def test_an_unknown_version_is_named():
    with pytest.raises(InputError, match="no SegFormer 'b6': known are b0, b1"):
        SegFormer("b6", 3)


@pytest.mark.parametrize("size", [(64, 96), (75, 53), (32, 32)])
def test_maps_have_strides_4_to_32_and_sizes_are_rounded_up(backbone, size):
    maps = backbone(torch.rand(2, 3, *size), torch.rand(2, 3, *size))
    expected = [
        (2, channels, *(-(-side // stride) for side in size))
        for channels, stride in zip(VERSIONS["b0"].channels, (4, 8, 16, 32), strict=True)
    ]
    assert [tuple(x.shape) for x in maps] == expected


def test_clicks_reach_every_stage_but_the_first(backbone):
    image, side = torch.rand(1, 3, 64, 64), torch.zeros(1, 3, 64, 64)
    changed = side.clone()
    changed[:, 1, 20:30, 20:30] = 1
    same = [torch.equal(a, b) for a, b in zip(backbone(image, side), backbone(image, changed), strict=True)]
    assert same == [True, False, False, False]


def test_an_input_that_is_too_small_says_so(backbone):
    with pytest.raises(InputError, match="given 31x64 pixels: make the network's input larger"):
        backbone(torch.rand(1, 3, 31, 64), torch.rand(1, 3, 31, 64))


def test_norms_have_the_published_epsilons(backbone):
    small = {name for name, m in backbone.named_modules() if isinstance(m, nn.LayerNorm) and m.eps == 1e-6}
    norms = {name for name, m in backbone.named_modules() if isinstance(m, nn.LayerNorm)}
    assert {name for name in norms if is_inner(name)} == norms - small
    assert all(backbone.get_submodule(name).eps == 1e-5 for name in norms - small)


def is_inner(name):
    return name.startswith("patch_embed") or name.endswith("attn.norm")


@pytest.mark.parametrize("reduction", [1, 2])
def test_attention_is_that_of_every_token_to_the_reduced_map(reduction):
    torch.manual_seed(0)
    attention, size = EfficientAttention(8, 2, reduction).requires_grad_(False), (4, 6)
    x = torch.randn(3, 24, 8)
    source = x
    if reduction > 1:
        source = attention.norm(to_tokens(attention.sr(to_map(x, size))))
    heads = []
    for head in range(2):
        columns = slice(4 * head, 4 * head + 4)
        query = attention.q(x)[..., columns]
        key, value = (part[..., columns] for part in attention.kv(source).chunk(2, dim=2))
        weights = (query @ key.transpose(1, 2) / 4**0.5).softmax(dim=2)
        assert weights.shape == (3, 24, 24 // reduction**2)
        heads.append(weights @ value)
    torch.testing.assert_close(attention(x, size), attention.proj(torch.cat(heads, dim=2)))


def test_tokens_are_rows_of_the_map():
    maps = torch.arange(24.0).view(1, 2, 3, 4)
    tokens = to_tokens(maps)
    assert tokens[0, 5].tolist() == maps[0, :, 1, 1].tolist()
    assert torch.equal(to_map(tokens, (3, 4)), maps)


def test_dropped_paths_are_whole_samples_and_keep_the_mean(backbone):
    torch.manual_seed(0)
    drop, x = backbone.block4[1].drop_path, torch.ones(4000, 2, 3)
    assert torch.equal(drop.eval()(x), x)
    out = drop.train()(x)
    assert torch.equal(out, out[:, :1, :1].expand_as(out))
    assert out.unique().tolist() == [0.0, pytest.approx(1 / (1 - DROP_PATH))]
    assert out.mean().item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("name", ["b0", "b3"])
def test_paths_are_dropped_more_and_more_often_from_the_first_block_to_the_last(name):
    with torch.device("meta"):
        backbone = MixTransformer(VERSIONS[name], 3)
    rates = [m.drop_prob for m in backbone.modules() if hasattr(m, "drop_prob")]
    steps = torch.tensor(rates).diff()
    assert len(rates) == sum(VERSIONS[name].blocks) and (rates[0], rates[-1]) == (0, pytest.approx(DROP_PATH))
    torch.testing.assert_close(steps, torch.full_like(steps, DROP_PATH / (len(rates) - 1)))


def test_weights_start_as_those_of_segformer(backbone):
    layer = backbone.block4[1].mlp.fc1
    assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05) and not layer.bias.any()
    for conv, fan_out in ((backbone.patch_embed3.proj, 9 * 160), (backbone.block4[0].mlp.dwconv.dwconv, 9)):
        assert conv.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.05) and not conv.bias.any()


# --- ImageNet weights


def imagenet_file(path, version="b0"):
    """What NVIDIA's files hold: the backbone without the side embedding, and a classifier."""
    torch.manual_seed(1)
    state = MixTransformer(VERSIONS[version], 3).state_dict()
    state = {key: torch.randn_like(value) for key, value in state.items() if not key.startswith("patch_embed_side1")}
    torch.save({**state, "head.weight": torch.zeros(1000, 256), "head.bias": torch.zeros(1000)}, path)
    return state


def test_imagenet_weights_fill_all_but_the_side_embedding(backbone, tmp_path):
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    state = imagenet_file(tmp_path / "mit_b0.pth")
    backbone.load_imagenet_weights(tmp_path / "mit_b0.pth")
    side = {key: value for key, value in before.items() if key.startswith("patch_embed_side1.")}
    assert len(side) == 4 and len(side) + len(state) == len(before)
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, {**state, **side}[key]), key


def test_imagenet_weights_of_another_size_are_refused(backbone, tmp_path):
    imagenet_file(tmp_path / "mit_b1.pth", "b1")
    with pytest.raises(InputError, match=r"mit_b1\.pth does not fit MixTransformer"):
        backbone.load_imagenet_weights(tmp_path / "mit_b1.pth")


def test_imagenet_weights_with_a_foreign_entry_are_refused(backbone, tmp_path):
    state = imagenet_file(tmp_path / "mit_b0.pth")
    torch.save({**state, "norm5.weight": torch.zeros(3)}, tmp_path / "mit_b0.pth")
    with pytest.raises(InputError, match=r"1 entries too many, first norm5\.weight"):
        backbone.load_imagenet_weights(tmp_path / "mit_b0.pth")
