"""Draw an evaluation: mean IoU per click, the best and the worst objects, and every click."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from isegm.evaluation.loop import ClickEvent
from isegm.evaluation.records import ObjectRecord
from isegm.evaluation.scores import miou_carried_forward, miou_per_click
from isegm.inference.mask_metrics import first_click_reaching, number_of_clicks
from isegm.utils.files import atomic_write, write_image
from isegm.utils.log import printable
from isegm.utils.vis import NEGATIVE_COLOR, POSITIVE_COLOR, draw_probmap, draw_with_blend_and_clicks

GT_COLOR = "yellow"
SHEET_COLUMNS = 3
MAX_SIDE = 640  # pixels of an image in a contact sheet


@dataclass(frozen=True)
class Case:
    """One object for a contact sheet.

    Attributes:
        record: its clicks and IoUs.
        image: (H, W, 3) uint8 RGB.
        gt_mask: (H, W) int32, 1 on the object.
        mask: (H, W) bool, prediction after the last click.
    """

    record: ObjectRecord
    image: np.ndarray
    gt_mask: np.ndarray
    mask: np.ndarray


def miou_figure(records: Sequence[ObjectRecord], title: str) -> Figure:
    """Plot the mean IoU in percent over the number of clicks.

    Objects that stopped earlier keep their last IoU, and the legend says so.
    """
    values = miou_carried_forward(records)
    complete = len(miou_per_click(records)) == len(values)
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.add_subplot()
    label = f"{len(records)} objects"
    if not complete:
        label += ", those that reached the target keep their last IoU"
    axes.plot(np.arange(1, len(values) + 1), 100 * values, marker="o", label=label)
    axes.set(xlabel="clicks", ylabel="mIoU, %")
    axes.set_title(printable(title), parse_math=False)  # a name with two $ is not a formula
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(True)
    axes.legend(loc="lower right")
    return figure


def rank_records(records: Sequence[ObjectRecord], target_iou: float, max_clicks: int) -> list[ObjectRecord]:
    """Sort records from the best to the worst: by number of clicks to reach the target, then by final IoU.

    If the target is above 1, so that no IoU reaches it, 0.90 is used instead.
    """
    threshold = target_iou if target_iou <= 1 else 0.90

    def rank(record: ObjectRecord) -> tuple[int, bool, float]:
        failed = first_click_reaching(record.ious[:max_clicks], threshold) is None
        return number_of_clicks(record.ious, threshold, max_clicks), failed, -record.ious[-1]

    return sorted(records, key=rank)


def contact_sheet(cases: Sequence[Case], title: str) -> Figure:
    """Draw objects in a grid: the mask blended in, the ground truth's border, numbered clicks.

    Clicks on the object are green, clicks on the background red.

    Args:
        cases: the objects, at least one.
        title: above the grid.
    """
    columns = min(SHEET_COLUMNS, len(cases))
    rows = -(-len(cases) // columns)
    figure = Figure(figsize=(5 * columns, 4.2 * rows + 0.5), layout="constrained")
    figure.suptitle(printable(title), parse_math=False)
    for case, axes in zip(cases, figure.subplots(rows, columns, squeeze=False).flat, strict=False):
        _draw_case(axes, case)
    for axes in figure.axes:
        axes.axis("off")
    return figure


def _draw_case(axes: Axes, case: Case) -> None:
    """Draw one object of a contact sheet."""
    height, width = case.gt_mask.shape
    scale = min(1.0, MAX_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    blended = cv2.resize(draw_with_blend_and_clicks(case.image, case.mask), size, interpolation=cv2.INTER_AREA)
    axes.imshow(blended, extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    contours, _ = cv2.findContours((case.gt_mask == 1).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    for contour in contours:
        outline = np.vstack((contour[:, 0], contour[:1, 0]))
        axes.plot(outline[:, 0], outline[:, 1], color=GT_COLOR, linewidth=1)
    outlined = [withStroke(linewidth=2, foreground="white")]
    for number, (x, y, label) in enumerate(case.record.clicks, start=1):
        color = np.array(POSITIVE_COLOR if label else NEGATIVE_COLOR) / 255
        axes.plot(x, y, "o", color=color, markersize=5, markeredgecolor="white", clip_on=False)
        axes.annotate(
            str(number), (x, y), (3, 3), textcoords="offset points", color=color, fontsize=8, path_effects=outlined
        )
    record = case.record
    axes.set_title(
        f"{printable(record.name) or record.index}, object {record.object_id}: "
        f"{len(record.clicks)} clicks, IoU {record.ious[-1]:.3f}",
        fontsize=9,
        parse_math=False,
    )


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG, atomically."""
    FigureCanvasAgg(figure)
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=100)


class ClickImages:
    """Callback of ``evaluate_dataset`` that writes an image per click: mask and clicks, and beside them probabilities.

    Files are named ``<sample>_<click>.jpg``, with ``ClickEvent.file_name`` and clicks counted from 0.

    Args:
        folder: of the files.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def __call__(self, event: ClickEvent) -> None:
        drawn = draw_with_blend_and_clicks(event.sample.image, event.mask, clicks_list=event.clicks)
        name = f"{event.file_name}_{len(event.clicks) - 1}.jpg"
        write_image(self.folder / name, np.hstack((drawn, draw_probmap(event.session.probs))))
