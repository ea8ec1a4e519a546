"""Draw the result of each object in a row of panels, like ``--vis`` of ClickSEG."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from isegm.evaluation.loop import ClickEvent
from isegm.utils.boxes import Box
from isegm.utils.files import write_image
from isegm.utils.vis import draw_lines, draw_with_blend_and_clicks

CAPTION_HEIGHT = 40  # pixels of the white strip above a panel
CROP_COLOR, FOCUS_COLOR = (255, 200, 0), (255, 0, 255)
FOCUS_SIDE = 512  # pixels of the longer side of an enlarged focus crop


class SamplePanels:
    """Callback of ``evaluate_dataset`` that writes a row of captioned panels after an object's last click.

    ``<sample>.png`` shows the image, the initial mask, the last mask with all clicks, the ground truth and the mask
    before the last click. For networks with a focus crop ``<sample>_focus.png`` shows the focus crop (magenta) in the
    crop of the coarse prediction (yellow), and the mask inside it before and after the last click. ``<sample>`` is
    ``ClickEvent.file_name``.

    Args:
        folder: where the panels are written.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def __call__(self, event: ClickEvent) -> None:
        if not event.finished:
            return
        name = event.file_name
        image, start = event.sample.image, event.sample.init_mask
        clicks = "1 click" if event.number == 1 else f"{event.number} clicks"
        panels = {
            "image": image,
            "initial mask" if start is not None else "no initial mask": _white(
                np.zeros(image.shape[:2], dtype=bool) if start is None else start > 0.5
            ),
            f"mask after {clicks}, IoU {event.iou:.3f}": draw_lines(
                draw_with_blend_and_clicks(image, event.mask, clicks_list=event.clicks), event.lines
            ),
            "ground truth": _white(event.gt_mask == 1, event.gt_mask == -1),
            "mask before the last click": _white(event.previous),
        }
        write_image(self.folder / f"{name}.png", _row(panels))
        if event.session.focus is not None:
            write_image(self.folder / f"{name}_focus.png", _row(_focus_panels(event, event.session.focus)))


def _focus_panels(event: ClickEvent, focus: Box) -> dict[str, np.ndarray]:
    """Draw the two crops in the image, and the enlarged focus crop before and after the click."""
    image = event.sample.image
    crop = event.session.zoom.roi or Box.of_image(image.shape[:2])
    boxes = image.copy()
    thickness = max(2, max(image.shape) // 300)
    for color, box in ((CROP_COLOR, crop), (FOCUS_COLOR, focus)):
        cv2.rectangle(boxes, (box.left, box.top), (box.right - 1, box.bottom - 1), color, thickness)
    panels = {"crop and focus crop": boxes}
    scale = FOCUS_SIDE / max(focus.size)
    size = (max(1, round(focus.size[1] * scale)), max(1, round(focus.size[0] * scale)))
    for caption, mask in (("focus crop before", event.previous), ("focus crop after", event.mask)):
        crop_image = draw_with_blend_and_clicks(image[focus.slices], mask[focus.slices])
        panels[caption] = cv2.resize(crop_image, size, interpolation=cv2.INTER_LINEAR)
    return panels


def _white(mask: np.ndarray, ignored: np.ndarray | None = None) -> np.ndarray:
    """Draw a mask as (H, W, 3) uint8: white on black, ignored pixels grey."""
    levels = mask.astype(np.uint8) * 255
    if ignored is not None:
        levels[ignored] = 128
    return np.repeat(levels[..., None], 3, axis=2)


def _row(panels: dict[str, np.ndarray]) -> np.ndarray:
    """Place panels side by side, each under its caption; lower ones are padded with white."""
    height = max(panel.shape[0] for panel in panels.values())
    columns = []
    for caption, panel in panels.items():
        column = np.full((CAPTION_HEIGHT + height, panel.shape[1], 3), 255, dtype=np.uint8)
        column[CAPTION_HEIGHT : CAPTION_HEIGHT + panel.shape[0]] = panel
        scale = min(0.6, 0.6 * (panel.shape[1] - 12) / cv2.getTextSize(caption, cv2.FONT_HERSHEY_SIMPLEX, 0.6, 1)[0][0])
        if scale > 0:
            cv2.putText(column, caption, (6, 27), cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 1, cv2.LINE_AA)
        columns.append(column)
    return np.hstack(columns)
