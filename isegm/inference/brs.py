"""Backpropagating refinement: auxiliary parameters in the network are optimised at test time to agree with the clicks.

BRS (Jang and Kim 2019) optimises an offset of the click maps, RGB-BRS an offset of the image. f-BRS (Sofiiuk et al.
2020) optimises one scale and one bias per channel of intermediate features, so that only the layers behind them run at
every evaluation. The loss is the disagreement of the clicked pixels plus a small penalty on the parameters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isegm.clicks import Click
from isegm.inference.refinement import NetworkInput, register_refinement
from isegm.inference.transforms import resized, with_flipped
from isegm.model.click_model import ClickModel, EarlyFusionModel, where_given
from isegm.utils.errors import InputError
from isegm.utils.inputs import require_fields
from isegm.utils.schema import Instance, Nothing, Number, Whole, shown

CLICK_RADIUS = 1  # the click loss covers a square of 2 * CLICK_RADIUS + 1 pixels
BIAS_COST = 10.0  # penalty of a squared bias relative to a squared scale (f-BRS)
EPSILON = 1e-5

# Parameters (n,) -> (logits (B, 1, h, w), penalty of the parameters).
Forward = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class BRSParams:
    """Optimisation settings of all modes; the defaults are those of published evaluations.

    Args:
        optimize_after: parameters are optimised when there are more clicks than this.
        reg_weight: weight of the penalty.
        min_iou_diff: optimisation stops when the mask's IoU with that of the evaluation before is above 1 minus this; 0
            for never. Published demos use 1e-3.
        history: corrections that L-BFGS-B keeps (``m`` in published settings).
        factr: L-BFGS-B stops when the loss falls by less than this, in units of the float64 precision.
        pgtol: L-BFGS-B stops when no component of the gradient is greater.
        max_evaluations: evaluations of loss and gradient at each click (``maxfun``); at most twice as many iterations.
    """

    optimize_after: int = 1
    reg_weight: float = 1e-3
    min_iou_diff: float = 1e-2
    history: int = 20
    factr: float = 0.0
    pgtol: float = 1e-8
    max_evaluations: int = 20

    def __post_init__(self) -> None:
        for name, least in (("optimize_after", 0), ("history", 1), ("max_evaluations", 1)):
            value = getattr(self, name)
            if not Whole(least).fits(value):
                raise InputError(f"{name} of BRS is {shown(value)}: give a whole number of at least {least}.")
        for name in ("reg_weight", "min_iou_diff", "factr", "pgtol"):
            value = getattr(self, name)
            if not Number(0).fits(value):
                raise InputError(f"{name} of BRS is {shown(value)}: give a number that is not negative.")


@dataclass(frozen=True, eq=False)
class BRSState:
    """State from click to click.

    Attributes:
        mode: the mode that it belongs to.
        parameters: float64 (n,), the end of the last optimisation; None before the first click.
        features: the return value of ``features_at`` in the last pass through the backbone, f-BRS only.
    """

    mode: str
    parameters: np.ndarray | None = None
    features: Any = None


def click_masks(clicks: Sequence[Sequence[Click]], size: tuple[int, int], device: torch.device) -> Tensor:
    """Draw squares of 3x3 ones at the clicks: (2, B, 1, h, w), positive clicks first, then negative ones.

    Squares are slices whose start may be negative (docs/fidelity.md#brs-negative-slices): a click in the first row or
    column marks no pixel, nor do most clicks outside the input; some far above or left of it mark pixels at the
    opposite side.
    """
    masks = torch.zeros((2, len(clicks), 1, *size))
    for row, of_row in enumerate(clicks):
        for click in of_row:
            y, x = (round(coordinate) for coordinate in click.coords)
            rows = slice(y - CLICK_RADIUS, y + CLICK_RADIUS + 1)
            masks[0 if click.is_positive else 1, row, 0, rows, x - CLICK_RADIUS : x + CLICK_RADIUS + 1] = 1
    return masks.to(device)


def click_loss(probs: Tensor, masks: Tensor) -> Tensor:
    """Mean squared error of the clicked pixels, of positive and negative clicks apart: a scalar.

    Args:
        probs: (B, 1, h, w) in [0, 1].
        masks: (2, B, 1, h, w), see ``click_masks``. Sums are over the whole batch.
    """
    positive, negative = masks
    missed = (((1 - probs) * positive) ** 2).sum() / (positive.sum() + EPSILON)
    return missed + ((probs * negative) ** 2).sum() / (negative.sum() + EPSILON)


class ClickObjective:
    """Loss and gradient for SciPy at one click; keeps the logits of the smallest loss.

    A gradient of zeros stops the optimiser: when every clicked pixel is on its side of the threshold, or when the mask
    has hardly changed since the evaluation before.

    Args:
        forward: computes logits and penalty from parameters.
        masks: (2, B, 1, h, w), see ``click_masks``.
        threshold: probability above which a pixel is in the mask.
        min_iou_diff: see ``BRSParams``.
    """

    def __init__(self, forward: Forward, masks: Tensor, threshold: float, min_iou_diff: float) -> None:
        self.forward = forward
        self.masks = masks
        self.threshold = threshold
        self.min_iou_diff = min_iou_diff
        self.best_logits: Tensor | None = None
        self.best_loss = float("inf")
        self._last_mask: Tensor | None = None

    def __call__(self, parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss and float64 gradient at float64 (n,) parameters."""
        with torch.enable_grad():
            values = torch.from_numpy(parameters).float().to(self.masks.device).requires_grad_()
            logits, penalty = self.forward(values)
            probs = torch.sigmoid(logits)
            loss = click_loss(probs, self.masks) + penalty
        value = loss.item()
        if self.best_logits is None or value < self.best_loss:
            self.best_logits, self.best_loss = logits.detach(), value
        if self._may_stop(probs.detach()):
            return value, np.zeros_like(parameters)
        (gradient,) = torch.autograd.grad(loss, values)
        return value, gradient.cpu().numpy().astype(np.float64)

    def _may_stop(self, probs: Tensor) -> bool:
        positive, negative = self.masks
        farthest = ((1 - probs) * positive).max(), (probs * negative).max()
        if farthest[0] < 1 - self.threshold and farthest[1] < self.threshold:
            return True
        mask = probs > self.threshold
        if self._last_mask is not None and self.min_iou_diff > 0:
            union = (mask | self._last_mask).flatten(1).sum(1)
            shared = (mask & self._last_mask).flatten(1).sum(1)
            ious = shared[union > 0] / union[union > 0]  # where both masks are empty there is no IoU
            if len(ious) and ious.mean() > 1 - self.min_iou_diff:
                return True
        self._last_mask = mask
        return False


@dataclass(frozen=True)
class _BackPropagatingRefinement(ABC):
    """One click of any mode.

    Args:
        mode: its name on the command line.
        clicks_limit: number of clicks that the network is shown; further ones act through the loss alone.
        params: settings of the optimisation.
    """

    mode: str
    clicks_limit: int | None = None
    params: BRSParams = BRSParams()

    def __post_init__(self) -> None:
        kinds = {"clicks_limit": Whole(1) | Nothing(), "params": Instance(BRSParams, "BRSParams")}
        require_fields(self, kinds)

    @abstractmethod
    def check(self, model: ClickModel) -> None: ...

    @abstractmethod
    def in_new_view(self, state: BRSState | None) -> BRSState | None: ...

    @abstractmethod
    def prepared(self, model: EarlyFusionModel, given: NetworkInput, state: BRSState) -> tuple[Forward, int, Any]:
        """Return the forward function, its number of parameters, and features to keep for the next click."""

    @torch.no_grad()
    def refine(self, model: EarlyFusionModel, given: NetworkInput, state: BRSState | None) -> tuple[Tensor, BRSState]:
        """See ``Refinement``. Returns the logits of the smallest loss (docs/fidelity.md#brs-best-logits)."""
        if state is None or state.mode != self.mode:
            state = BRSState(self.mode)
        forward, count, features = self.prepared(model, given, state)
        parameters = state.parameters
        if parameters is None or len(parameters) != count:
            parameters = np.zeros(count)
        if len(given.clicks[0]) <= self.params.optimize_after:
            logits, _ = forward(torch.from_numpy(parameters).float().to(given.points.device))
        else:
            height, width = given.features["image"].shape[2:]
            masks = click_masks(given.clicks, (height, width), given.points.device)
            objective = ClickObjective(forward, masks, given.threshold, self.params.min_iou_diff)
            parameters = self._minimised(objective, parameters)
            if objective.best_logits is None:
                raise RuntimeError("The optimiser has not evaluated its objective.")
            logits = objective.best_logits
        return logits, BRSState(self.mode, parameters, features)

    def _minimised(self, objective: ClickObjective, start: np.ndarray) -> np.ndarray:
        """End point of L-BFGS-B."""
        from scipy.optimize import fmin_l_bfgs_b  # takes a third of a second that other modes need not spend

        end, _, _ = fmin_l_bfgs_b(
            objective,
            start,
            m=self.params.history,
            factr=self.params.factr,
            pgtol=self.params.pgtol,
            maxfun=self.params.max_evaluations,
            maxiter=2 * self.params.max_evaluations,
        )
        return end


@register_refinement("f-BRS-A", level="A")
@register_refinement("f-BRS-B", level="B")
@register_refinement("f-BRS-C", level="C")
@dataclass(frozen=True)
class FeatureBRS(_BackPropagatingRefinement):
    """f-BRS (Sofiiuk et al. 2020): features F become F * (1 + s) + b, with one s and one b per channel.

    The image and its flipped copy share the parameters, which survive a change of crop. Up to the limit of clicks that
    the network is shown, features are computed anew at each click; after that those of the last one are used again
    until the crop changes, so that newer previous masks are not seen.

    Args:
        level: level of the features in the network, see ``ClickModel.feature_levels``.
    """

    clicks_limit: int | None = 8
    level: str = "B"

    def check(self, model: ClickModel) -> None:
        _require_one_pass(model, self.mode)
        if self.level not in model.feature_levels:
            known = ", ".join(f"f-BRS-{level}" for level in model.feature_levels) or "no f-BRS mode"
            raise InputError(
                f"{type(model).__name__} has no features for {self.mode} (it supports {known}): choose another mode, "
                "such as NoBRS or RGB-BRS, or another network."
            )

    def in_new_view(self, state: BRSState | None) -> BRSState | None:
        return None if state is None else replace(state, features=None)

    def prepared(self, model: EarlyFusionModel, given: NetworkInput, state: BRSState) -> tuple[Forward, int, Any]:
        image, held = given.features["image"], state.features
        size = (image.shape[2], image.shape[3])
        if held is None or given.all_shown:
            held = model.features_at(self.level, image, _coord_features(model, given, size))  # ((B, C, h', w'), rest)
        features, rest = held

        def forward(parameters: Tensor) -> tuple[Tensor, Tensor]:
            scale, bias = parameters.view(2, 1, -1, 1, 1)  # (1, C, 1, 1) each
            logits = model.logits_from(self.level, features * (1 + scale) + bias, rest)  # (B, 1, h', w')
            penalty = self.params.reg_weight * ((scale**2).sum() + BIAS_COST * (bias**2).sum())
            return resized(logits.float(), size), penalty

        return forward, 2 * model.feature_levels[self.level], held


@register_refinement("RGB-BRS", target="image")
@register_refinement("DistMap-BRS", target="clicks")
@dataclass(frozen=True)
class InputBRS(_BackPropagatingRefinement):
    """An offset of the network's input for each pixel and channel. A change of crop resets it.

    The flipped copy gets the flipped offset. The whole network runs at every evaluation.

    Args:
        target: "image" for the three channels of the normalised image, "clicks" for the two click maps.
    """

    clicks_limit: int | None = 5
    target: str = "image"

    def check(self, model: ClickModel) -> None:
        _require_one_pass(model, self.mode)
        if not isinstance(model, EarlyFusionModel):
            raise InputError(
                f"{type(model).__name__} does not add click maps to its first stage, which {self.mode} needs: choose "
                "another mode, such as NoBRS, or another network."
            )

    def in_new_view(self, state: BRSState | None) -> None:
        return None

    def prepared(self, model: EarlyFusionModel, given: NetworkInput, state: BRSState) -> tuple[Forward, int, Any]:
        image = given.features["image"]  # (B, 3, h, w)
        size = (image.shape[2], image.shape[3])
        coord_features = _coord_features(model, given, size)  # (B, C, h, w)
        maps_count = model.dist_maps.channels
        channels = 3 if self.target == "image" else maps_count

        def forward(parameters: Tensor) -> tuple[Tensor, Tensor]:
            offset = parameters.view(1, channels, *size)
            if given.flip:
                offset = with_flipped(offset)
            # The flipped copy counts, which doubles the penalty (docs/fidelity.md#brs-cost-twice).
            penalty = self.params.reg_weight * (offset**2).sum()
            if self.target == "image":
                outputs = model.backbone_forward(image + offset, coord_features)
            else:
                others, maps = coord_features[:, :-maps_count], coord_features[:, -maps_count:]
                outputs = model.backbone_forward(image, torch.cat((others, maps + offset), dim=1))
            return resized(outputs["instances"].float(), size), penalty

        return forward, channels * size[0] * size[1], None


def _coord_features(model: EarlyFusionModel, given: NetworkInput, size: tuple[int, int]) -> Tensor:
    """What the network reads beside the image, (B, C, h, w)."""
    return model.coord_features(given.points, given.prev_mask, size, **where_given(given.strokes))


def _require_one_pass(model: ClickModel, mode: str) -> None:
    """Raise InputError for a network without gradients, or whose later clicks leave out the layers that a mode fits."""
    if not model.runs_in_torch:
        raise InputError(
            f"{mode} needs gradients, which an ONNX file does not give: take the .pth file, or mode NoBRS."
        )
    if model.corrects_masks:
        raise InputError(
            f"{type(model).__name__} runs its backbone at the first click only, so that {mode} has nothing to fit at "
            "later ones: take the mode EMC-Click, or another network."
        )
