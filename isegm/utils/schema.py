"""Check the kinds of values that a file holds, once, where the file is read.

Declare what a file must hold as a tree of kinds, and check the decoded content (of JSON, YAML, a pickle or a
checkpoint) against it:

    STATE = Fields(
        {"epoch": Whole(least=0), "optimizer": Fields({"lr": Number(above=0)}, others=Anything())},
        optional={"amp": Text(choices=("bf16", "fp16")) | Nothing(), "clicks": Items(Row(Whole(0), Whole(0)))},
    )
    state = check(content["training"], STATE, path, key="training")

What is of another kind raises ``InputError`` with one sentence, such as ``training.epoch in last.pth must be a whole
number of at least 0, not 'x'.`` A reader of many records takes ``mismatch`` instead, which returns such words, so that
it can pass over one record. Numbers are finite, whole ones have at most 64 bits, a bool is no number, and values are
not converted. The check goes as deep as the declared kinds, or to ``DEPTH`` with ``Plain``: it ends, whatever is read.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isegm.utils.errors import InputError

DEPTH = 32  # containers within containers that ``Plain`` goes into
SHOWN = 40  # characters of a value that a message shows
LONGEST_KEY = 80  # the same of a key
LARGEST = 2**63 - 1
Key = tuple[str, ...]  # of a value within the content, from the outside in
Problem = tuple[Key, str]  # where, and "must be ..., not ..."


def check(value: Any, kind: Kind, file: str | Path, key: str = "") -> Any:
    """Return ``value`` as it is.

    Args:
        value: the decoded content of a file, or a part of it.
        kind: what it must be.
        file: named in the message.
        key: of this part within the file; "" for all of it.

    Raises:
        InputError: it is of another kind.
    """
    found = kind.problem(value, (key,) if key else ())
    if found is not None:
        at, words = found
        raise InputError(f"{_joined(at) or 'the content'} {'in' if at else 'of'} {file} {words}.")
    return value


def mismatch(value: Any, kind: Kind, key: str = "") -> str | None:
    """Say what is wrong with ``value``, as ``epoch must be a whole number, not 'x'``; None where it is of the kind."""
    found = kind.problem(value, (key,) if key else ())
    if found is None:
        return None
    at, words = found
    return f"{_joined(at) or 'the content'} {words}"


def shown(value: Any, longest: int = SHOWN) -> str:
    """Describe a value in a few printable characters, whatever it is; of a text at most ``longest``."""
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return repr(value if len(value) <= longest else f"{value[:longest]}...")
    if isinstance(value, numbers.Integral):
        return str(int(value)) if abs(int(value)) <= LARGEST else "a number of more than 64 bits"
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, Mapping):
        return f"a mapping of {len(value)} keys"
    if isinstance(value, (list, tuple, set, frozenset, bytes, bytearray)):
        return f"{type(value).__name__} of {len(value)}"
    return f"of the type {type(value).__name__}"


def _joined(key: Key) -> str:
    return "".join(part if part.startswith("[") else f".{part}" for part in key).removeprefix(".")


def _part(key: Any) -> str:
    """A key as a part of a message: plain words as they stand, anything else as ``shown`` has it."""
    plain = isinstance(key, str) and 0 < len(key) <= SHOWN and key.isprintable() and not set(key) & set(".[] '\"")
    return key if plain else f"[{shown(key, LONGEST_KEY)}]"


class Kind:
    """What a value must be. ``a | b`` is a value of either kind."""

    phrase: str = ""  # as it stands after "must be"

    def problem(self, value: Any, at: Key) -> Problem | None:
        """Return where and how ``value``, found at the key ``at``, differs; None where it is of this kind."""
        return None if self.fits(value) else (at, f"must be {self}, not {shown(value)}")

    def fits(self, value: Any) -> bool:
        """Whether a value is of this kind, for kinds without parts."""
        raise NotImplementedError

    def __or__(self, other: Kind) -> Kind:
        return _Either((self, other))

    def __str__(self) -> str:
        return self.phrase


@dataclass(frozen=True)
class _Either(Kind):
    kinds: tuple[Kind, ...]

    def problem(self, value: Any, at: Key) -> Problem | None:
        found = [kind.problem(value, at) for kind in self.kinds]
        problems = [problem for problem in found if problem is not None]
        if len(problems) < len(found):
            return None
        deepest = max(problems, key=lambda problem: len(problem[0]))
        return deepest if len(deepest[0]) > len(at) else (at, f"must be {self}, not {shown(value)}")

    def __or__(self, other: Kind) -> Kind:
        return _Either((*self.kinds, other))

    def __str__(self) -> str:
        return " or ".join(map(str, self.kinds))


class Anything(Kind):
    """No condition, for entries that nothing reads."""

    phrase = "anything"

    def fits(self, value: Any) -> bool:
        return True


class Nothing(Kind):
    """None, as an empty entry of YAML is."""

    phrase = "empty"

    def fits(self, value: Any) -> bool:
        return value is None


class Flag(Kind):
    """True or false."""

    phrase = "true or false"

    def fits(self, value: Any) -> bool:
        return isinstance(value, bool)


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number of at most 64 bits, between bounds that are included; NumPy's count too."""

    least: int = -LARGEST - 1
    most: int = LARGEST

    def fits(self, value: Any) -> bool:
        whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        return whole and self.least <= int(value) <= self.most

    def __str__(self) -> str:
        if self.least == self.most:
            return str(self.least)
        return "a whole number" + _bounds(self.least, self.most, -LARGEST - 1, LARGEST)


@dataclass(frozen=True)
class Number(Kind):
    """A finite number, whole or not, between bounds that are included but for ``above``; NumPy's count too."""

    least: float = -math.inf
    most: float = math.inf
    above: float = -math.inf

    def fits(self, value: Any) -> bool:
        if not isinstance(value, numbers.Real) or isinstance(value, bool):
            return False
        if isinstance(value, numbers.Integral) and abs(int(value)) > LARGEST:  # float() may overflow
            return False
        number = float(value)
        return math.isfinite(number) and self.least <= number <= self.most and number > self.above

    def __str__(self) -> str:
        above = f" above {self.above:g}" if self.above > -math.inf else ""
        return f"a finite number{above}" + _bounds(self.least, self.most, -math.inf, math.inf)


def _bounds(least: float, most: float, lowest: float, highest: float) -> str:
    """Bounds that are not the lowest and the highest possible ones, in words."""
    if least > lowest and most < highest:
        return f" of {least}" if least == most else f" from {least} to {most}"
    if least > lowest:
        return f" of at least {least}"
    return f" of at most {most}" if most < highest else ""


@dataclass(frozen=True)
class Text(Kind):
    """Text, not longer than ``longest`` characters; with ``choices`` one of these."""

    choices: tuple[str, ...] = ()
    longest: int = 1 << 20
    phrase: str = "text"

    def fits(self, value: Any) -> bool:
        return isinstance(value, str) and len(value) <= self.longest and (not self.choices or value in self.choices)

    def __str__(self) -> str:
        longest = f" of at most {self.longest} characters" if self.longest < 1 << 20 else ""
        return " or ".join(self.choices) or f"{self.phrase}{longest}"


@dataclass(frozen=True)
class Instance(Kind):
    """An object of a class, such as a tensor, that may also have to pass a test.

    Attributes:
        cls: the class.
        phrase: what it is called in a message.
        test: whether an object of the class fits; None for every one.
    """

    cls: type
    phrase: str
    test: Callable[[Any], bool] | None = None

    def fits(self, value: Any) -> bool:
        return isinstance(value, self.cls) and (self.test is None or self.test(value))

    def __str__(self) -> str:
        return self.phrase


@dataclass(frozen=True)
class Items(Kind):
    """A list or tuple of any length within bounds, whose items are all of one kind."""

    kind: Kind
    least: int = 0
    most: int = LARGEST

    def problem(self, value: Any, at: Key) -> Problem | None:
        if not isinstance(value, (list, tuple)) or not self.least <= len(value) <= self.most:
            return at, f"must be {self}, not {shown(value)}"
        for index, item in enumerate(value):
            found = self.kind.problem(item, (*at, f"[{index}]"))
            if found is not None:
                return found
        return None

    def __str__(self) -> str:
        return "a list" + _bounds(self.least, self.most, 0, LARGEST)


class Row(Kind):
    """A list or tuple with a kind for each item, such as the coordinates of a point."""

    def __init__(self, *kinds: Kind) -> None:
        self.kinds = kinds
        self.phrase = f"a list of {len(kinds)}"

    def problem(self, value: Any, at: Key) -> Problem | None:
        if not isinstance(value, (list, tuple)) or len(value) != len(self.kinds):
            return at, f"must be {self}, not {shown(value)}"
        found = (
            kind.problem(item, (*at, f"[{i}]")) for i, (kind, item) in enumerate(zip(self.kinds, value, strict=True))
        )
        return next((problem for problem in found if problem is not None), None)


@dataclass(frozen=True)
class Table(Kind):
    """A mapping from keys of one kind to values of one kind."""

    values: Kind
    keys: Kind = field(default_factory=Text)
    most: int = LARGEST
    least: int = 0

    def problem(self, value: Any, at: Key) -> Problem | None:
        if not isinstance(value, Mapping) or not self.least <= len(value) <= self.most:
            return at, f"must be {self}, not {shown(value)}"
        for key, item in value.items():
            if self.keys.problem(key, at) is not None:
                return (*at, _part(key)), f"has a key that is not {self.keys}"
            found = self.values.problem(item, (*at, _part(key)))
            if found is not None:
                return found
        return None

    def __str__(self) -> str:
        return "a mapping" + _bounds(self.least, self.most, 0, LARGEST)


@dataclass(frozen=True)
class Fields(Kind):
    """A mapping with a kind for each key.

    Attributes:
        required: keys that must be there.
        optional: keys that may be missing.
        others: what further keys must hold; None refuses them.
    """

    required: Mapping[str, Kind]
    optional: Mapping[str, Kind] = field(default_factory=dict)
    others: Kind | None = None

    def problem(self, value: Any, at: Key) -> Problem | None:
        if not isinstance(value, Mapping):
            return at, f"must be {self}, not {shown(value)}"
        for key in self.required:
            if key not in value:
                return at, f"must have the key {key}"
        kinds = {**self.optional, **self.required}
        for key, item in value.items():
            kind = kinds.get(key, self.others)
            if kind is None:
                return (*at, _part(key)), f"is not known: known are {', '.join(kinds)}"
            found = kind.problem(item, (*at, _part(key)))
            if found is not None:
                return found
        return None

    def __str__(self) -> str:
        return "a mapping"


class Plain(Kind):
    """Plain data of no declared form: None, bools, numbers, text and bytes in lists, tuples and mappings.

    Containers lie ``DEPTH`` deep at most; the whole may hold ``most`` values, where one that several containers share
    counts each time, as often as it would be written out.

    Args:
        most: see above.
        leaf: says of any other object what is wrong with it, as the end of a sentence, or None; by default nothing
            else is allowed.
    """

    phrase = "plain data"

    def __init__(self, most: int = 1 << 20, leaf: Callable[[Any], str | None] | None = None) -> None:
        self.most = most
        self.leaf = leaf

    def problem(self, value: Any, at: Key) -> Problem | None:
        left = self.most - 1
        waiting: list[tuple[Any, Key, int]] = [(value, at, 0)]
        while waiting:
            value, key, depth = waiting.pop()
            if isinstance(value, (Mapping, list, tuple)):
                left -= len(value)
                if left < 0:
                    return at, f"must hold at most {self.most} values, where one that is referred to twice counts twice"
                if depth == DEPTH:
                    return key[: len(at) + 3], f"must not hold more than {DEPTH} lists or mappings within each other"
                items = value.items() if isinstance(value, Mapping) else enumerate(value)
                waiting += ((item, (*key, _part(name)), depth + 1) for name, item in items)
            elif not (value is None or isinstance(value, (bool, int, float, str, bytes))):
                words = self.leaf(value) if self.leaf else f"must be plain data, not {shown(value)}"
                if words is not None:
                    return key, words
            elif isinstance(value, int) and not -LARGEST - 1 <= value <= LARGEST:
                return key, f"must be a number of at most 64 bits, not {shown(value)}"
        return None
