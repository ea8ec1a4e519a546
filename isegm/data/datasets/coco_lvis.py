"""COCO and LVIS combined (Sofiiuk et al. 2021): ``<split>/images``, ``<split>/masks`` and ``hannotation.pickle``."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from isegm.data.datasets.base import (
    RandomReader,
    read_json,
    read_pickle,
    readable,
    require_equal_sizes,
    require_files,
    wrong_format,
)
from isegm.data.sample import DSample, ObjectNode
from isegm.utils.errors import InputError
from isegm.utils.images import decoded, read_image, recognised
from isegm.utils.inputs import require_index
from isegm.utils.text_values import as_path

Hierarchy = dict[int, dict[str, Any] | None]


class CocoLvisDataset(RandomReader):
    """COCO+LVIS: objects with their hierarchy, in masks of several layers.

    Args:
        root: the LVIS folder, with the published COCO+LVIS annotations unpacked into it.
        split: "train" or "val".
        stuff_prob: probability that stuff masks count as objects too; otherwise their pixels are background.
        allow_list_name: JSON file in the split's folder with the ids of the images to use; None for all.
        anno_file: index file in the split's folder.
        first: use only this many images, the first by their sorted ids; None for all. ClickSEG's combined training
            set sees only the first 30000 (docs/fidelity.md#first-30000).

    Raises:
        InputError: the index is missing, of another format, or names files that are missing.
    """

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        stuff_prob: float = 0.0,
        allow_list_name: str | None = None,
        anno_file: str = "hannotation.pickle",
        first: int | None = None,
    ) -> None:
        self.folder = as_path(root, "the folder of a data set") / split
        self.name = f"COCO_LVIS_{split}"
        self.stuff_prob = stuff_prob
        self.index_file = self.folder / anno_file
        items = self._items(read_pickle(self.index_file))
        if allow_list_name is not None:
            allowed = read_json(self.folder / allow_list_name)
            if not isinstance(allowed, list):
                raise wrong_format(self.folder / allow_list_name, "a list of image ids")
            kept = set(map(str, allowed))
            items = [item for item in items if item[0] in kept]
            if not items:
                raise InputError(
                    f"{self.folder / allow_list_name} names no image of {self.index_file}: give ids such as the "
                    "names of the images without their endings."
                )
        if first is not None and first < 1:
            raise ValueError(f"first is {first}: it must be at least 1")
        self.items = items[:first]
        require_files((path for name, *_ in items for path in self._paths(name)), self.index_file)

    def _items(self, content: Any) -> list[tuple[str, int, Hierarchy]]:
        wanted = "the published COCO+LVIS index"
        if not isinstance(content, Mapping):
            raise wrong_format(self.index_file, wanted)
        return sorted(readable(content.items(), _item, self.index_file, wanted), key=itemgetter(0))

    def _paths(self, name: str) -> tuple[Path, Path]:
        return self.folder / "images" / f"{name}.jpg", self.folder / "masks" / f"{name}.pickle"

    def __len__(self) -> int:
        return len(self.items)

    def draw_sample(self, index: int, rng: np.random.Generator) -> DSample:
        """Read the image at ``index`` with its objects and, randomly, its stuff.

        Raises:
            InputError: a file does not decode, sizes differ, or masks and index do not belong together.
        """
        require_index(index, len(self), self.name)
        name, count, tree = self.items[index]
        image_path, mask_path = self._paths(name)
        image = read_image(image_path)
        masks, mapping = read_layers(mask_path)
        require_equal_sizes(image, image_path, masks, mask_path)
        if len(mapping) < count:
            raise InputError(
                f"{mask_path} holds {len(mapping)} masks, {self.index_file} says {count}: they are not of one set; "
                "get both from one archive."
            )
        objects = {}
        for number, (layer, value) in enumerate(mapping[:count]):
            node = tree.get(number) or {"parent": None, "children": ()}
            objects[number] = ObjectNode(layer, value, node["parent"], tuple(node["children"]))
        with_stuff = rng.random() < self.stuff_prob
        for number, (layer, value) in enumerate(mapping[count:], start=count):
            if with_stuff:
                objects[number] = ObjectNode(layer, value)
            else:
                masks[..., layer][masks[..., layer] == value] = 0
        return DSample(image, masks, objects, sample_id=name)


def _item(name: Any, entry: Any) -> tuple[str, int, Hierarchy]:
    """Parse an entry of the index: (image, number of its objects, their hierarchy)."""
    count, tree = int(entry["num_instance_masks"]), dict(entry["hierarchy"])
    if not isinstance(name, str) or not all(_is_node(number, node, count) for number, node in tree.items()):
        raise TypeError(f"{name} of COCO+LVIS is no image, or its objects refer to others that there are not")
    return name, count, tree


def _is_node(number: Any, node: Any, count: int) -> bool:
    """Return whether an entry of a hierarchy belongs to one of ``count`` objects and refers to others of them."""

    def is_object(value: Any) -> bool:
        return isinstance(value, (int, np.integer)) and bool(0 <= value < count)

    others = [] if node is None else [*node["children"], *([] if node["parent"] is None else [node["parent"]])]
    return is_object(number) and all(map(is_object, others)) and number not in others


def read_layers(path: Path) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Read a packed mask file.

    Returns:
        masks: (H, W, L) int32 layers.
        mapping: (layer, value) of each mask.

    Raises:
        InputError: the file is missing or of another format.
    """
    content = read_pickle(path)
    wanted = "layers of encoded masks and the list of what they hold"
    try:
        encoded, mapping = content
        files = [recognised(np.asarray(layer, dtype=np.uint8).tobytes(), str(path), "mask") for layer in encoded]
        decodable = [decoded(file, cv2.IMREAD_UNCHANGED) for file in files]
        layers = [layer for layer in decodable if layer is not None]
        if len(layers) < len(decodable):
            raise ValueError("a layer is not an image")
        pairs = [(int(layer), int(value)) for layer, value in mapping]
        masks = np.stack(layers, axis=-1).astype(np.int32)  # (H, W, L)
    except (ArithmeticError, TypeError, ValueError, cv2.error) as error:
        raise wrong_format(path, wanted) from error
    if masks.ndim != 3 or any(not 0 <= layer < masks.shape[2] or not 0 < value < 256 for layer, value in pairs):
        raise wrong_format(path, wanted)
    return masks, pairs
