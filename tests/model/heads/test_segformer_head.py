"""SegFormer's decode head on its own."""

import pytest
import torch
import torch.nn.functional as F

from isegm.model.heads.segformer_head import DecodeHead


@pytest.mark.parametrize("training", [False, True])
def test_the_head_fuses_the_stages_from_the_last_to_the_first_as_one_convolution_of_all(training):
    torch.manual_seed(0)
    head = DecodeHead((2, 3, 4, 5), 6, dropout=0).train(training).requires_grad_(False)
    maps = [torch.rand(2, channels, 8 // 2**i, 16 // 2**i) for i, channels in enumerate((2, 3, 4, 5))]
    layers = (head.linear_c4, head.linear_c3, head.linear_c2, head.linear_c1)
    resized = [
        F.interpolate(layer(x), size=(8, 16), mode="bilinear") for layer, x in zip(layers, reversed(maps), strict=True)
    ]
    expected = head.linear_fuse.bn(head.linear_fuse.conv(torch.cat(resized, dim=1))).relu()
    logits, fused = head(maps)
    torch.testing.assert_close(fused, expected)
    torch.testing.assert_close(logits, head.linear_pred(expected))


def test_features_for_the_refiner_are_those_behind_the_dropout():
    torch.manual_seed(0)
    head = DecodeHead((2, 3, 4, 5), 64, dropout=0.5).train()
    with torch.no_grad():
        head.linear_fuse.bn.bias.fill_(3)
        _, fused = head([torch.rand(1, channels, 8 // 2**i, 8 // 2**i) for i, channels in enumerate((2, 3, 4, 5))])
    dropped = (fused == 0).flatten(2).all(dim=2)
    assert 10 < int(dropped.sum()) < 54
