"""Registered networks, for the tests that run over them."""

import functools

import torch

from isegm.model import ClickModel, build_model, list_models

LIGHT = 25_000_000  # parameters; a larger network of the same class shows nothing that a smaller one does not


@functools.cache
def without_weights(name: str) -> ClickModel:
    """A registered network on the meta device: shapes, but no memory and no time."""
    with torch.device("meta"):
        return build_model(name).eval()


def parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@functools.cache
def light_models() -> list[str]:
    """Names of the networks that tests give weights: the light ones, and of every class the lightest."""
    sizes = {name: parameters(without_weights(name)) for name in list_models()}
    lightest = {type(without_weights(name)): name for name in sorted(sizes, key=sizes.get, reverse=True)}
    return [name for name in sizes if sizes[name] < LIGHT or name in lightest.values()]
