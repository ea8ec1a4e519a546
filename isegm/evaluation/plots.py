"""Draw an evaluation: mean IoU per click, the best and the worst objects, and every click."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import IO, TYPE_CHECKING

import cv2
import numpy as np

from isegm.evaluation.first_prompts import FirstPrompt
from isegm.evaluation.loop import ClickEvent
from isegm.evaluation.records import ObjectRecord
from isegm.evaluation.scores import miou_carried_forward, miou_per_click
from isegm.inference.mask_metrics import first_click_reaching, number_of_clicks
from isegm.utils.files import atomic_write, write_image
from isegm.utils.log import printable
from isegm.utils.vis import NEGATIVE_COLOR, POSITIVE_COLOR, draw_lines, draw_probmap, draw_with_blend_and_clicks

# Matplotlib takes half a second to load, so the functions that draw with it load it.
if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GT_COLOR = "yellow"
SHEET_COLUMNS = 3
MOST_LETTERS = 24  # of a name on a click sheet
MAX_SIDE = 640  # pixels of an image in a contact sheet
DPI = 100
CLICKS_SHOWN = (1, 2, 4)  # on a click sheet, one panel each
PANEL_WIDTH, PANEL_HEIGHT = 205, 154  # pixels of an image on a click sheet
PANEL_GAP, TITLE_HEIGHT, BLOCK_MARGIN, HEADER_HEIGHT = 5, 18, 26, 34  # pixels around them
LANDSCAPE = 1.25  # width over height that a click sheet has at least


@dataclass(frozen=True)
class Case:
    """One object for a contact sheet.

    Attributes:
        record: its clicks and IoUs.
        image: (H, W, 3) uint8 RGB.
        gt_mask: (H, W) int32, 1 on the object.
        mask: (H, W) bool, prediction after the last of these clicks.
    """

    record: ObjectRecord
    image: np.ndarray
    gt_mask: np.ndarray
    mask: np.ndarray


def miou_figure(records: Sequence[ObjectRecord], title: str) -> Figure:
    """Plot the mean IoU in percent over the number of clicks.

    Objects that stopped earlier keep their last IoU, and the legend says so.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

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
    from matplotlib.figure import Figure

    columns = min(SHEET_COLUMNS, len(cases))
    rows = -(-len(cases) // columns)
    figure = Figure(figsize=(5 * columns, 4.2 * rows + 0.5), layout="constrained")
    figure.suptitle(printable(title), parse_math=False)
    for case, axes in zip(cases, figure.subplots(rows, columns, squeeze=False).flat, strict=False):
        name = printable(case.record.name) or case.record.index
        _draw_case(axes, case, MAX_SIDE, 5)
        axes.set_title(
            f"{name}, object {case.record.object_id}: {_clicks_and_iou(case.record)}", fontsize=9, parse_math=False
        )
    for axes in figure.axes:
        axes.axis("off")
    return figure


def spread_records(records: Sequence[ObjectRecord], number: int) -> list[ObjectRecord]:
    """Choose records that are spread evenly over a data set, in its order; all of them if there are no more.

    Args:
        records: in any order.
        number: how many are chosen, at least 1.
    """
    in_order = sorted(records, key=lambda record: record.key)
    number = min(number, len(in_order))
    return [in_order[(2 * place + 1) * len(in_order) // (2 * number)] for place in range(number)]


def click_stages(record: ObjectRecord) -> list[ObjectRecord]:
    """Cut a record after one, two and four clicks, or after its last click where it has fewer."""
    first = record.prompt is not None
    return [
        replace(record, clicks=record.clicks[: number - first], ious=record.ious[:number]) for number in CLICKS_SHOWN
    ]


def click_sheet(objects: Iterable[Sequence[Case]], number: int, title: str) -> Figure:
    """Draw objects as they get better from click to click: three small panels of each side by side.

    The objects stand in as many columns as make the picture wider than high.

    Args:
        objects: the cases of each object, those of its ``click_stages``. They are drawn one by one, so that the images
            need not be in memory together.
        number: how many objects there are, at least 1.
        title: above them.
    """
    from matplotlib.figure import Figure

    block_width = BLOCK_MARGIN + len(CLICKS_SHOWN) * (PANEL_WIDTH + PANEL_GAP)
    block_height = TITLE_HEIGHT + PANEL_HEIGHT + PANEL_GAP

    def size(columns: int) -> tuple[int, int]:
        return columns * block_width, HEADER_HEIGHT + -(-number // columns) * block_height

    columns = next(n for n in count(1) if size(n)[0] >= LANDSCAPE * size(n)[1])
    width, height = size(columns)
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    figure.suptitle(printable(title), y=1 - 0.25 * HEADER_HEIGHT / height, va="top", fontsize=11, parse_math=False)
    for place, stages in enumerate(objects):
        row, column = divmod(place, columns)
        top = HEADER_HEIGHT + row * block_height + TITLE_HEIGHT
        left = column * block_width + BLOCK_MARGIN
        for stage, case in enumerate(stages):
            x = left + stage * (PANEL_WIDTH + PANEL_GAP)
            axes = figure.add_axes(
                (x / width, 1 - (top + PANEL_HEIGHT) / height, PANEL_WIDTH / width, PANEL_HEIGHT / height)
            )
            _draw_case(axes, case, PANEL_WIDTH, 4)
            axes.set_title(_clicks_and_iou(case.record), fontsize=8, pad=3, parse_math=False)
            axes.axis("off")
        name = printable(stages[0].record.name) or str(stages[0].record.index)
        figure.text(
            (left - 6) / width,
            1 - (top + PANEL_HEIGHT / 2) / height,
            name[:MOST_LETTERS],
            rotation=90,
            ha="right",
            va="center",
            fontsize=7,
            parse_math=False,
        )
    return figure


def _clicks_and_iou(record: ObjectRecord) -> str:
    clicks = "1 click" if len(record.clicks) == 1 else f"{len(record.clicks)} clicks"
    if record.prompt is not None:
        clicks = f"{record.prompt['kind']} and {clicks}" if record.clicks else record.prompt["kind"]
    return f"{clicks}, IoU {record.ious[-1]:.3f}"


def _draw_case(axes: Axes, case: Case, side: int, dot: int) -> None:
    """Draw one object, its image of ``side`` pixels at most, its clicks of ``dot`` points."""
    from matplotlib.patheffects import withStroke

    height, width = case.gt_mask.shape
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    blended = cv2.resize(draw_with_blend_and_clicks(case.image, case.mask), size, interpolation=cv2.INTER_AREA)
    axes.imshow(blended, extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    contours, _ = cv2.findContours((case.gt_mask == 1).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    for contour in contours:
        outline = np.vstack((contour[:, 0], contour[:1, 0]))
        axes.plot(outline[:, 0], outline[:, 1], color=GT_COLOR, linewidth=1)
    outlined = [withStroke(linewidth=2, foreground="white")]
    drawn = None if case.record.prompt is None else FirstPrompt.drawn_in(case.record.prompt)
    if drawn is not None:
        color = np.array(POSITIVE_COLOR if drawn.is_positive else NEGATIVE_COLOR) / 255
        rows, columns = drawn.outline().T
        axes.plot(columns, rows, color=color, linewidth=2, path_effects=[withStroke(linewidth=3, foreground="white")])
    for number, (x, y, label) in enumerate(case.record.clicks, start=1 if case.record.prompt is None else 2):
        color = np.array(POSITIVE_COLOR if label else NEGATIVE_COLOR) / 255
        axes.plot(x, y, "o", color=color, markersize=dot, markeredgecolor="white", clip_on=False)
        axes.annotate(
            str(number),
            (x, y),
            (3, 3),
            textcoords="offset points",
            color=color,
            fontsize=dot + 3,
            path_effects=outlined,
        )


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG, atomically."""
    with atomic_write(path) as file:
        draw_figure(figure, file)


def draw_figure(figure: Figure, file: IO[bytes]) -> None:
    """Write a figure as PNG into an open file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    figure.savefig(file, format="png", dpi=DPI)


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
        drawn = draw_lines(drawn, event.lines)
        name = f"{event.file_name}_{event.number - 1}.jpg"
        write_image(self.folder / name, np.hstack((drawn, draw_probmap(event.session.probs))))
