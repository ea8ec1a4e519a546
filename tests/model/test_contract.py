"""What networks say of themselves is what they can do."""

import pytest
import torch

from isegm import InputError, list_models
from tests.networks import without_weights

CROPS = torch.zeros(1, 3, 64, 64), torch.full((1, 2, 3), -1.0)


@pytest.mark.parametrize("name", list_models())
def test_a_network_refines_and_diffuses_if_it_says_so_and_else_tells_which_do(name):
    network = without_weights(name)
    logits = torch.zeros(1, 1, 64, 64)
    if not network.has_refiner:
        with pytest.raises(InputError, match="has no refiner: take a network of FocalClick"):
            network.refine(*CROPS, logits, logits, torch.zeros(1, 5))
    if not network.has_diffusion:
        with pytest.raises(InputError, match="has no pixel diffusion: take a network of CDNet"):
            network.diffuse(CROPS[0], logits, CROPS[1])
    assert network.has_refiner == (network.protocol == "focalclick")
    assert network.has_diffusion == (network.protocol == "cdnet")
