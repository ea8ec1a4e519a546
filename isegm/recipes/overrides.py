"""Other values for fields of a recipe, for one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from isegm.utils.errors import InputError
from isegm.utils.text_values import numeric
from isegm.utils.yaml_files import parse_yaml

T = TypeVar("T")


def with_fields(recipe: T, settings: Sequence[str]) -> T:
    """Return a recipe with other values of some fields.

    Args:
        recipe: a dataclass.
        settings: FIELD=VALUE with VALUE as YAML has it, such as ``ema=null`` or ``crop=[256, 256]``; a dot leads into a
            part of the recipe, as in ``sampler.merge_all_prob=0.1``.

    Raises:
        InputError: there is no such field, or the value does not fit it.
    """
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise InputError(f"--set {setting} must be FIELD=VALUE, such as --set ema=null.")
        try:
            recipe = _with(recipe, name.split("."), _frozen(parse_yaml(text, f"--set {setting}")), name)
        except InputError:
            raise
        except (ValueError, TypeError) as error:
            raise InputError(f"--set {setting} does not fit: {' '.join(str(error).split())}.") from error
    return recipe


def _with(part: Any, names: Sequence[str], value: Any, path: str) -> Any:
    """Return a part of the recipe in which the field that ``names`` lead to has another value."""
    name, *inner = names
    if isinstance(part, Mapping):
        known = {str(key): key for key in part}
    elif is_dataclass(part) and not isinstance(part, type):
        known = {field.name: field.name for field in fields(part) if field.init}
    else:
        raise InputError(f"--set {path} leads into a value without fields: name a field before that.")
    if name not in known:
        raise InputError(f"the recipe has no {path}: there are {', '.join(known)}.")
    key = known[name]
    before = part[key] if isinstance(part, Mapping) else getattr(part, key)
    after = _with(before, inner, value, path) if inner else value
    return {**part, key: after} if isinstance(part, Mapping) else replace(part, **{key: after})


def _frozen(value: Any) -> Any:
    """Return a value of YAML with tuples instead of lists, as recipes have them, and numbers such as 1e-3."""
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    return {key: _frozen(inner) for key, inner in value.items()} if isinstance(value, dict) else numeric(value)
