"""Networks by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from isegm.model.click_model import ClickModel
from isegm.utils.errors import InputError
from isegm.utils.log import escaped
from isegm.utils.plugins import load_installed_plugins
from isegm.utils.schema import Flag, Items, Kind, Nothing, Number, Row, check, shown
from isegm.utils.spelling import nearest

# Constructor arguments of which a network takes wrong values without a word, and what a file may give for them.
_CHANNELS = Items(Number(-1e6, 1e6), 3, 3)
STORED_ARGUMENTS: dict[str, Kind] = {
    **dict.fromkeys(("with_prev_mask", "with_aux_output", "binary_prev_mask", "use_disks", "use_leaky_relu"), Flag()),
    **dict.fromkeys(("use_rgb_conv", "conv_extend", "small"), Flag()),
    "norm_radius": Number(above=0, most=10_000),
    "aspp_dropout": Number(0, 1),
    "backbone_lr_mult": Number(0, 1_000_000),
    "norm_mean_std": Row(_CHANNELS, Items(Number(above=0, most=1e6), 3, 3)) | Nothing(),
}
_BUILDERS: dict[str, tuple[type[ClickModel], dict[str, Any]]] = {}


def register_model(name: str, **preset: Any) -> Callable[[type[ClickModel]], type[ClickModel]]:
    """Register a class (as a decorator): ``build_model(name)`` constructs it with ``preset`` as keyword arguments."""

    def register(cls: type[ClickModel]) -> type[ClickModel]:
        if name in _BUILDERS:
            raise ValueError(f"two networks are registered as {name}")
        _BUILDERS[name] = (cls, preset)
        return cls

    return register


def list_models() -> list[str]:
    """List the names of all registered networks, sorted; those of installed plugins too."""
    load_installed_plugins()
    return sorted(_BUILDERS)


def argument_names(name: str) -> list[str]:
    """List the names of the constructor arguments of a registered network."""
    return _BUILDERS[name][0].argument_names()


def build_model(name: str, **overrides: Any) -> ClickModel:
    """Construct a network by its registered name, with random weights.

    Args:
        name: one of ``list_models()``.
        overrides: constructor arguments that differ from the registered ones.

    Raises:
        InputError: no such network (the nearest name is suggested), an argument that it does not take, or one of
            another kind or out of its range.
    """
    try:
        return _constructed(name, overrides)
    except InputError:
        raise
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RuntimeError) as error:
        if not overrides:
            raise
        given = ", ".join(f"{key}={shown(value)}" for key, value in sorted(overrides.items()))
        raise InputError(f"the network {name} cannot be built with {given} ({type(error).__name__}).") from error


def _constructed(name: str, overrides: Mapping[str, Any]) -> ClickModel:
    if not isinstance(name, str) or (name not in _BUILDERS and name not in list_models()):
        near = nearest(str(name), list_models())
        hint = (
            f"did you mean {near}?"
            if near
            else "isegm models lists those that there are; --plugin names the module of another."
        )
        raise InputError(f"there is no network named {escaped(str(name))}: {hint}")
    cls, preset = _BUILDERS[name]
    unknown = sorted(set(overrides) - set(cls.argument_names()))
    if unknown:
        raise InputError(f"the network {name} takes no argument named {', '.join(unknown)}: see {cls.__name__}.")
    model = cls(**{**preset, **overrides})
    model.config = {"model": name, "params": dict(overrides)}
    return model


def build_stored_model(name: str, params: Mapping[str, Any], path: str | Path) -> ClickModel:
    """Construct a network from a name and arguments that a file holds; see ``build_model``.

    Raises:
        InputError: for whatever is wrong with the name or the arguments, with the path of the file in front.
    """
    for argument, kind in STORED_ARGUMENTS.items():
        if argument in params:
            check(params[argument], kind, path, f"config.params.{argument}")
    try:
        return _constructed(name, params)
    except InputError as error:
        raise InputError(f"{path} asks for a network that cannot be built: {error}") from error
    except Exception as error:  # a damaged value fails wherever the constructor first uses it
        reason = str(error).splitlines()[:1]
        raise InputError(
            f"{path} asks for a network that cannot be built ({': '.join([type(error).__name__, *reason])}): "
            "its configuration is damaged."
        ) from error
