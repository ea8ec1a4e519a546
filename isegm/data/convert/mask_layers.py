"""What lies in what, and many masks in few layers (Sofiiuk et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from isegm.utils.boxes import Box

BOX_SHARE, MASK_SHARE = 0.7, 0.8  # of a part's box and of its pixels, which must lie in the whole
LAYER_CAPACITY = 255  # objects that a layer of uint8 can tell apart


def mask_iou(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union of two boolean masks that are not empty."""
    return float(np.count_nonzero(first & second) / np.count_nonzero(first | second))


def by_area(masks: Sequence[np.ndarray]) -> list[int]:
    """Indices of masks from the largest to the smallest; of equal ones the later comes first."""
    return np.argsort([np.count_nonzero(mask) for mask in masks], kind="stable")[::-1].tolist()


def hierarchy(masks: Sequence[np.ndarray]) -> dict[int, dict[str, Any] | None]:
    """Which masks lie in which others.

    Mask i contains mask j if it is larger, at least 0.7 of j's box lies in i's box, and more than 0.8 of j lies in i.

    Args:
        masks: (H, W) bool each, none empty.

    Returns:
        for each index a dict of its ``children``, its ``parent`` (None for a root) and its ``node_level`` (0 for a
        root); None for a mask that neither contains others nor lies in one.
    """
    order = by_area(masks)
    boxes = [Box.around(mask) for mask in masks]
    areas = [np.count_nonzero(mask) for mask in masks]
    nodes = {index: {"children": [], "parent": None, "node_level": 0} for index in range(len(masks))}

    def contains(whole: int, part: int) -> bool:
        if boxes[whole].intersection(boxes[part]).area / boxes[part].area < BOX_SHARE:
            return False
        return bool(np.count_nonzero(masks[whole] & masks[part]) / areas[part] > MASK_SHARE)

    def deepest(whole: int, part: int) -> int:
        for child in nodes[whole]["children"]:
            if areas[child] >= areas[part] and contains(child, part):
                return deepest(child, part)
        return whole

    for place, whole in enumerate(order):
        for part in order[place + 1 :]:
            if nodes[part]["parent"] is None and contains(whole, part):
                parent = deepest(whole, part)
                nodes[parent]["children"].append(part)
                nodes[part].update(parent=parent, node_level=nodes[parent]["node_level"] + 1)
    return {i: node if node["children"] or node["parent"] is not None else None for i, node in nodes.items()}


def pack(masks: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[tuple[int, int]]]:
    """Put masks into as few layers as they fit, from the largest to the smallest, each in the first with room.

    Args:
        masks: (H, W) bool each, at least one.

    Returns:
        layers: (H, W) uint8 each, 0 for background.
        mapping: for each mask its layer and its value there, from 1.
    """
    layers: list[np.ndarray] = []
    counts: list[int] = []
    mapping: list[tuple[int, int]] = [(0, 0)] * len(masks)
    for index in by_area(masks):
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
