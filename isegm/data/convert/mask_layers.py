"""Hierarchies of overlapping masks, and packing of masks into few layers (Sofiiuk et al. 2021, "RITM")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from isegm.utils.boxes import Box

BOX_SHARE, MASK_SHARE = 0.7, 0.8  # shares of a part's box and of its pixels that must lie in the whole
LAYER_CAPACITY = 255  # objects in a layer of uint8


class HierarchyNode(TypedDict):
    """Position of a mask in a hierarchy.

    Attributes:
        children: indices of the masks directly inside this one.
        parent: index of the mask around this one; None for a root.
        node_level: 0 for a root.
    """

    children: list[int]
    parent: int | None
    node_level: int


def mask_iou(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union of two boolean masks that are not empty."""
    return float(np.count_nonzero(first & second) / np.count_nonzero(first | second))


def sort_by_area(masks: Sequence[np.ndarray]) -> list[int]:
    """Sort indices of masks from the largest to the smallest; of equal ones the later comes first."""
    return np.argsort([np.count_nonzero(mask) for mask in masks], kind="stable")[::-1].tolist()


def find_hierarchy(masks: Sequence[np.ndarray]) -> dict[int, HierarchyNode | None]:
    """Find out which masks lie inside which others.

    Mask i contains mask j if it is larger, at least 0.7 of j's box lies in i's box, and more than 0.8 of j lies in i.

    Args:
        masks: (H, W) bool each, none empty.

    Returns:
        the node of each index; None for a mask that neither contains another nor lies in one.
    """
    order = sort_by_area(masks)
    boxes = [Box.around(mask) for mask in masks]
    areas = [np.count_nonzero(mask) for mask in masks]
    nodes: dict[int, HierarchyNode] = {
        index: {"children": [], "parent": None, "node_level": 0} for index in range(len(masks))
    }

    def contains(whole: int, part: int) -> bool:
        if boxes[whole].intersection(boxes[part]).area / boxes[part].area < BOX_SHARE:
            return False
        return bool(np.count_nonzero(masks[whole] & masks[part]) / areas[part] > MASK_SHARE)

    def deepest(whole: int, part: int) -> int:
        for child in nodes[whole]["children"]:
            if areas[child] >= areas[part] and contains(child, part):
                return deepest(child, part)
        return whole

    for position, whole in enumerate(order, start=1):
        for part in order[position:]:
            if nodes[part]["parent"] is None and contains(whole, part):
                parent = deepest(whole, part)
                nodes[parent]["children"].append(part)
                nodes[part]["parent"], nodes[part]["node_level"] = parent, nodes[parent]["node_level"] + 1
    return {i: node if node["children"] or node["parent"] is not None else None for i, node in nodes.items()}


def pack_layers(masks: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[tuple[int, int]]]:
    """Pack masks into few layers: from the largest to the smallest, each into the first layer with room.

    Args:
        masks: (H, W) bool each, at least one.

    Returns:
        layers: (H, W) uint8 each, 0 for background.
        mapping: for each mask its layer and its value there, from 1 on.
    """
    layers: list[np.ndarray] = []
    counts: list[int] = []
    mapping: list[tuple[int, int]] = [(0, 0)] * len(masks)
    for index in sort_by_area(masks):
        mask = masks[index]
        fitting = (n for n, layer in enumerate(layers) if counts[n] < LAYER_CAPACITY and not layer[mask].any())
        number = next(fitting, len(layers))
        if number == len(layers):
            layers.append(np.zeros(mask.shape, np.uint8))
            counts.append(0)
        counts[number] += 1
        layers[number][mask] = counts[number]
        mapping[index] = number, counts[number]
    return layers, mapping
