"""Index of ADE20k: the layers of each image, and the stuff in them (Sofiiuk et al. 2021, "RITM")."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from isegm.data.convert.parallel import map_in_order, write_pickle
from isegm.data.datasets.ade20k import INDEX, image_folder
from isegm.data.datasets.base import HELP, wrong_format
from isegm.data.datasets.sbd import BROKEN_MAT, load_mat
from isegm.utils.errors import InputError

STUFF_NAMES = (
    "water, wall, snow, sky, sea, sand, road, route, river, path, mountain, mount, land, ground, soil, hill, grass, "
    "floor, flooring, field, earth, fence, ceiling, wave, crosswalk, hay bale, bridge, span, building, edifice, "
    "cabinet, cushion, curtain, drape, drapery, mantle, pall, door, fencing, house, pole, seat, windowpane, window, "
    "tree, towel, table, stairs, steps, streetlight, street lamp, sofa, couch, lounge, skyscraper, signboard, sign, "
    "sidewalk, pavement, shrub, bush, rug, carpet"
)
STUFF = frozenset(STUFF_NAMES.split(", "))
CLASS_FIELD = 3  # index of the class among the fields, separated by #, of a line of <id>_atr.txt


def convert_ade20k(root: Path, split: str, n_jobs: int = 1) -> int:
    """Write ``<split>-annotations-object-segmentation.pkl`` to the ADE20k folder.

    Args:
        root: the folder with the release of 2016-07-26, or the release itself.
        split: "train" or "val", as in the names of the images.
        n_jobs: number of processes; the result is the same for any.

    Returns:
        the number of images in the index.

    Raises:
        InputError: files are missing or broken, or the split has no image.
    """
    images = [(root, name, folder) for name, folder in _read_index(root) if f"_{split}_" in name]
    if not images:
        raise InputError(f"index_ade20k.mat in {root} names no image of {split}: the splits are train and val.")
    results = map_in_order(_layers, images, n_jobs, f"ADE20k {split}")
    index = {
        name: {"folder": folder, "layers": layers} for (_, name, folder), layers in zip(images, results, strict=True)
    }
    write_pickle(root / INDEX.format(split), index)
    return len(index)


def _read_index(root: Path) -> list[tuple[str, str]]:
    """List (name, folder) of all images of the release."""
    found = [path for path in (root, root / "ADE20K_2016_07_26") if (path / "index_ade20k.mat").is_file()]
    if not found:
        raise InputError(f"there is no index_ade20k.mat in {root}: {HELP}.")
    path = found[0] / "index_ade20k.mat"
    try:
        index = load_mat(path, squeeze_me=True)["index"]
        names, folders = (np.atleast_1d(index[field].item()).tolist() for field in ("filename", "folder"))
        pairs = [(str(name).removesuffix(".jpg"), str(folder)) for name, folder in zip(names, folders, strict=True)]
    except (LookupError, *BROKEN_MAT) as error:
        raise wrong_format(path, "ADE20k's list of file names and folders") from error
    return pairs


def _layers(image: tuple[Path, str, str]) -> list[dict[str, Any]]:
    """Make the index entries of one image's layers: objects, parts, parts of parts and so on."""
    root, name, folder = image
    base = image_folder(root, folder)
    attributes = base / f"{name}_atr.txt"
    if not attributes.is_file():
        raise InputError(
            f"there is no file {attributes}, which goes with an image that index_ade20k.mat names; {HELP}."
        )
    masks = [f"{name}_seg.png", *(f"{name}_parts_{level}.png" for level in range(1, _part_levels(base, name) + 1))]
    classes: list[dict[int, list[str]]] = [{} for _ in masks]
    for line in attributes.read_text(encoding="utf-8", errors="replace").splitlines():
        fields = [field.strip() for field in line.split("#")]
        try:
            instance, level = int(fields[0]), int(fields[1])
            classes[level][instance] = [word.strip() for word in fields[CLASS_FIELD].split(",")]
        except (IndexError, ValueError) as error:
            raise wrong_format(attributes, f"ADE20k's attributes in the line {line!r}") from error
    layers = []
    for mask, named in zip(masks, classes, strict=True):
        stuff = [instance for instance, words in named.items() if STUFF.intersection(words)]
        objects = [instance for instance in named if instance not in stuff]
        layer = {"mask_name": mask, "instance_to_class": named, "object_instances": objects, "stuff_instances": stuff}
        layers.append(layer)
    return layers


def _part_levels(base: Path, name: str) -> int:
    return len(list(base.glob(f"{name}_parts_*.png")))
