"""Convolutions of maps of several sizes, without resizing the coarse ones first."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from isegm import build_model
from isegm.benchmarks.published_layouts import in_published_layout
from isegm.model.aggregation import ConvOfMaps
from isegm.model.inference_form import in_inference_form
from isegm.model.layers import resize

CHANNELS = (6, 12, 24, 48)


def maps_of(height, width):
    """Maps as HRNet's, for an image whose fine maps have this size."""
    sizes = [(-(-height // 2**i), -(-width // 2**i)) for i in range(4)]
    generator = torch.Generator().manual_seed(height)
    return [torch.randn(2, c, *size, generator=generator) for c, size in zip(CHANNELS, sizes, strict=True)]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("size", [(32, 32), (25, 50), (33, 47), (8, 9), (3, 2), (1, 1)])
def test_it_is_a_convolution_of_the_resized_and_concatenated_maps(size, bias):
    torch.manual_seed(0)
    maps = maps_of(*size)
    joined = torch.cat([resize(x, size) for x in maps], dim=1)
    for kernel in (1, 3):
        conv = ConvOfMaps(sum(CHANNELS), 10, kernel, bias=bias)
        torch.testing.assert_close(conv(maps), conv(joined), rtol=1e-4, atol=1e-5)


def test_coarse_maps_of_any_size_are_taken():
    torch.manual_seed(0)
    maps = [torch.randn(1, 4, 40, 30), torch.randn(1, 4, 7, 30), torch.randn(1, 4, 1, 5), torch.randn(1, 4, 2, 1)]
    conv = ConvOfMaps(16, 5, 3)
    expected = conv(torch.cat([resize(x, (40, 30)) for x in maps], dim=1))
    torch.testing.assert_close(conv(maps), expected, rtol=1e-4, atol=1e-5)


def test_gradients_are_the_same():
    torch.manual_seed(0)
    maps = [x.requires_grad_() for x in maps_of(24, 36)]
    for kernel in (1, 3):
        conv = ConvOfMaps(sum(CHANNELS), 10, kernel)
        joined = torch.cat([resize(x, (24, 36)) for x in maps], dim=1)
        upstream = torch.randn(2, 10, 24, 36)
        results = conv(maps), conv(joined)
        both = (torch.autograd.grad(y, (*maps, *conv.parameters()), upstream) for y in results)
        for one, other in zip(*both, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def multiplications(network):
    """In evaluation, of one image."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 4, 128, 128), torch.full((1, 2, 3), -1.0))
    return counter.get_total_flops()


def test_hrnet_multiplies_less_than_in_the_published_layout():
    network = build_model("ritm_hrnet18s").eval()
    assert multiplications(network) < 0.74 * multiplications(in_published_layout(network))


@pytest.mark.parametrize(("name", "share"), [("clickseg_mobilenetv2", 0.89), ("clickseg_efficientnetb0", 0.95)])
def test_light_networks_multiply_less_in_their_form_for_inference(name, share):
    network = build_model(name).eval()
    assert multiplications(in_inference_form(network)) < share * multiplications(network)
