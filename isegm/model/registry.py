"""Networks by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

from isegm.model.base import ClickModel
from isegm.utils.errors import InputError

_BUILDERS: dict[str, tuple[type[ClickModel], dict[str, Any]]] = {}


def register_model(name: str, **preset: Any) -> Callable[[type[ClickModel]], type[ClickModel]]:
    """Class decorator: ``build_model(name)`` constructs the class with ``preset`` as keyword arguments."""

    def register(cls: type[ClickModel]) -> type[ClickModel]:
        if name in _BUILDERS:
            raise ValueError(f"two networks are registered as {name}")
        _BUILDERS[name] = (cls, preset)
        return cls

    return register


def list_models() -> list[str]:
    """Names of all registered networks, sorted."""
    return sorted(_BUILDERS)


def build_model(name: str, **overrides: Any) -> ClickModel:
    """Construct a network by its registered name, with random weights.

    Args:
        name: one of ``list_models()``.
        overrides: constructor arguments that differ from the registered ones.

    Raises:
        InputError: no such network (the nearest name is suggested), or an argument that it does not take.
    """
    if name not in _BUILDERS:
        near = difflib.get_close_matches(str(name), list_models(), n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(list_models())}."
        raise InputError(f"there is no network named {name}: {hint}")
    cls, preset = _BUILDERS[name]
    unknown = sorted(set(overrides) - set(cls.argument_names()))
    if unknown:
        raise InputError(f"the network {name} takes no argument named {', '.join(unknown)}: see {cls.__name__}.")
    model = cls(**{**preset, **overrides})
    model.config = {"model": name, "params": dict(overrides)}
    return model
