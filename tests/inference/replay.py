"""The evaluation of one object, as the specification words it, and the comparison of a run with a golden log."""

import functools

import numpy as np
import skimage.data
import torch

from isegm.inference.clicker import Clicker
from isegm.inference.mask_metrics import get_iou

ON_THRESHOLD = 1e-5  # float noise of a probability, as from another number of threads


@functools.lru_cache
def photo(name: str) -> np.ndarray:
    """A photograph that comes with scikit-image, (H, W, 3) uint8 RGB."""
    return getattr(skimage.data, name)()


def play(predictor, image, gt, clicks, threshold=0.49, init_mask=None):
    """Yield (click, session, IoU) after each simulated click."""
    clicker = Clicker(gt)
    session = predictor.start(image, init_mask)
    mask = session.mask(threshold)
    for _ in range(clicks):
        click = clicker.make_next_click(mask)
        (session,) = predictor.step([session], [click])
        mask = session.mask(threshold)
        yield click, session, get_iou(gt, mask)


def assert_follows(
    log, arrays, predictor, image, gt, prefix="", tolerance=1e-4, threshold=0.49, init_mask=None, binary=False
):
    """A run must repeat a golden log: clicks, crops, focus crops, IoUs and probabilities.

    Where answers are ones and zeros (``binary``), so many pixels may differ as had a probability on their threshold.
    """
    for i, (click, session, iou) in enumerate(play(predictor, image, gt, len(log), threshold, init_mask)):
        expected, where = log[i], f"{prefix} click {i}"
        assert [*click.coords, click.is_positive, click.indx] == [
            expected["y"],
            expected["x"],
            expected["positive"],
            i,
        ], where
        roi = session.zoom.roi
        assert (None if roi is None else list(roi.inclusive)) == expected["roi"], where
        if "focus_roi" in expected:
            assert list(session.focus) == expected["focus_roi"], where
        flips = int(((session.zoom.probs - 0.5).abs() < ON_THRESHOLD).sum()) if binary else 0
        # pixels that lie on the threshold to within float noise may fall on either side
        slack = 1e-6 + (expected["near_threshold"] + flips) / max(1, np.count_nonzero(gt == 1))
        assert abs(iou - expected["iou"]) <= min(slack, 1e-3), (where, iou, expected["iou"])
        assert abs(session.probs.mean(dtype=np.float64) - expected["mean"]) < tolerance, where
        for name, values in samples(session.probs, arrays, f"{prefix}prob_", i):
            far = np.abs(values - arrays[name]) > tolerance
            assert np.count_nonzero(far) <= flips, (where, name, values[far], arrays[name][far])


def samples(probs, arrays, prefix, i):
    """(golden array name, own values) for the ways in which golden files store a probability map."""
    if f"{prefix}sample/{i}" in arrays:
        yield f"{prefix}sample/{i}", probs.ravel()[:: max(1, probs.size // 2048)][: len(arrays[f"{prefix}sample/{i}"])]
    if f"{prefix}lowres/{i}" in arrays:
        name = f"{prefix}lowres/{i}"
        pooled = torch.nn.functional.adaptive_avg_pool2d(
            torch.from_numpy(probs.copy()).double()[None], arrays[name].shape
        )
        yield name, pooled[0].numpy()
