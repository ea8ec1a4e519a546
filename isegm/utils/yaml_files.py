"""Read YAML of plain data: no object is built, and no file makes it slow, deep or large."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from yaml.error import MarkedYAMLError

from isegm.utils.errors import InputError
from isegm.utils.log import escaped
from isegm.utils.schema import DEPTH
from isegm.utils.text_values import as_path

LARGEST_FILE = 1 << 18  # bytes; PyYAML reads some 100 KB a second
LARGEST_CONTENT = 20_000  # values once all aliases are written out
SHOWN = 120  # characters of PyYAML's message


def read_yaml(path: str | Path) -> Any:
    """Read a YAML file; an empty one is None.

    Aliases and merge keys are allowed as long as the content is small when they are written out.

    Raises:
        InputError: no such file, it cannot be read, is larger than 256 KiB or not in UTF-8; it is not valid YAML, asks
            for objects, has a key twice, nests more than 32 deep, or holds more than 20000 values.
    """
    return parse_yaml(read_yaml_text(path), path)


def read_yaml_text(path: str | Path) -> str:
    """Read the text of a YAML file, without checking that it is valid.

    Raises:
        InputError: no such file, it cannot be read, is larger than 256 KiB or not in UTF-8.
    """
    path = as_path(path, "the path of a YAML file")
    if not path.is_file():
        if path.exists():
            raise InputError(f"the configuration {path} is not a file: check its path.")
        raise InputError(f"there is no configuration file {path}: check its path.")
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check its permissions.") from error
    if len(content) > LARGEST_FILE:
        raise InputError(
            f"{path} has more than {LARGEST_FILE >> 10} KiB, too much for a configuration: check its path."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not valid YAML: it is not in UTF-8, save it in that encoding.") from error


def parse_yaml(text: str, path: str | Path) -> Any:
    """Return the content of a YAML text; ``path`` is the file that messages name.

    Raises:
        InputError: as ``read_yaml``, for what the text holds.
    """
    return _loaded(text, path, _Loader.get_single_data)


def compose_yaml(text: str, path: str | Path) -> yaml.Node | None:
    """Return the tree of a YAML text, whose nodes know their places in it; None for an empty one.

    Raises:
        InputError: as ``read_yaml``, for what the text holds.
    """
    return _loaded(text, path, _Loader.get_single_node)


def _loaded(text: str, path: str | Path, load: Callable[[_Loader], Any]) -> Any:
    loader = None
    try:
        loader = _Loader(text)
        return load(loader)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        problem = escaped(error.problem or error.context or "it cannot be parsed", SHOWN)
        raise InputError(f"{path} is not valid YAML: {line}{problem}.") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {escaped(' '.join(str(error).split()), SHOWN)}.") from error
    # PyYAML's constructors of dates and tagged numbers raise these for values that are none
    except (ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:
        raise InputError(f"{path} is not valid YAML: a number, date or tag in it means nothing.") from error
    finally:
        if loader is not None:
            loader.dispose()


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with bounds, checked while the nodes are composed and before anything is made of them."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._count = 0
        self._sizes: dict[int, int] = {}  # by node: values in it, aliases written out
        self._heights: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        self._count += 1
        if self._count > LARGEST_CONTENT:
            raise _problem(_TOO_MUCH, event)
        if self._depth > DEPTH:
            raise _problem(_TOO_DEEP, event)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(event, yaml.AliasEvent):
            if id(node) not in self._sizes:
                raise _problem("an alias refers to what it is in", event)
        elif node is not None:
            self._measure(node)
        return node

    def _measure(self, node: yaml.Node) -> None:
        parts: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            parts = node.value
        elif isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
            _refuse_duplicates(node)
        self._sizes[id(node)] = 1 + sum(self._sizes[id(part)] for part in parts)
        self._heights[id(node)] = 1 + max((self._heights[id(part)] for part in parts), default=0)
        if self._sizes[id(node)] > LARGEST_CONTENT:
            raise _problem(_TOO_MUCH, node)
        if self._heights[id(node)] > DEPTH + 1:
            raise _problem(_TOO_DEEP, node)


# 2024-05-17 stays text, such as the name of an experiment
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_TOO_MUCH = f"it holds more than {LARGEST_CONTENT} values, counting what aliases repeat"
_TOO_DEEP = f"it has more than {DEPTH} lists or mappings within each other"


def _problem(words: str, where: Any) -> MarkedYAMLError:
    return MarkedYAMLError(problem=words, problem_mark=where.start_mark)


def _refuse_duplicates(node: yaml.MappingNode) -> None:
    seen = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if (key.tag, key.value) in seen:
                raise _problem(f"it has the key {key.value} twice", key)
            seen.add((key.tag, key.value))
