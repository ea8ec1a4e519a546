"""RITM's formulas for crops ("zoom-in"). They are defined on boxes whose ends are included, as ``Box.inclusive``."""

from __future__ import annotations

from isegm.utils.boxes import Box


def expand_bbox(box: Box, expand_ratio: float, min_crop_size: int | None = None) -> Box:
    """Scale a box about its centre; each side becomes at least ``min_crop_size``. The result may leave the image.

    Ends are rounded half to even (docs/fidelity.md#crop-rounding).
    """
    first_row, last_row, first_column, last_column = box.inclusive  # the centre is that of the inclusive ends
    ends = []
    for first, last in ((first_row, last_row), (first_column, last_column)):
        center = 0.5 * (first + last)
        length = max(expand_ratio * (last - first + 1), min_crop_size or 0)
        ends += [round(center - 0.5 * length), round(center + 0.5 * length)]
    return Box.from_inclusive(*ends)


def bbox_iou(one: Box, other: Box) -> float:
    """IoU of the row intervals times IoU of the column intervals.

    This is the measure of RITM's crop rule; it is smaller than the IoU of areas unless one of the factors is 1 or 0.
    """
    rows = _interval_iou((one.top, one.bottom), (other.top, other.bottom))
    return rows * _interval_iou((one.left, one.right), (other.left, other.right))


def _interval_iou(one: tuple[int, int], other: tuple[int, int]) -> float:
    intersection = max(0, min(one[1], other[1]) - max(one[0], other[0]))
    union = max(1e-6, max(one[1], other[1]) - min(one[0], other[0]))
    return intersection / union
