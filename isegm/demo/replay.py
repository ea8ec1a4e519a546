"""What the lines of a journal mean: their declared form, and the work that comes of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from isegm.annotations.region import LONGEST_SIDE
from isegm.clicks import clicks_from_xy
from isegm.demo.actions import OUTCOMES, PROMPTS, VALUES, Action, carry_out, outcome_from_json
from isegm.demo.document import Document, History
from isegm.prompts import require_drawable
from isegm.utils.schema import Anything, Fields, Flag, Kind, Row, Table, Text, Whole, mismatch

APPLICATION = "isegm"
WRONG = (ValueError, RecursionError)  # InputError is a ValueError
HEADER = Fields(
    {APPLICATION: Whole(), "picture": Text(), "size": Row(Whole(1, LONGEST_SIDE), Whole(1, LONGEST_SIDE))},
    {"sha256": Text(), "pixels": Text()},
    Anything(),
)
REQUEST = Fields({"id": Whole(1), "do": Text(tuple(VALUES)), "values": Table(Anything())}, {"again": Flag()})
REFERENCE = Whole(1)  # to the id of a request


@dataclass
class RecoveredWork:
    """The work in a journal file.

    Attributes:
        history: the document with its undo history.
        unfinished: requested actions that were neither carried out nor withdrawn, by id and in order.
        last_id: id of the last action.
        length: bytes of the complete lines before the first damaged one.
        damage: description of that damage; "" for none.
        lost: number of complete lines from the damaged one on.
    """

    history: History
    unfinished: dict[int, Action]
    last_id: int = 0
    length: int = 0
    damage: str = ""
    lost: int = 0

    @property
    def threshold(self) -> float | None:
        """The threshold of the last action that is unfinished, or of the object in progress; None for none."""
        asked = [action.values["threshold"] for action in self.unfinished.values() if "threshold" in action.values]
        draft = self.history.present.draft
        return asked[-1] if asked else None if draft is None else draft.threshold


def replayed(lines: list[bytes], checked: bool = True) -> tuple[dict[str, Any], RecoveredWork, int, str]:
    """Carry out the lines of a journal until the first damaged one.

    Args:
        lines: without line ends.
        checked: unpack all masks; else those that nobody uses may be damaged.

    Returns:
        the first line, {} if it is damaged; the work; the number of readable lines; and what is wrong with the next
        one, "" if all are readable. The damaged line may have been applied in part.
    """
    header: dict[str, Any] = {}
    kept = RecoveredWork(History(Document((0, 0))), {})
    read, damage = 0, ""
    try:
        for text in lines:
            line = json.loads(text)
            if read == 0:
                _require(line, HEADER)
                kept = RecoveredWork(History(Document(tuple(line["size"]))), {})
                header = line
            else:
                _read_line(kept, line, checked)
            read += 1
    except WRONG as error:
        damage = f"in line {read + 1} ({error})"
    return header, kept, read, damage


def _read_line(kept: RecoveredWork, line: Any, checked: bool) -> None:
    history = kept.history
    _require(line, Table(Anything()))
    if "do" in line:
        _require(line, REQUEST)
        _require(line["values"], VALUES[line["do"]], "values")
        action = Action(line["do"], line["values"])
        if action.kind == "click":
            values = action.values
            clicks_from_xy([(values["x"], values["y"])], [values["positive"]], history.present.size)
        elif action.kind in PROMPTS:
            require_drawable(action.prompt, history.present.size)
        kept.last_id = line["id"]
        kept.unfinished[kept.last_id] = action
        if line.get("again"):
            if not isinstance(history.next, Action):
                raise ValueError("there is nothing to redo")
            history.resume()
        elif action.forward:
            history.branch()
    elif "of" in line:
        action = _named(kept, line["of"])
        outcome = {key: value for key, value in line.items() if key != "of"}
        _require(outcome, OUTCOMES.get(action.kind, Fields({})))
        carry_out(history, action, outcome_from_json(history.present.size, outcome, checked))
    elif "undone" in line:
        history.postpone(_named(kept, line["undone"]))
    else:
        _require(line, Fields({"dropped": REFERENCE}))
        _named(kept, line["dropped"])


def _require(value: Any, kind: Kind, key: str = "") -> None:
    """Check a part of a line.

    Raises:
        ValueError: it is of another kind.
    """
    wrong = mismatch(value, kind, key)
    if wrong is not None:
        raise ValueError(wrong)


def _named(kept: RecoveredWork, identity: Any) -> Action:
    """Remove and return the request that a line refers to.

    Raises:
        ValueError: there is none.
    """
    _require(identity, REFERENCE, "the reference")
    if identity not in kept.unfinished:
        raise ValueError(f"no action {identity} is waiting")
    return kept.unfinished.pop(identity)
