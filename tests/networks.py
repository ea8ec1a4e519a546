"""Registered networks, for the tests that run over them."""

import functools

import pytest
import torch

from isegm.cli.models import meta_networks
from isegm.model import ClickModel, list_models

# Those of another width or pipeline than a lighter one, in whose layers they are alike
TWINS = ("emcclick_hrnet18", "focalclick_hrnet18s_s1", "focalclick_segformerb1_s2", "ritm_hrnet18")
LIGHT = 25_000_000  # parameters; a larger network of the same class shows nothing that a smaller one does not


@functools.cache
def without_weights(name: str) -> ClickModel:
    """A registered network on the meta device: shapes, but no memory and no time."""
    return meta_networks([name])[name].eval()


def parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@functools.cache
def light_models() -> list[str]:
    """Names of the networks that tests give weights: the light ones, and of every class the lightest."""
    sizes = {name: parameters(without_weights(name)) for name in list_models()}
    lightest = {type(without_weights(name)): name for name in sorted(sizes, key=sizes.get, reverse=True)}
    return [name for name in sizes if sizes[name] < LIGHT or name in lightest.values()]


def light_parameters() -> list:
    """``light_models`` to parametrise a test with; those that are like another wait for ``--all``."""
    return [pytest.param(name, marks=pytest.mark.long if name in TWINS else ()) for name in light_models()]
