"""Other values for fields of a recipe, for one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

from isegm.utils.errors import InputError
from isegm.utils.text_values import numeric
from isegm.utils.yaml_files import parse_yaml

T = TypeVar("T")


@dataclass(frozen=True)
class _Value:
    """A value that a field gets."""

    value: Any


def with_fields(recipe: T, settings: Sequence[str]) -> T:
    """Return a recipe with other values of some fields, all of which change together.

    Args:
        recipe: a dataclass.
        settings: FIELD=VALUE with VALUE as YAML has it, such as ``ema=null`` or ``crop=[256, 256]``; a dot leads into a
            part of the recipe, as in ``sampler.merge_all_prob=0.1``. Of a field that is given twice the last counts.

    Raises:
        InputError: there is no such field, or the value does not fit it.
    """
    changes: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise InputError(f"--set {setting} must be FIELD=VALUE, such as --set ema=null.")
        *parts, last = name.split(".")
        within = changes
        for part in parts:
            within = within.setdefault(part, {})
            if isinstance(within, _Value):
                raise InputError(f"--set {setting} leads into a value that another --set gives: write it there.")
        within[last] = _Value(_frozen(parse_yaml(text, f"--set {setting}")))
    try:
        return recipe if not changes else _with(recipe, changes, "")
    except InputError:
        raise
    except (ValueError, TypeError) as error:
        given = " ".join(f"--set {setting}" for setting in settings)
        fits = "does" if len(settings) == 1 else "do"
        raise InputError(f"{given} {fits} not fit: {' '.join(str(error).split())}.") from error


def _with(part: Any, changes: Mapping[str, Any], path: str) -> Any:
    """Return a part of the recipe in which fields have other values, each a ``_Value`` or changes of a part of it."""
    if isinstance(part, Mapping):
        known = {str(key): key for key in part}
    elif is_dataclass(part) and not isinstance(part, type):
        known = {field.name: field.name for field in fields(part) if field.init}
    else:
        raise InputError(
            f"--set {path}{next(iter(changes))} leads into a value without fields: name a field before that."
        )
    after = {}
    for name, change in changes.items():
        if name not in known:
            raise InputError(f"the recipe has no {path}{name}: there are {', '.join(known)}.")
        key = known[name]
        before = part[key] if isinstance(part, Mapping) else getattr(part, key)
        after[key] = change.value if isinstance(change, _Value) else _with(before, change, f"{path}{name}.")
    return {**part, **after} if isinstance(part, Mapping) else replace(part, **after)


def _frozen(value: Any) -> Any:
    """Return a value of YAML with tuples instead of lists, as recipes have them, and numbers such as 1e-3."""
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    return {key: _frozen(inner) for key, inner in value.items()} if isinstance(value, dict) else numeric(value)
