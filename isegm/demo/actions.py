"""Actions of the user on a document, as plain data for the journal, and their effect on the history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from isegm.annotations import AnnotatedObject, Region
from isegm.annotations.objects import MAX_NUMBER
from isegm.annotations.region import REGION
from isegm.clicks import Click
from isegm.demo.document import KEEP, Document, History, Move, Selected
from isegm.prompts import Prompt
from isegm.utils.schema import Fields, Flag, Items, Kind, Number, Row, Text, Whole

Outcome = (
    Selected | tuple[AnnotatedObject, ...] | None
)  # the part of an action's effect that comes from the network or a file


@dataclass(frozen=True, eq=False)
class Action:
    """One action of the user.

    Attributes:
        kind: a key of ``CHANGES``, or "undo", "redo" or "threshold".
        values: its parameters: strings, numbers, booleans and lists of them; those of NumPy become plain ones.
    """

    kind: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", {key: _plain(value) for key, value in self.values.items()})

    @classmethod
    def of_click(cls, click: Click) -> Action:
        row, column = click.coords
        return cls("click", {"x": float(column), "y": float(row), "positive": click.is_positive})

    @property
    def click(self) -> Click:
        """The click of an action of kind "click"."""
        return Click(self.values["positive"], (self.values["y"], self.values["x"]))

    @classmethod
    def of_prompt(cls, prompt: Prompt) -> Action:
        """The action of drawing a box, a scribble, or a polygon, which is a lasso."""
        values: dict[str, Any] = {"points": [[float(x), float(y)] for y, x in prompt.path]}
        if prompt.kind == "scribble":
            values["positive"] = prompt.is_positive
        return cls(DRAWN_BY[prompt.kind], values)

    @property
    def prompt(self) -> Prompt:
        """The box, scribble or lasso of an action that draws one."""
        path = tuple((y, x) for x, y in self.values["points"])
        return Prompt(PROMPTS[self.kind], path, self.values.get("positive", True))

    @property
    def move(self) -> Move:
        """The click, the box, scribble or lasso, or ``KEEP`` for a partial finish."""
        if self.kind in PROMPTS:
            return self.prompt
        return KEEP if self.kind == KEEP else self.click

    @property
    def forward(self) -> bool:
        """Whether the action is new, so that redo is no longer possible."""
        return self.kind in CHANGES


PROMPTS = {"box": "box", "scribble": "scribble", "lasso": "polygon"}  # the prompt of each kind of action that draws one
DRAWN_BY = {prompt: kind for kind, prompt in PROMPTS.items()}
MOVES = ("click", *PROMPTS)  # kinds of actions on which the network runs

# For each kind of action the new document, from the old one, the action and its outcome.
CHANGES: dict[str, Callable[[Document, Action, Any], Document]] = {
    "click": lambda document, action, selected: document.moved(action.move, selected),
    **dict.fromkeys(PROMPTS, lambda document, action, selected: document.moved(action.move, selected)),
    KEEP: lambda document, action, selected: document if selected is None else document.moved(KEEP, selected),
    "mask": lambda document, action, selected: document.with_draft(selected),
    "import": lambda document, action, objects: document.imported(objects),
    "color": lambda document, action, _: document.colored(tuple(action.values["color"])),
    "finish": lambda document, action, _: document.concluded(**{"on_top": False, **action.values}),
    "reset": lambda document, action, _: document.abandoned(),
    "reopen": lambda document, action, _: document.reopened(**action.values),
    "remove": lambda document, action, _: document.removed(action.values["number"]),
    "edit": lambda document, action, _: _edited(document, action),
}

_NUMBER = Whole(1, MAX_NUMBER)
_COLOR = Row(*3 * (Whole(0, 255),))
_THRESHOLD = Number(0, 1)
_POINT = Row(Number(), Number())
_ATTRIBUTES: dict[str, Kind] = {"name": Text(), "category": Text(), "protected": Flag()}

# For each kind of action what its values must be when they are read from a file.
VALUES: dict[str, Kind] = {
    "click": Fields({"x": Number(), "y": Number(), "positive": Flag()}, {"threshold": _THRESHOLD}),
    "box": Fields({"points": Items(_POINT, least=2, most=2)}, {"threshold": _THRESHOLD}),
    "scribble": Fields({"points": Items(_POINT, least=2), "positive": Flag()}, {"threshold": _THRESHOLD}),
    "lasso": Fields({"points": Items(_POINT, least=3)}, {"threshold": _THRESHOLD}),
    KEEP: Fields({}, {"threshold": _THRESHOLD}),
    "mask": Fields({"path": Text()}, {"threshold": _THRESHOLD}),
    "import": Fields({"path": Text()}),
    "color": Fields({"color": _COLOR}),
    "finish": Fields({}, {**_ATTRIBUTES, "on_top": Flag()}),  # without it in journals of earlier versions
    "reset": Fields({}),
    "reopen": Fields({"number": _NUMBER, "threshold": _THRESHOLD}),
    "remove": Fields({"number": _NUMBER}),
    "edit": Fields({"number": _NUMBER}, {**_ATTRIBUTES, "color": _COLOR}),
    "undo": Fields({}),
    "redo": Fields({}),
    "threshold": Fields({}, {"threshold": _THRESHOLD}),  # without it in journals of earlier versions
}

_SELECTED = Fields({"region": REGION, "threshold": _THRESHOLD})
_OBJECT = Fields({**_ATTRIBUTES, "number": _NUMBER, "color": _COLOR, "region": REGION})

# What the outcome of an action must be when it is read from a file; none for kinds that are not listed.
OUTCOMES: dict[str, Kind] = {
    **dict.fromkeys(MOVES, _SELECTED),
    KEEP: _SELECTED | Fields({}),
    "mask": _SELECTED,
    "import": Fields({"objects": Items(_OBJECT, most=MAX_NUMBER)}),
    "threshold": _SELECTED,
}


def carry_out(history: History, action: Action, outcome: Outcome = None) -> None:
    """Apply an action to the history.

    Args:
        outcome: ``Selected`` for a click, partial finish, loaded mask or changed threshold; the objects of an import;
            None for others, and for a partial finish without an object in progress, which changes nothing.

    Raises:
        InputError: the document does not allow the action; it is unchanged.
    """
    if action.kind == "undo":
        history.undo()
    elif action.kind == "redo":
        history.redo()
    elif action.kind == "threshold":
        draft = history.present.draft
        if draft is not None:
            if not isinstance(outcome, Selected):
                raise TypeError("a change of threshold needs a selection as its outcome")
            draft = replace(draft, region=outcome.region, threshold=outcome.threshold)
            history.replace(replace(history.present, draft=draft))
    else:
        history.add(CHANGES[action.kind](history.present, action, outcome))


def _plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def _edited(document: Document, action: Action) -> Document:
    values: dict[str, Any] = dict(action.values)
    if "color" in values:
        values["color"] = tuple(values["color"])
    return document.edited(**values)


def outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    """An outcome as plain data."""
    if outcome is None:
        return {}
    if isinstance(outcome, Selected):
        return {"region": outcome.region.to_json(), "threshold": outcome.threshold}
    objects = [
        {
            "number": item.number,
            "name": item.name,
            "category": item.category,
            "color": list(item.color),
            "protected": item.protected,
            "region": item.region.to_json(),
        }
        for item in outcome
    ]
    return {"objects": objects}


def outcome_from_json(size: tuple[int, int], content: Mapping[str, Any], checked: bool = True) -> Outcome:
    """The outcome from the data of ``outcome_to_json``, for an image of ``size`` (H, W).

    Args:
        content: passes the check of ``OUTCOMES``.
        checked: unpack all masks, see ``Region.from_json``.

    Raises:
        ValueError: a mask does not fit into the image, or an object is refused by ``AnnotatedObject``.
    """
    if "region" in content:
        return Selected(Region.from_json(size, content["region"], checked), float(content["threshold"]))
    if "objects" in content:
        regions = [Region.from_json(size, item["region"], checked) for item in content["objects"]]
        return tuple(
            AnnotatedObject(**item | {"region": region, "color": tuple(item["color"])})
            for item, region in zip(content["objects"], regions, strict=True)
        )
    return None
