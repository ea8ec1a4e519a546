"""Samples of data sets: an image with the masks of its objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral

import numpy as np

from isegm.utils.errors import InputError
from isegm.utils.inputs import CALLABLE, IMAGE, described, plain_array, require
from isegm.utils.schema import Instance, Number, Row, Text, Whole, shown

IDS = Instance(Sequence, "a list of ids", lambda ids: not isinstance(ids, (str, bytes)))
IGNORE = -1  # label of pixels that count neither as object nor as background


@dataclass(frozen=True)
class ObjectNode:
    """One object of a sample: the pixels where ``layer`` of the encoded masks equals ``value``.

    Attributes:
        layer, value: see above.
        parent: id of the object that this one is a part of, or None.
        children: ids of its parts.
    """

    layer: int
    value: int
    parent: int | None = None
    children: tuple[int, ...] = ()


@dataclass(frozen=True)
class DSample:
    """An image, its encoded masks and the objects in them. Immutable: every change makes a new sample.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        encoded_masks: (H, W, L) int32, one or more layers of ids; a plain (H, W) array becomes one layer.
        objects: by object id.
        ignored: (layer, value) pairs whose pixels count neither as object nor as background.
        sample_id: a readable name, such as the stem of the file.
        init_mask: (H, W) float32 mask to start clicking from, or None.
    """

    image: np.ndarray
    encoded_masks: np.ndarray
    objects: Mapping[int, ObjectNode] = field(default_factory=dict)
    ignored: tuple[tuple[int, int], ...] = ()
    sample_id: str = ""
    init_mask: np.ndarray | None = None

    @classmethod
    def flat(
        cls,
        image: np.ndarray,
        encoded_masks: np.ndarray,
        objects_ids: Sequence[int | tuple[int, int]],
        ignore_ids: Sequence[int | tuple[int, int]] = (),
        sample_id: str = "",
        init_mask: np.ndarray | None = None,
    ) -> DSample:
        """Create a sample without hierarchy; ids are values in the first layer, or (layer, value) pairs.

        Raises:
            InputError: the image is of another kind, the masks hold no whole numbers, an id is none, or sizes differ.
        """
        require(sample_id, Text(), "the name of a sample")
        masks = plain_array(encoded_masks, "the masks of a sample")
        if masks.ndim not in (2, 3) or not isinstance(image, np.ndarray) or image.shape[:2] != masks.shape[:2]:
            raise InputError(
                f"the masks of a sample must be (H, W) or (H, W, L) as its image, not {described(encoded_masks)} for "
                f"{described(image)}."
            )
        require(image, IMAGE, "the image of a sample")
        if masks.dtype.kind == "f" and not (masks == np.trunc(masks)).all():  # also refuses NaN
            raise InputError("the masks of a sample must hold whole numbers, not fractions or NaN: they are ids.")
        if init_mask is not None and np.shape(init_mask) != masks.shape[:2]:
            raise InputError(f"init_mask must be {masks.shape[:2]} as the image, not {described(init_mask)}.")
        if init_mask is not None and not np.isfinite(plain_array(init_mask, "init_mask")).all():
            raise InputError("init_mask holds NaN or infinity: give probabilities from 0 to 1.")
        for ids in (objects_ids, ignore_ids):
            require(ids, IDS, "the ids of a sample")
        for number in (*objects_ids, *ignore_ids):
            require(number, Whole(-(2**31), 2**31 - 1) | Row(Whole(0), Whole()), "an id of a sample")
        pairs = [pair if isinstance(pair, tuple) else (0, int(pair)) for pair in objects_ids]
        layers = masks if masks.ndim == 3 else masks[..., None]
        for number in (*objects_ids, *ignore_ids):
            if isinstance(number, tuple) and number[0] >= layers.shape[2]:
                raise InputError(f"the masks of a sample have {layers.shape[2]} layers, and none of index {number[0]}.")
        objects = {number: ObjectNode(layer, value) for number, (layer, value) in enumerate(pairs)}
        ignored = tuple(pair if isinstance(pair, tuple) else (0, int(pair)) for pair in ignore_ids)
        return cls(image, layers.astype(np.int32, copy=False), objects, ignored, sample_id, init_mask)

    @property
    def objects_ids(self) -> list[int]:
        """Ids of all objects."""
        return list(self.objects)

    @property
    def root_objects(self) -> list[int]:
        """Ids of objects that are not part of another."""
        return [object_id for object_id, node in self.objects.items() if node.parent is None]

    def pixels(self, object_id: int) -> np.ndarray:
        """Return the mask of an object, (H, W) bool, without regard to ignored pixels.

        Raises:
            InputError: the sample has no such object; so too for ``get_object_mask``.
        """
        if not isinstance(object_id, Integral) or object_id not in self.objects:
            raise InputError(f"the sample {self.sample_id} has no object {shown(object_id)}: see its objects_ids.")
        node = self.objects[object_id]
        return self.encoded_masks[..., node.layer] == node.value

    @property
    def ignored_pixels(self) -> np.ndarray | None:
        """Mask of the ignored pixels, (H, W) bool; None without ignored regions."""
        if not self.ignored:
            return None
        masks = [self.encoded_masks[..., layer] == value for layer, value in self.ignored]
        return np.logical_or.reduce(masks)

    def get_object_mask(self, object_id: int) -> np.ndarray:
        """Return an object's mask (H, W) int32: 1 on the object, 0 elsewhere, -1 for ignored pixels, which win."""
        mask = self.pixels(object_id).astype(np.int32)
        ignored = self.ignored_pixels
        if ignored is not None:
            mask[ignored] = IGNORE
        return mask

    @property
    def gt_mask(self) -> np.ndarray:
        """The mask of the only object, see ``get_object_mask``.

        Raises:
            InputError: the sample has no object, or several.
        """
        if len(self.objects) != 1:
            raise InputError(f"{self.sample_id} has {len(self.objects)} objects: choose one with get_object_mask.")
        return self.get_object_mask(next(iter(self.objects)))

    @property
    def background_mask(self) -> np.ndarray:
        """Mask of the background, (H, W) bool: pixels that are 0 in all layers."""
        return (self.encoded_masks == 0).all(axis=-1)

    def augmented(self, augment: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]) -> DSample:
        """Return the sample after ``augment(image, encoded_masks)``.

        Objects without pixels are dropped, and ids that are neither an object nor ignored become background.
        """
        require(augment, CALLABLE, "augment")
        image, masks = augment(self.image, self.encoded_masks)
        known = [(node.layer, node.value) for node in self.objects.values()] + list(self.ignored)
        layers = [
            with_ids(layer, {value: value for layer_number, value in known if layer_number == number})
            for number, layer in enumerate(np.moveaxis(masks, -1, 0))
        ]
        return replace(self, image=image, encoded_masks=np.stack(layers, axis=-1)).without_small_objects(1)

    def areas(self) -> dict[int, int]:
        """Count the pixels of each object, by its id."""
        layers = list(np.moveaxis(self.encoded_masks, -1, 0))
        lowest = [_lowest(layer) for layer in layers]
        counts = [np.bincount((layer - first).ravel()) for layer, first in zip(layers, lowest, strict=True)]
        areas = {}
        for object_id, node in self.objects.items():
            place, count = node.value - lowest[node.layer], counts[node.layer]
            areas[object_id] = int(count[place]) if 0 <= place < len(count) else 0
        return areas

    def without_small_objects(self, min_area: int) -> DSample:
        """Drop objects of fewer than ``min_area`` pixels; children of a dropped object move up to its parent."""
        require(min_area, Number(), "min_area")
        small = [object_id for object_id, area in self.areas().items() if area < min_area]
        objects = dict(self.objects)
        for object_id in small:
            node = objects.pop(object_id)
            for child in node.children:
                if child in objects:
                    objects[child] = replace(objects[child], parent=node.parent)
            if node.parent is not None and node.parent in objects:
                parent = objects[node.parent]
                children = tuple(c for c in parent.children if c != object_id) + node.children
                objects[node.parent] = replace(parent, children=children)
        return replace(self, objects=objects)


def with_ids(layer: np.ndarray, new: Mapping[int, int]) -> np.ndarray:
    """Replace the ids of a layer (H, W) int32 by those that ``new`` gives for them, and all others by 0: int32."""
    first = _lowest(layer)
    table = np.zeros(int(layer.max(initial=0)) - first + 1, dtype=np.int32)
    for before, after in new.items():
        if 0 <= before - first < len(table):
            table[before - first] = after
    return table[layer - first]


def _lowest(layer: np.ndarray) -> int:
    """Return the lowest id of a layer, 0 if none is below: ignored pixels may be -1."""
    return min(0, int(layer.min(initial=0)))
