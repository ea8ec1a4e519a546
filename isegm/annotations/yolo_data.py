"""YOLO's data sets: the lists that give classes their numbers, and the label files of images.

A list is a text, ``classes.txt``, or the ``names`` of a ``data.yaml``. Classes that are listed keep their numbers, and
new ones are written at the end; whatever else a ``data.yaml`` holds stays as it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path, PureWindowsPath

import yaml

from isegm.annotations import json_files
from isegm.annotations.classes import LONGEST, YAML_ENDINGS, numbered_names, read_numbered_classes
from isegm.annotations.objects import Annotations, stem_key
from isegm.utils.errors import InputError
from isegm.utils.files import atomic_write
from isegm.utils.locks import hold_lock
from isegm.utils.opening import is_regular
from isegm.utils.text_values import as_path
from isegm.utils.yaml_files import compose_yaml, parse_yaml, read_yaml, read_yaml_text

CLASSES = "classes.txt"
DATA = ("data.yaml", "dataset.yaml", "data.yml")  # of a data set, some folders above its labels
FOLDERS_UP = 3
LABELS, IMAGES = "labels", "images"  # folders of a data set
SPLITS = ("train", "val", "test")  # keys of a data.yaml that name folders of images
POSES = "kpt_shape"  # key of a data.yaml whose labels are boxes with points
WAIT = 10.0  # seconds for another program to write the list


def list_beside(labels: Path) -> Path | None:
    """Find the list of classes of a label file: ``classes.txt`` beside it, or a ``data.yaml`` at most three folders up.

    Returns:
        the first that lists a class, else the first that is there; None for none.

    Raises:
        InputError: see ``listed_classes``.
    """
    folders = labels.absolute().parents[: 1 + FOLDERS_UP]
    places = [folders[0] / CLASSES, *(folder / name for folder in folders for name in DATA)]
    found = [place for place in places if is_regular(place)]
    return next((place for place in found if listed_classes(place)), found[0] if found else None)


def listed_classes(path: Path) -> dict[int, str]:
    """Read the classes of a list by their numbers; none if it is empty or not there yet.

    Raises:
        InputError: it cannot be read, lists something else, or is of a data set of poses.
    """
    if not path.exists():
        return {}
    if path.suffix.lower() not in YAML_ENDINGS:
        return read_numbered_classes(path, least=0)
    content = read_yaml(path)
    if isinstance(content, Mapping) and POSES in content:
        raise InputError(
            f"{path} is of poses ({POSES}), boxes with points, which are not read: choose labels of boxes or polygons."
        )
    return numbered_names(content, path)


def number_classes(path: Path, annotated: Sequence[Annotations]) -> dict[int, str]:
    """Return the classes of a list by their numbers, with those of the annotations, which are written at its end.

    A ``data.yaml`` that is not there is made, a ``classes.txt`` if there are classes. Another program that writes to
    the same list is waited for.

    Raises:
        InputError: a class does not fit into the list, or the list cannot be read or written.
    """
    known = listed_classes(path)
    if not _new_classes(path, known, annotated) and (path.exists() or path.suffix.lower() not in YAML_ENDINGS):
        return known
    with hold_lock(path.with_name(f".{path.name}.lock"), str(path), "save again in a moment", wait=WAIT):
        known = listed_classes(path)
        new = _new_classes(path, known, annotated)
        classes = {**known, **new}
        if path.suffix.lower() not in YAML_ENDINGS:
            write_lines(path, (classes.get(number, "") for number in range(1 + max(classes))))
        elif path.exists():
            _append(path, known, new)
        else:
            _write_data(path, classes)
        return classes


def label_files(path: str | Path) -> dict[str, list[Path]]:
    """Find the label files of a data set: in ``labels/``, and beside the folders of images that its list names.

    Args:
        path: of the ``data.yaml``, which may be missing.

    Returns:
        the files by ``stem_key``.
    """
    path = as_path(path, "the path of labels")
    folders = [path.parent / LABELS, *(labels for _, labels in _splits(path))]
    files = dict.fromkeys(file for folder in folders for file in sorted(folder.rglob("*.txt")) if file.name != CLASSES)
    found: dict[str, list[Path]] = {}
    for file in files:
        found.setdefault(stem_key(file.name), []).append(file)
    return found


def labels_to_write(path: Path, image_names: Sequence[str]) -> list[Path]:
    """Choose the label file of each image of a data set: the one that is there, or a new one where its image lies.

    Args:
        path: of the ``data.yaml``, which may be missing.
        image_names: file names of images.

    Raises:
        InputError: an image has several label files.
    """
    there, splits = label_files(path), _splits(path)
    chosen = []
    for name in image_names:
        found = there.get(stem_key(name), [])
        if len(found) > 1:
            raise InputError(
                f"{path} has {len(found)} label files of {name} ({found[0]}, {found[1]}): remove all but one, or save "
                "its labels as a file of their own."
            )
        folder = next((labels for images, labels in splits if is_regular(images / name)), path.parent / LABELS)
        chosen.append(found[0] if found else folder / f"{Path(name).stem}.txt")
    return chosen


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a text file in UTF-8, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    with atomic_write(path) as file:
        file.write("".join(f"{line}\n" for line in lines).encode("utf-8"))


def _new_classes(path: Path, known: Mapping[int, str], annotated: Sequence[Annotations]) -> dict[int, str]:
    """The classes that a list lacks, by the numbers that they get: those of the annotations' lists, then others."""
    used = (item.category for one in annotated for item in one.objects)
    names = dict.fromkeys(chain(*(one.classes for one in annotated), used))
    new = [name for name in names if name not in known.values()]
    for name in new:
        if name != name.strip() or not name.isprintable():
            raise InputError(f"{path} cannot hold the class {name!r}: rename it to a word or a few in one line.")
        if len(name) > LONGEST:
            raise InputError(
                f"{path} cannot hold the class {name[:40]!r}... of {len(name)} characters: shorten it to {LONGEST}."
            )
    return dict(enumerate(new, start=1 + max(known, default=-1)))


def _write_data(path: Path, classes: Mapping[int, str]) -> None:
    """Write a new ``data.yaml``."""
    names = [f"  {number}: {json_files.text(name)}" for number, name in classes.items()]
    head = f"# Labels lie in {LABELS}/. To train on them, put the images into {IMAGES}/."
    lines = [head, "path: .", f"train: {IMAGES}", f"val: {IMAGES}", *(["names:", *names] if names else ["names: {}"])]
    parse_yaml("\n".join(lines), path)
    write_lines(path, lines)


def _append(path: Path, known: Mapping[int, str], new: Mapping[int, str]) -> None:
    """Write classes at the end of the ``names`` of a ``data.yaml``, and their number as its ``nc``, if it has one."""
    text = read_yaml_text(path)
    before = parse_yaml(text, path)
    changed = _appended(text, compose_yaml(text, path), new)
    try:
        after = parse_yaml(changed, path)
        good = numbered_names(after, path) == {**known, **new} and all(
            after[key] == value for key, value in before.items() if key not in ("names", "nc")
        )
    except (InputError, KeyError):
        good = False
    if not good:
        raise InputError(f"{path} cannot be given the classes {', '.join(new.values())}: write them into its names.")
    with atomic_write(path) as file:
        file.write(changed.encode("utf-8"))


def _appended(text: str, root: yaml.Node | None, new: Mapping[int, str]) -> str:
    """The text of a ``data.yaml`` with more names; other text where its names stand in an unusual way."""
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    nodes = {key.value: node for key, node in pairs}
    names, count = nodes.get("names"), nodes.get("nc")
    if not isinstance(root, yaml.MappingNode) or names is None or not new:
        return text
    listed = names.value if isinstance(names, yaml.CollectionNode) else []
    changes = [_after_last(text, names, new) if listed else _instead(text, names, new, bool(root.flow_style))]
    if count is not None:
        changes.append((count.start_mark.index, count.end_mark.index, str(len(listed) + len(new))))
    for start, end, words in sorted(changes, reverse=True):
        text = text[:start] + words + text[end:]
    return text


def _instead(text: str, names: yaml.Node, new: Mapping[int, str], inline: bool) -> tuple[int, int, str]:
    """Where names stand that are empty, and what is to stand there."""
    entries = [f"{number}: {json_files.text(name)}" for number, name in new.items()]
    words = f" {{{', '.join(entries)}}}" if inline else "".join(f"\n  {entry}" for entry in entries)
    return len(text[: names.start_mark.index].rstrip(" ")), names.end_mark.index, words


def _after_last(text: str, names: yaml.CollectionNode, new: Mapping[int, str]) -> tuple[int, int, str]:
    """The place behind the last of some names, twice, and what is to stand there."""
    numbered = isinstance(names, yaml.MappingNode)
    entries = [
        f"{number}: {json_files.text(name)}" if numbered else json_files.text(name) for number, name in new.items()
    ]
    place = (names.value[-1][1] if numbered else names.value[-1]).end_mark.index
    if names.flow_style:
        return place, place, "".join(f", {entry}" for entry in entries)
    place = f"{text}\n".index("\n", place)  # behind a comment
    begin = "\n" + " " * names.start_mark.column + ("" if numbered else "- ")
    return place, place, "".join(f"{begin}{entry}" for entry in entries)


def _splits(path: Path) -> list[tuple[Path, Path]]:
    """The folders of images that a ``data.yaml`` names, as far as they lie below its own folder, each with its labels'.

    As in Ultralytics, labels lie in ``labels`` instead of ``images``, and ``..`` at the start may be too much.
    """
    content = read_yaml(path) if path.exists() else None
    if not isinstance(content, Mapping):
        return []
    named = chain.from_iterable(each if isinstance(each, list) else [each] for each in map(content.get, SPLITS))
    inner = [_parts(each) for each in named]
    found = {}
    for parts in [*inner, *([*_parts(content.get("path")), *each] for each in inner)]:
        if IMAGES in parts and os.path.isdir(path.parent.joinpath(*parts)):
            place = len(parts) - 1 - parts[::-1].index(IMAGES)
            labels = [*parts[:place], LABELS, *parts[place + 1 :]]
            found[path.parent.joinpath(*parts)] = path.parent.joinpath(*labels)
    return list(found.items())


def _parts(folder: object) -> list[str]:
    """The names in the path of a folder, without those that lead out of another one."""
    whole = PureWindowsPath(folder if isinstance(folder, str) else "")
    return [part for part in whole.parts if part not in ("..", whole.anchor)]
