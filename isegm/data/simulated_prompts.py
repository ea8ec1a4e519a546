"""Boxes, scribbles and masks that a simulated user gives first, made from the true mask of an object.

They depend on the mask and, where they are random, on the numbers of a key alone, so that any run can repeat them.
"""

from __future__ import annotations

import cv2
import numpy as np

from isegm.data.corrupted_masks import corrupt_at_boundary
from isegm.prompts import Prompt, along
from isegm.utils.boxes import Box

PROMPTS = ("click", "box", "scribble", "mask")  # that an object can begin with
MASK_IOU = (0.55, 0.92)  # range of the IoU of masks to start from; a mask may end slightly below
SCRIBBLE_SHARE = 0.7  # of the longest line within the skeleton; people do not draw into the tips
SCRIBBLE_POINTS = 20
SMOOTHING = 0.05  # standard deviation of the smoothing of the line, in its length
MOST_SIDE = 512  # pixels of the longer side at which skeletons are made


def simulated_box(truth: np.ndarray, jitter: float = 0.0, key: tuple[int, ...] = ()) -> Prompt:
    """Return the smallest box around an object.

    Args:
        truth: (H, W) bool, not empty.
        jitter: each side moves by up to this share of the box's length across it, uniformly; it stays in the image, and
            on its side of the box's middle.
        key: numbers that decide on the moves.
    """
    box = Box.around(truth)
    if not jitter:
        return Prompt("box", ((box.top, box.left), (box.bottom, box.right)))
    moves = np.random.default_rng(key).uniform(-jitter, jitter, 4)
    ends = []
    for first, last, limit, (low, high) in (
        (box.top, box.bottom, truth.shape[0], moves[:2]),
        (box.left, box.right, truth.shape[1], moves[2:]),
    ):
        middle, length = (first + last) / 2, last - first
        start = max(0, min(round(first + low * length), int(middle - 0.5)))
        ends.append((start, min(limit, max(round(last + high * length), int(middle) + 1, start + 1))))
    (top, bottom), (left, right) = ends
    return Prompt("box", ((top, left), (bottom, right)))


def simulated_scribble(truth: np.ndarray) -> Prompt:
    """Return a smooth line along the skeleton of the largest part of an object.

    Args:
        truth: (H, W) bool, not empty.
    """
    from skimage.morphology import skeletonize  # takes a second to import

    _, labels, statistics, _ = cv2.connectedComponentsWithStats(truth.astype(np.uint8), connectivity=8)
    part = labels == 1 + statistics[1:, cv2.CC_STAT_AREA].argmax()
    box = Box.around(part)
    scale = max(1.0, max(box.size) / MOST_SIDE)
    size = (max(1, round(box.size[1] / scale)), max(1, round(box.size[0] / scale)))
    shares = cv2.resize(part[box.slices].astype(np.float32), size, interpolation=cv2.INTER_AREA)
    small = np.pad(shares, 1)  # above 0 in every pixel that the part touches, however thin it is
    path = _longest_path(skeletonize(small > 0)) - 1
    rest = (1 - SCRIBBLE_SHARE) / 2
    if len(path) < 2:  # a round or a tiny object: a short line across its middle
        reach = max(0.5, min(box.size) / 8)
        path = path[:1] * scale + (box.top, box.left) + np.array([(0, -reach), (0, reach)])
    else:
        path = along(_smooth(path), np.linspace(rest, 1 - rest, SCRIBBLE_POINTS)) * scale + (box.top, box.left)
    path = np.clip(path, 0, np.array(truth.shape) - 1)
    return Prompt("scribble", tuple((row, column) for row, column in path.round(2).tolist()))


def simulated_mask(truth: np.ndarray, key: tuple[int, ...]) -> np.ndarray:
    """Return a version of a mask with defects at its boundary, bool (H, W).

    Args:
        truth: (H, W) bool, not empty.
        key: numbers that decide on the defects.
    """
    rng = np.random.default_rng(key)
    return corrupt_at_boundary(truth, rng.uniform(*MASK_IOU), rng)


def _longest_path(skeleton: np.ndarray) -> np.ndarray:
    """Pixels (N, 2) of a path between two ends of a skeleton that are far apart, in order."""
    from skimage.graph import MCP_Geometric

    costs = np.where(skeleton, 1.0, -1.0)  # negative: not passable
    end = divmod(int(skeleton.argmax()), skeleton.shape[1])
    for _ in range(2):  # the pixel farthest from any one is an end, and from that the other end is farthest
        paths = MCP_Geometric(costs)
        lengths, _ = paths.find_costs([end])
        farthest = np.where(skeleton & np.isfinite(lengths), lengths, -1).argmax()
        end = divmod(int(farthest), costs.shape[1])
    return np.array(paths.traceback(end), dtype=np.float64)


def _smooth(path: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(path, max(1.0, SMOOTHING * len(path)), axis=0, mode="nearest")
