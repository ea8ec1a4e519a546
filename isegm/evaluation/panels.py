"""Images of where each object ended, as ``--vis`` of ClickSEG writes them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from isegm.evaluation.loop import ClickEvent
from isegm.utils.boxes import Box
from isegm.utils.files import write_image
from isegm.utils.vis import draw_with_blend_and_clicks

CAPTION_HEIGHT = 40  # pixels of the white strip above a panel
CROP_COLOR, FOCUS_COLOR = (255, 200, 0), (255, 0, 255)
LONGEST_FOCUS = 512  # pixels of an enlarged focus crop


class SamplePanels:
    """Callback of ``evaluate_dataset`` that writes a row of captioned panels when an object is done.

    ``<sample>.png`` shows the image, the mask that clicking started from, the last mask with all clicks, the ground
    truth and the mask before the last click; ``<sample>_focus.png``, of networks that look at a part of the image
    again, this part (magenta) in the crop that the network saw (yellow), and the mask in it before and after the last
    click. ``<sample>`` counts from 0, and is ``<sample>_<object>`` where samples have several objects.

    Args:
        folder: images of an earlier run that lie in it are removed,
        goes_on: unless this one goes on with it.
    """

    def __init__(self, folder: str | Path, goes_on: bool = False) -> None:
        self.folder = Path(folder)
        for old in () if goes_on else self.folder.glob("*.png"):
            if old.stem.removesuffix("_focus").replace("_", "").isdecimal():
                old.unlink()

    def __call__(self, event: ClickEvent) -> None:
        if not event.finished:
            return
        of_object = f"_{event.object_id}" if len(event.sample.objects_ids) > 1 else ""
        name = f"{event.index}{of_object}"
        image, start = event.sample.image, event.sample.init_mask
        made = "1 click" if len(event.clicks) == 1 else f"{len(event.clicks)} clicks"
        panels = {
            "image": image,
            "initial mask" if start is not None else "no initial mask": _white(
                np.zeros(image.shape[:2], dtype=bool) if start is None else start > 0.5
            ),
            f"mask after {made}, IoU {event.iou:.3f}": draw_with_blend_and_clicks(
                image, event.mask, clicks_list=event.clicks
            ),
            "ground truth": _white(event.gt_mask == 1, event.gt_mask == -1),
            "mask before the last click": _white(event.previous),
        }
        write_image(self.folder / f"{name}.png", _row(panels))
        if event.session.focus is not None:
            write_image(self.folder / f"{name}_focus.png", _row(_focus_panels(event)))


def _focus_panels(event: ClickEvent) -> dict[str, np.ndarray]:
    image, focus = event.sample.image, event.session.focus
    crop = event.session.zoom.roi or Box.of_image(image.shape[:2])
    boxes = image.copy()
    thickness = max(2, max(image.shape) // 300)
    for color, box in ((CROP_COLOR, crop), (FOCUS_COLOR, focus)):
        cv2.rectangle(boxes, (box.left, box.top), (box.right - 1, box.bottom - 1), color, thickness)
    panels = {"crop and focus crop": boxes}
    scale = LONGEST_FOCUS / max(focus.size)
    size = (max(1, round(focus.size[1] * scale)), max(1, round(focus.size[0] * scale)))
    for caption, mask in (("focus crop before", event.previous), ("focus crop after", event.mask)):
        part = draw_with_blend_and_clicks(image[focus.slices], mask[focus.slices])
        panels[caption] = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)
    return panels


def _white(mask: np.ndarray, ignored: np.ndarray | None = None) -> np.ndarray:
    """A mask as (H, W, 3) uint8: white on black, ignored pixels grey."""
    levels = mask.astype(np.uint8) * 255
    if ignored is not None:
        levels[ignored] = 128
    return np.repeat(levels[..., None], 3, axis=2)


def _row(panels: dict[str, np.ndarray]) -> np.ndarray:
    """Panels side by side, each under its caption, the lower ones filled up with white."""
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
