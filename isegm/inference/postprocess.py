"""Postprocessing of the network's output: FocalClick's local refinement, CDNet's pixel diffusion.

A postprocess belongs to the protocol that a network was published with (``InferenceSettings.postprocess``) and keeps no
state from click to click. A refinement (``isegm.inference.refinement``) is test-time optimisation for any network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import exp
from typing import Protocol

import torch
from torch import Tensor

from isegm.clicks import points_tensor
from isegm.inference.batch import Member, NetworkOutput
from isegm.inference.focus import focus_crop, scaled_edges
from isegm.inference.merge import pixel_of
from isegm.inference.painting import Painting, Patch, shares_memory
from isegm.inference.transforms import resized
from isegm.model.click_model import ClickModel
from isegm.model.compilation import in_powers_of_two
from isegm.utils.boxes import Box, above
from isegm.utils.errors import InputError
from isegm.utils.inputs import require_fields
from isegm.utils.schema import Number

# A pixel is object above these probabilities. For the new prediction the published code compares a logit with 0.49
# (docs/fidelity.md#focus-thresholds).
PREV_THRESH = 0.49
NEW_THRESH = 1 / (1 + exp(-0.49))
FROZEN_AFTER = 10  # number of clicks after which only the focus crop changes


@dataclass(frozen=True, eq=False)
class Prediction:
    """Final prediction for one session.

    Attributes:
        probs: (1, 1, H, W) probabilities that users see and the network reads at the next click.
        zoom_probs: (1, 1, H, W) probabilities from which the next crop is chosen.
        focus: the focus crop, in pixels of the image; None where there is none.
        painting: how ``probs`` can be computed again; None where it cannot.
    """

    probs: Tensor
    zoom_probs: Tensor
    focus: Box | None = None
    painting: Painting | None = None

    @classmethod
    def of(cls, painting: Painting) -> Prediction:
        """The prediction that a painting gives."""
        probs, zoom_probs = painting.paint()
        return cls(probs, zoom_probs, painting=replace(painting, probs=probs))


class Postprocess(Protocol):
    """Turns the network's output into predictions; a frozen dataclass of plain values, as it is written to records."""

    def check(self, model: ClickModel) -> None:
        """Raise InputError, in one sentence, if the network is not made for it."""

    def __call__(self, model: ClickModel, output: NetworkOutput) -> list[Prediction]:
        """Compute the prediction of each session of the batch."""


@dataclass(frozen=True)
class FocusRefine:
    """FocalClick's local refinement (Chen et al. 2022, sections 3.1 and 3.2).

    The refiner sees the focus crop, the part of the image that the last click has changed, resized to the network's
    input size. The refined probabilities replace the coarse ones there. From the 11th click on nothing changes outside
    the focus crop, which is still chosen from the coarse prediction (docs/fidelity.md#focus-frozen). Of several clicks
    in one call only the last one decides on the focus crop, so the rest of the image changes too.

    Args:
        crop_ratio: side of the focus crop relative to that of the change.
    """

    crop_ratio: float = 1.4

    def __post_init__(self) -> None:
        require_fields(self, {"crop_ratio": Number(above=0)})

    def check(self, model: ClickModel) -> None:
        if not model.has_refiner:
            raise InputError(
                f"{type(model).__name__} has no refiner, which mode FocalClick needs: leave the mode out, or take a "
                "network of FocalClick."
            )

    def __call__(self, model: ClickModel, output: NetworkOutput) -> list[Prediction]:
        members, bases = output.batch.members, output.pasted()
        coarse = [base.paint() for base in bases]
        boxes = [self.focus(member, probs) for member, probs in zip(members, coarse, strict=True)]
        refined = self._refined(model, output, {i: box for i, box in enumerate(boxes) if not box.is_empty})
        predictions = []
        for i, (member, base, probs, box) in enumerate(zip(members, bases, coarse, boxes, strict=True)):
            if i not in refined:  # the published code fails at an empty crop (docs/fidelity.md#focus-empty)
                predictions.append(Prediction(probs, probs, painting=Painting(base, probs=probs)))
                continue
            given, patch = member.given, Patch(box, refined[i])
            painting: Painting | None = Painting(base, (patch,))
            if given.interactions > FROZEN_AFTER and len(given.clicks) - given.clicks_seen <= 1:
                probs, before = given.prev_probs.clone(), given.painting
                known = before is not None and before.probs is given.prev_probs
                painting = replace(before, patches=(*before.patches, patch)) if before is not None and known else None
            elif shares_memory(probs, base.probs):
                probs = probs.clone()
            patch.paint_on(probs)
            painting = None if painting is None else replace(painting, probs=probs)
            predictions.append(Prediction(probs, probs, box, painting))
        return predictions

    def focus(self, member: Member, probs: Tensor) -> Box:
        """The focus crop for a coarse prediction (1, 1, H, W); empty without a click."""
        given = member.given
        if not given.clicks:
            return Box(0, 0, 0, 0)
        new, old = above(probs[0, 0], NEW_THRESH), above(given.prev_probs[0, 0], PREV_THRESH)
        pixel = pixel_of(given.clicks[-1], given.image_size)
        return focus_crop(new, old, pixel, member.view.output_box, self.crop_ratio)

    @staticmethod
    def _refined(model: ClickModel, output: NetworkOutput, boxes: Mapping[int, Box]) -> dict[int, Tensor]:
        """Refined logits (1, 1, h, w) of the focus crops of some sessions, by their index in the batch."""
        if not boxes:
            return {}
        size = output.batch.size
        crops, clicks, frames = [], [], []
        for i, box in boxes.items():
            member = output.batch.members[i]
            crops.append(resized(box.crop(member.given.image), size))
            clicks.append([click.at(*box.to_crop(click.coords, size)) for click in member.given.clicks])
            top, bottom, left, right = scaled_edges(box, member.view.output_box, size)
            frames.append((i, left, top, right, bottom))
        image = torch.cat(crops)  # (N, 3, h, w)
        # of as many rows as the network was shown, so that a compiled refiner meets few numbers of them
        points = points_tensor(clicks, device=image.device, multiple=output.batch.points.shape[1] // 2)
        rois = image.new_tensor(frames)
        feature, instances = output.outputs["feature"], output.outputs["instances"]
        indices = range(len(boxes))
        refined: list[Tensor] = []
        for part in in_powers_of_two(indices) if output.batch.compiled else [indices]:
            rows = slice(part[0], part[-1] + 1)
            outputs = model.refine(image[rows], points[rows], feature, instances, rois[rows])
            refined += outputs["instances_refined"].float().split(1)
        return dict(zip(boxes, refined, strict=True))


@dataclass(frozen=True)
class PixelDiffusion:
    """CDNet's pixel diffusion (Chen et al. 2021, "Conditional Diffusion for Interactive Segmentation", section 3.3).

    The prediction is 1 where the probability is above one half and 0 elsewhere, whatever the threshold of the mask
    (docs/fidelity.md#cdnet-binary-output).
    """

    def check(self, model: ClickModel) -> None:
        if not model.has_diffusion:
            raise InputError(
                f"{type(model).__name__} has no pixel diffusion, which mode CDNet needs: leave the mode out, or take a "
                "network of CDNet."
            )

    def __call__(self, model: ClickModel, output: NetworkOutput) -> list[Prediction]:
        members = output.batch.members
        image = torch.cat([member.view.crop(member.given.image) for member in members])  # (N, 3, h, w)
        points = output.batch.points[: len(members)]
        diffused = model.diffuse(image, output.logits, points).float()  # (N, 1, h, w)
        return [Prediction.of(Painting(base, binary=True)) for base in output.pasted(diffused)]
