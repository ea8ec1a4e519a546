"""Larger crops where the border of a crop cuts the object, for programs in which people click."""

from __future__ import annotations

import torch
from torch import Tensor

from isegm.utils.boxes import Box

STEP = 0.5  # of the crop's side, by which a side that cuts the object moves outwards


def wider_crop(probs: Tensor, crop: Box, threshold: float) -> Box | None:
    """The crop with those sides moved outwards at which it cuts the object; None where it cuts it nowhere.

    Outside the crop a prediction is 0, so that a mask that reaches the crop's border inside the image ends there in a
    straight line.

    Args:
        probs: (1, 1, H, W) probabilities in the image.
        crop: the part of the image that the network saw.
        threshold: pixels of a greater probability are object.
    """
    height, width = probs.shape[2:]
    seen = crop.crop(probs)[0, 0]
    highest = torch.stack((seen[0].max(), seen[-1].max(), seen[:, 0].max(), seen[:, -1].max())).tolist()
    inside = (crop.top > 0, crop.bottom < height, crop.left > 0, crop.right < width)
    cut = [at_border > threshold and within for at_border, within in zip(highest, inside, strict=True)]
    if not any(cut):
        return None
    rows, columns = (max(1, round(STEP * side)) for side in crop.size)
    wider = Box(
        crop.top - rows * cut[0],
        crop.bottom + rows * cut[1],
        crop.left - columns * cut[2],
        crop.right + columns * cut[3],
    )
    return wider.intersection(Box.of_image((height, width)))
