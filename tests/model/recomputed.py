"""Gradients with activations kept and computed again."""

import copy

import torch

from isegm.model.recomputation import set_recomputation


def assert_recomputes(network, image, points):
    """Both ways give a network in training mode the same gradients."""
    again = copy.deepcopy(network)
    set_recomputation(again, True)
    gradients = []
    for one in (network, again):
        one(image, points)["instances"].square().mean().backward()
        gradients.append([p.grad for p in one.parameters() if p.grad is not None])
    assert gradients[0] and len(gradients[0]) == len(gradients[1])
    assert all(torch.equal(kept, computed) for kept, computed in zip(*gradients, strict=True))
