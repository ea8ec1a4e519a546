"""The parts of a plain evaluation, which work as those of the published code do and give the same results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch

from isegm.clicks import Click
from isegm.inference.clicker import Clicker, Errors
from isegm.inference.mask_metrics import get_iou
from isegm.inference.predictor import Predictor
from isegm.inference.session import Session
from isegm.inference.simulation import ClickSimulation


class PlainClicker(Clicker):
    """A simulated user that looks at the whole image, and clicks the middle of the largest error."""

    def click_on(self, errors: Errors) -> Click:
        """Append the next click, see ``Clicker``."""
        missed, wrong = (_depths(error, self.clicks_list) for error in errors)
        missed_depth, wrong_depth = _squared(missed), _squared(wrong)
        is_positive = missed_depth > wrong_depth
        larger = (missed, missed_depth) if is_positive else (wrong, wrong_depth)
        return self.add_click(Click(is_positive, _first_pixel(*larger)))


def _depths(error: np.ndarray, clicks: Sequence[Click]) -> np.ndarray:
    """Depth in pixels of each pixel of a bool map (H, W), float32 (H, W); 0 outside it and where it was clicked."""
    depth = cv2.distanceTransform(np.pad(error.astype(np.uint8), 1), cv2.DIST_L2, 0)[1:-1, 1:-1]
    not_clicked = np.ones(error.shape, dtype=bool)
    for click in clicks:
        not_clicked[int(click.coords[0]), int(click.coords[1])] = False
    return depth * not_clicked


def _squared(depths: np.ndarray) -> int:
    """Square of the largest depth, which is whole."""
    return round(float(depths.max()) ** 2)


def _first_pixel(depths: np.ndarray, squared: int) -> tuple[int, int]:
    """(row, column) of the first pixel of depths (H, W) whose square is ``squared``."""
    rows, columns = np.where(depths > (squared - 0.5) ** 0.5) if squared else ((0,), (0,))
    return int(rows[0]), int(columns[0])


class PlainSimulation(ClickSimulation):
    """The published simulated user, and the IoU by whole masks."""

    def update(self, mask: np.ndarray) -> float:
        """Take the mask that followed from the last click, see ``ClickSimulation``."""
        get_iou(self.gt_mask, mask)
        return super().update(mask)

    @staticmethod
    def new_clicker(gt_mask: np.ndarray, rng: np.random.Generator | None) -> Clicker:
        """Make the clicker of an object."""
        return PlainClicker(gt_mask)


class PlainPredictor(Predictor):
    """One that joins image and previous mask in front of the crop, at the size of the image.

    SegNext's, which encodes the image once, does not.
    """

    def run(self, sessions: Sequence[Session], *further: Any, **named: Any) -> list[Session]:
        """Run the network, see ``SessionEngine``."""
        for session in sessions if self.model.with_prev_mask and not self.model.encodes_once else ():
            torch.cat((session.image, session.prev_probs), dim=1)
        return super().run(sessions, *further, **named)
