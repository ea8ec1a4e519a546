"""Layers and tensor operations that networks share."""

import pytest
import torch
from torch import nn

from isegm.model.layers import dilated_by_phases


@pytest.mark.parametrize(("dilation", "kernel", "size"), [(2, 3, (20, 16)), (4, 3, (13, 19)), (3, 5, (7, 5))])
def test_a_dilated_convolution_by_its_grids_of_pixels_is_the_same(dilation, kernel, size):
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 6, kernel, 1, dilation * (kernel // 2), dilation, groups=6, bias=False)
    x, upstream = torch.randn(2, 6, *size, requires_grad=True), torch.randn(2, 6, *size)
    expected, found = conv(x), dilated_by_phases(conv, x)
    torch.testing.assert_close(found, expected)
    gradients = (torch.autograd.grad(y, (x, conv.weight), upstream) for y in (expected, found))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
