"""What is made of the network's answer before it goes back: FocalClick's second look, CDNet's pixel diffusion.

Unlike a refinement (``isegm.inference.refinement``), which is another way to the answer, a postprocess belongs to the
protocol that a network was published with (``InferenceSettings.postprocess``). It keeps nothing from click to click.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import Any, Protocol

import torch
from torch import Tensor

from isegm.clicks import points_tensor
from isegm.inference.focus import focus_crop, scaled_edges
from isegm.inference.merge import pixel_of
from isegm.inference.session import Session
from isegm.inference.transforms import View, resized
from isegm.model.base import ClickModel
from isegm.utils.boxes import Box
from isegm.utils.errors import InputError

PREV_THRESH = 0.49  # probability above which a pixel of the previous answer is object
NEW_THRESH = 1 / (1 + exp(-0.49))  # [KEEP] A1: of the new one, where the published code compares a logit with 0.49
FROZEN_AFTER = 10  # clicks after which only the focus crop still changes


@dataclass(frozen=True, eq=False)
class NetworkOutput:
    """What the network says of some sessions in one pass.

    Attributes:
        sessions: with their clicks, and the answers from before the first pass that has seen the last of these.
        views: what it saw of each, all of one size (h, w).
        points: float (N or 2N, 2M, 3) clicks that it was shown, flipped rows behind the straight ones.
        outputs: what ``model.decode`` returned, rows likewise.
        logits: (N, 1, h, w), the mean over both where the settings say flip.
    """

    sessions: Sequence[Session]
    views: Sequence[View]
    points: Tensor
    outputs: Mapping[str, Any]
    logits: Tensor

    def pasted(self) -> list[Tensor]:
        """For each session the probabilities (1, 1, H, W) in its image, 0 outside the part that the answer fills."""
        # [KEEP] probabilities, not logits, are resized to the image (trap 4 of RITM)
        return [view.paste(probs[None]) for view, probs in zip(self.views, torch.sigmoid(self.logits), strict=True)]


@dataclass(frozen=True, eq=False)
class Prediction:
    """The answer for one session.

    Attributes:
        probs: (1, 1, H, W), which people see and the network is given at the next click.
        zoom_probs: (1, 1, H, W), from which the next crop is chosen.
        focus: the part of the image that was looked at again; None for none.
    """

    probs: Tensor
    zoom_probs: Tensor
    focus: Box | None = None


class Postprocess(Protocol):
    """Turns an answer into what is shown; a frozen dataclass of plain values, as it is written into records."""

    def check(self, model: ClickModel) -> None:
        """Raise InputError, in one sentence, if the network is not made for it."""

    def __call__(self, model: ClickModel, output: NetworkOutput) -> list[Prediction]:
        """What is made of the answer for each of its sessions."""


@dataclass(frozen=True)
class FocusRefine:
    """FocalClick's local refinement (Chen et al. 2022, sections 3.1 and 3.2).

    The part of the image that the last click has changed is shown to the refiner at the size of the network's input,
    and the refined probabilities replace those of the first look there. From the 11th click on nothing changes
    elsewhere ([KEEP] A2), although that part is still chosen by the first look. Of several clicks that are answered
    together only the last one decides where to look, so that then the rest changes too.

    Args:
        crop_ratio: by how much the part is larger than the change.
    """

    crop_ratio: float = 1.4

    def check(self, model: ClickModel) -> None:
        if not model.has_refiner:
            raise InputError(
                f"{type(model).__name__} has no refiner, which mode FocalClick needs: leave the mode out, or take a "
                "network of FocalClick."
            )

    def __call__(self, model: ClickModel, output: NetworkOutput) -> list[Prediction]:
        coarse = output.pasted()
        boxes = [
            self._focus(session, view, probs)
            for session, view, probs in zip(output.sessions, output.views, coarse, strict=True)
        ]
        seen = [row for row, box in enumerate(boxes) if not box.is_empty]
        refined = iter(self._refined(model, output, boxes, seen)) if seen else iter(())
        predictions = []
        for session, probs, box in zip(output.sessions, coarse, boxes, strict=True):
            if box.is_empty:  # the published code fails here (A7)
                predictions.append(Prediction(probs, probs))
                continue
            if len(session.clicks) > FROZEN_AFTER and len(session.clicks) - session.answered <= 1:
                probs = session.prev_probs.clone()
            box.crop(probs).copy_(torch.sigmoid(resized(next(refined), box.size)))
            predictions.append(Prediction(probs, probs, box))
        return predictions

    def _focus(self, session: Session, view: View, probs: Tensor) -> Box:
        """Where to look again; nowhere without a click."""
        if not session.clicks:
            return Box(0, 0, 0, 0)
        new, old = (probs[0, 0] > NEW_THRESH).cpu(), (session.prev_probs[0, 0] > PREV_THRESH).cpu()
        pixel = pixel_of(session.clicks[-1], session.image_size)
        return focus_crop(new.numpy(), old.numpy(), pixel, view.output_box, self.crop_ratio)

    @staticmethod
    def _refined(model: ClickModel, output: NetworkOutput, boxes: Sequence[Box], seen: Sequence[int]) -> Tensor:
        """Refined logits of the crops of some sessions: (rows, 1, h, w), iterated as (1, 1, h, w)."""
        size = output.views[0].size
        crops, clicks, frames = [], [], []
        for row in seen:
            session, box = output.sessions[row], boxes[row]
            crops.append(resized(box.crop(session.image), size))
            clicks.append([click.at(*box.to_crop(click.coords, size)) for click in session.clicks])
            top, bottom, left, right = scaled_edges(box, output.views[row].output_box, size)
            frames.append((row, left, top, right, bottom))
        image = torch.cat(crops)  # (N, 3, h, w)
        outputs = model.refine(
            image,
            points_tensor(clicks, device=image.device),
            output.outputs["feature"],
            output.outputs["instances"],
            image.new_tensor(frames),
        )
        return outputs["instances_refined"].float().split(1)


@dataclass(frozen=True)
class PixelDiffusion:
    """CDNet's pixel diffusion (Chen et al. 2021, "Conditional Diffusion for Interactive Segmentation", section 3.3).

    [KEEP] (A10) What people see is 1 where the probability is above one half and 0 elsewhere, whatever the threshold.
    """

    def check(self, model: ClickModel) -> None:
        if not model.has_diffusion:
            raise InputError(
                f"{type(model).__name__} has no pixel diffusion, which mode CDNet needs: leave the mode out, or take a "
                "network of CDNet."
            )

    def __call__(self, model: ClickModel, output: NetworkOutput) -> list[Prediction]:
        crops = [view.crop(session.image) for session, view in zip(output.sessions, output.views, strict=True)]
        points = output.points[: len(crops)]
        spread = model.diffuse(torch.cat(crops), output.logits, points).float()  # (N, 1, h, w)
        pasted = NetworkOutput(output.sessions, output.views, points, output.outputs, spread).pasted()
        return [Prediction((probs > 0.5).float(), probs) for probs in pasted]
