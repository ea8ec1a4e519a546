"""Compatibility module: predictors that take a ``Clicker`` and return probabilities.

``ClickerPredictor`` holds one ``Session`` of ``isegm.inference.predictor.Predictor``, which does the computation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from isegm.clicks import Click, require_inside
from isegm.inference.brs import BRSParams
from isegm.inference.cascade import Cascade
from isegm.inference.clicker import Clicker
from isegm.inference.merge import progressive_merge
from isegm.inference.predictor import Predictor
from isegm.inference.protocols import (
    EMC_MODE,
    MODE_PROTOCOLS,
    InferenceSettings,
    settings_for,
    usual_settings,
)
from isegm.inference.refinement import build_refinement, list_refinements
from isegm.inference.session import Session
from isegm.inference.transforms import ZoomIn
from isegm.model.click_model import ClickModel
from isegm.utils.errors import InputError
from isegm.utils.inputs import binary_mask, plain_array, require
from isegm.utils.log import logger
from isegm.utils.schema import Anything, Fields, Flag, Instance, Nothing, Row, Table, Text, Whole

# Published names of what BRSParams holds.
LBFGS_NAMES = {"m": "history", "factr": "factr", "pgtol": "pgtol", "maxfun": "max_evaluations"}
STATES = Fields(
    {"prev_prediction": Instance(Tensor, "a tensor"), "transform_states": Row(Instance(Session, "a Session"))},
    others=Anything(),
)
ZOOM_IN_NAMES = [field.name for field in fields(ZoomIn)]


class ClickerPredictor:
    """A predictor that reads its clicks from a ``Clicker``; built by ``get_predictor``."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._session: Session | None = None

    @property
    def _present(self) -> Session:
        if self._session is None:
            raise RuntimeError("An image must be set with set_input_image first.")
        return self._session

    def set_input_image(self, image: ArrayLike | Tensor) -> None:
        """Set the image to click on; the state of an earlier one is forgotten.

        Args:
            image: (H, W, 3) RGB, uint8 or float in 0..1; or a tensor (3, H, W) or (1, 3, H, W), likewise; or what
                ``Predictor.set_image`` takes.

        Raises:
            InputError: another shape or dtype, or floats beyond 0..1.
        """
        if not isinstance(image, Tensor):
            if not isinstance(image, np.ndarray) or image.dtype.kind != "f":
                self._session = self._predictor.start(image)
                return
            if image.ndim != 3:
                raise InputError(f"the image must be (H, W, 3) RGB, got shape {image.shape}: give its three channels.")
            image = torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, 2, 0), dtype=np.float32))
        self._session = self._predictor.start_tensor(_image_tensor(image))

    def get_prediction(self, clicker: Clicker, prev_mask: ArrayLike | Tensor | None = None) -> np.ndarray:
        """Segment the object that the clicks of a clicker point at.

        The clicker may hold other clicks than at the last call, e.g. after an undo. The crop and the previous mask are
        still those of the last call, until ``set_states`` or ``set_input_image``.

        Args:
            clicker: holds all clicks, in pixels of the image; fractions are kept.
            prev_mask: (H, W) or (1, 1, H, W), bool or probabilities in [0, 1], to start from instead of the last
                prediction. The crop rule ignores it, as does a network that reads no previous mask. A click that the
                crop rule repeats (``skip_clicks`` 0) starts from the last prediction, as published. Of a cascade only
                the first pass starts from it (docs/fidelity.md#cascade-given-mask).

        Returns:
            float32 (H, W) probabilities.

        Raises:
            RuntimeError: no image was set.
            InputError: ``clicker`` is no ``Clicker``, or ``prev_mask`` is of another size than the image or holds other
                values.
        """
        require(clicker, Instance(Clicker, "a Clicker"), "clicker")
        session = replace(self._present, clicks=tuple(clicker.get_clicks()))
        if prev_mask is not None and self._predictor.model.with_prev_mask:
            mask = plain_array(prev_mask, "prev_mask")
            if mask.ndim == 4 and mask.shape[:2] == (1, 1):
                mask = mask[0, 0]
            session = replace(session, prev_probs=session.mask_tensor(mask))
        (self._session,) = self._predictor.run([session], before=[self._present])
        return self._session.probs.copy()

    def set_prev_mask(self, mask: np.ndarray) -> None:
        """Start from a mask, as in ClickSEG's evaluations; predictions are merged into it.

        Args:
            mask: (H, W) bool, or probabilities in [0, 1].

        Raises:
            RuntimeError: no image was set.
            InputError: it is of another size than the image, or holds other values.
        """
        self._session = self._present.with_prev_mask(mask)

    @property
    def merged(self) -> np.ndarray | None:
        """(H, W) bool, the mask of ``set_prev_mask`` with the changes of the clicks; None without such a mask."""
        return self._present.merged

    def get_states(self) -> dict[str, Any]:
        """Return the present state, for ``set_states``.

        Returns:
            prev_prediction: float (1, 1, H, W), a copy of the last prediction.
            transform_states: the rest, which later calls do not change.
        """
        return {"prev_prediction": self._present.prev_probs.clone(), "transform_states": [self._present]}

    def set_states(self, states: Mapping[str, Any]) -> None:
        """Restore a state of ``get_states``; the present image stays.

        Raises:
            RuntimeError: no image was set.
            InputError: they are not what ``get_states`` returned, or belong to an image of another size.
        """
        image = self._present.image
        require(states, STATES, "states")
        (session,) = states["transform_states"]
        if session.image_size != self._present.image_size:
            raise InputError(
                f"the states belong to an image of {session.image_size} pixels, but the present one has "
                f"{self._present.image_size}: set that image first."
            )
        if states["prev_prediction"].shape != session.prev_probs.shape:
            raise InputError(f"prev_prediction of the states must be a tensor {tuple(session.prev_probs.shape)}.")
        if session.image is not image and not torch.equal(session.image, image):
            session = replace(session, view=None)  # what was computed from the other image is not used
        self._session = replace(session, image=image, prev_probs=states["prev_prediction"].to(image))


class FocalPredictor(ClickerPredictor):
    """FocalClick on one image, by ClickSEG's rules.

    Args:
        model: a network of FocalClick; it is moved to ``device``.
        device: where it runs.
        net_clicks_limit: number of first clicks that the coarse network is shown; None for all.
        with_flip: also run the flipped image through the coarse network and average the logits.
        zoom_in: only its ``skip_clicks`` and ``expansion_ratio`` are read (docs/fidelity.md#clickseg-crop); None to
            show the whole image.
        infer_size: side of the square input of both networks, in pixels.
        focus_crop_r: expansion ratio of the focus crop.
        prob_thresh: probability above which a pixel is merged into the mask of ``set_prev_mask``.

    Raises:
        InputError: the network has no refiner.
    """

    def __init__(
        self,
        model: ClickModel,
        device: torch.device | str,
        net_clicks_limit: int | None = None,
        with_flip: bool = False,
        zoom_in: ZoomIn | None = None,
        infer_size: int = 256,
        focus_crop_r: float = 1.4,
        prob_thresh: float = 0.49,
    ) -> None:
        settings = settings_for("focalclick", infer_size=infer_size, focus_crop_r=focus_crop_r)
        settings = replace(settings, zoom_in=_clickseg_zoom(zoom_in), flip=with_flip, clicks_limit=net_clicks_limit)
        super().__init__(Predictor(model, device, settings=settings, threshold=prob_thresh))


def Progressive_Merge(pred_mask: np.ndarray, previous_mask: np.ndarray, y: int, x: int) -> np.ndarray:
    """``isegm.inference.merge.progressive_merge`` with the click at row y, column x.

    Args:
        pred_mask, previous_mask: (H, W) bool, or 0 and 1.

    Returns:
        (H, W) bool.

    Raises:
        InputError: the masks are of other kinds or sizes, or the click lies outside them.
    """
    previous, predicted = (
        binary_mask(mask, name) for mask, name in ((previous_mask, "previous_mask"), (pred_mask, "pred_mask"))
    )
    if previous.shape != predicted.shape:
        raise InputError(f"pred_mask is {predicted.shape}, previous_mask {previous.shape}: make them equal.")
    click = Click(True, (y, x))
    require_inside([click], (previous.shape[0], previous.shape[1]))
    return progressive_merge(previous, predicted, click)


def _clickseg_zoom(zoom_in: ZoomIn | None) -> ZoomIn | None:
    """ClickSEG's crop rule with the two parameters that it reads from a given one."""
    published = settings_for("clickseg").zoom_in
    if zoom_in is None or published is None:
        return None
    return replace(published, skip_clicks=zoom_in.skip_clicks, expansion_ratio=zoom_in.expansion_ratio)


def get_predictor(
    net: ClickModel,
    brs_mode: str,
    device: torch.device | str,
    prob_thresh: float = 0.49,
    with_flip: bool | None = None,
    zoom_in_params: Mapping[str, Any] | None = {},
    predictor_params: Mapping[str, Any] | None = None,
    brs_opt_func_params: Mapping[str, Any] | None = None,
    lbfgs_params: Mapping[str, Any] | None = None,
    infer_size: int | None = None,
    focus_crop_r: float = 1.4,
) -> ClickerPredictor:
    """Build a predictor with RITM's rules, or in the modes of ClickSEG and EMC-Click with theirs.

    Args:
        net: the network; it is moved to ``device``.
        brs_mode: NoBRS, or one of ``list_refinements``; or ClickSEG's "Baseline", "FocalClick" or "CDNet";
            or "EMC-Click".
        device: where it runs.
        prob_thresh: pixels of a greater probability are in the mask, for the refinement and for merging.
        with_flip: also run the flipped image and average the logits; None for the published choice. "CDNet" always does
            so (docs/fidelity.md#cdnet-size-and-flip).
        zoom_in_params: arguments of ``ZoomIn``; None to show the network the whole image at every click, as networks of
            SegNext see it without any. ClickSEG's modes read only ``skip_clicks`` and ``expansion_ratio``, and
            "EMC-Click" only ``target_size``: the shorter side of the image, or its (height, width); 384 if it is not
            there.
        predictor_params: ``net_clicks_limit``, the number of clicks that the network is shown (all with NoBRS, 8
            with f-BRS, 5 with RGB-BRS and DistMap-BRS; None for all); ``max_size``, the longest side of its input,
            but in modes that fix its size; ``optimize_after_n_clicks`` of ``BRSParams``; and of Cascade-Forward
            Refinement ``cascade_step``, all passes of a click (0 and 1 for one), ``cascade_adaptive`` and
            ``cascade_clicks``, see ``Cascade``. Others are ignored with a warning, which published code does not give.
        brs_opt_func_params: ``min_iou_diff`` and ``reg_weight`` of ``BRSParams``.
        lbfgs_params: ``m``, ``factr``, ``pgtol`` and ``maxfun`` of L-BFGS-B; ``maxiter`` is twice ``maxfun``, whatever
            is passed.
        infer_size: side of the square network input in ClickSEG's modes; None for the published one, the only one of
            "CDNet".
        focus_crop_r: expansion ratio of FocalClick's focus crop.

    Raises:
        InputError: there is no such mode, the network cannot be refined in it, several networks are given, or a
            parameter is not known or out of its range.
    """
    if isinstance(net, Sequence):
        raise InputError("several networks, one for each click, are not supported: give get_predictor one network.")
    require(net, Instance(ClickModel, "a network, as load_is_model returns"), "net of get_predictor")
    require(brs_mode, Text(), "brs_mode of get_predictor")
    require(with_flip, Flag() | Whole(0, 1) | Nothing(), "with_flip of get_predictor")
    require(predictor_params, Table(Anything()) | Nothing(), "predictor_params of get_predictor")
    if brs_mode not in ("NoBRS", *MODE_PROTOCOLS, *list_refinements()):
        known = ", ".join(("NoBRS", *MODE_PROTOCOLS, *list_refinements()))
        raise InputError(f"there is no mode {brs_mode}: known are {known}.")
    zoom_in = None
    if zoom_in_params is not None:
        zoom_in = ZoomIn(**_known("zoom_in_params", zoom_in_params, ZOOM_IN_NAMES))
    params = dict(predictor_params or {})
    cascade_names = {"cascade_step", "cascade_adaptive", "cascade_clicks"}
    fixed = brs_mode in MODE_PROTOCOLS and params.get("max_size") is not None  # the size of the network's input
    read = {"net_clicks_limit", "optimize_after_n_clicks", *cascade_names} | (set() if fixed else {"max_size"})
    if others := set(params) - read:
        logger.warning("predictor_params of get_predictor holds %s: passed over", ", ".join(sorted(others)))
    fit = _known("brs_opt_func_params", brs_opt_func_params, ("min_iou_diff", "reg_weight"))
    lbfgs = _known("lbfgs_params", lbfgs_params, (*LBFGS_NAMES, "maxiter"))
    fit |= {name: lbfgs[published] for published, name in LBFGS_NAMES.items() if published in lbfgs}
    if "optimize_after_n_clicks" in params:
        fit["optimize_after"] = params["optimize_after_n_clicks"]
    limit = {"clicks_limit": params["net_clicks_limit"]} if "net_clicks_limit" in params else {}
    whole = net.encoded_size is not None  # SegNext, which was published with neither crops nor flipped images
    if brs_mode == EMC_MODE:
        given_size = "target_size" in (zoom_in_params or {})
        settings = _emc_settings(zoom_in.target_size if given_size and zoom_in else None, with_flip, params)
        return ClickerPredictor(Predictor(net, device, settings=settings, threshold=prob_thresh))
    if brs_mode in MODE_PROTOCOLS:
        limit = {"clicks_limit": params.get("net_clicks_limit"), "zoom_in": _clickseg_zoom(zoom_in)}
        settings = settings_for(MODE_PROTOCOLS[brs_mode], infer_size=infer_size, focus_crop_r=focus_crop_r)
        settings = replace(settings, flip=settings.flip or bool(with_flip), cascade=_cascade(params), **limit)
        return ClickerPredictor(Predictor(net, device, settings=settings, threshold=prob_thresh))
    settings = InferenceSettings(
        zoom_in=None if whole and not zoom_in_params else zoom_in,
        flip=not whole if with_flip is None else bool(with_flip),
        max_size=params.get("max_size"),
        merge="published",
        cascade=_cascade(params),
    )
    if brs_mode == "NoBRS":
        return ClickerPredictor(Predictor(net, device, settings=replace(settings, **limit), threshold=prob_thresh))
    refinement = build_refinement(brs_mode, params=BRSParams(**fit), **limit)
    return ClickerPredictor(Predictor(net, device, settings=settings, threshold=prob_thresh, refinement=refinement))


def _emc_settings(
    target_size: int | tuple[int, int] | None, with_flip: bool | None, params: Mapping[str, Any]
) -> InferenceSettings:
    """The settings of mode EMC-Click; those of its evaluations where there is no ``target_size``."""
    settings = usual_settings(MODE_PROTOCOLS[EMC_MODE])
    if isinstance(target_size, tuple):
        settings = replace(settings, short_side=None, resize=target_size)
    elif target_size is not None:
        settings = replace(settings, short_side=target_size)
    return replace(
        settings,
        flip=with_flip is None or bool(with_flip),
        clicks_limit=params.get("net_clicks_limit"),
        cascade=_cascade(params),
    )


def _cascade(params: Mapping[str, Any]) -> Cascade | None:
    """The cascade that predictor_params ask for."""
    passes = params.get("cascade_step", 0)
    if not Whole(0).fits(passes):
        raise InputError(f"cascade_step of get_predictor is {passes}: give the number of passes, 1 for no cascade.")
    clicks = params.get("cascade_clicks", 1)
    if passes <= 1 or clicks == 0:
        return None
    return Cascade(int(passes) - 1, bool(params.get("cascade_adaptive", False)), clicks)


def _known(argument: str, given: Mapping[str, Any] | None, names: Sequence[str]) -> dict[str, Any]:
    """Parameters as a dict of their own; InputError for a name that means nothing."""
    require(given, Table(Anything()) | Nothing(), f"{argument} of get_predictor")
    given = dict(given or {})
    for name in given:
        if name not in names:
            raise InputError(f"{argument} of get_predictor holds {name}: known are {', '.join(names)}.")
    return given


def _image_tensor(image: Tensor) -> Tensor:
    """The image as float32 (1, 3, H, W) in 0..1; InputError if it is none."""
    pixels = image.detach()[None] if image.ndim == 3 else image.detach()
    if image.is_meta or image.layout != torch.strided:
        raise InputError("the image must be a dense tensor on a real device: give its to_dense().")
    if pixels.ndim != 4 or pixels.shape[:2] != (1, 3) or not pixels.numel():
        raise InputError(f"the image must hold three channels, RGB, got a tensor {tuple(image.shape)}: give (3, H, W).")
    if pixels.dtype == torch.uint8:
        return pixels.float() / 255
    if not pixels.is_floating_point() or not (pixels.min() >= 0 and pixels.max() <= 1):  # also refuses NaN
        raise InputError(
            f"the image must be uint8 or float from 0 to 1, got {pixels.dtype}: divide levels up to 255 by 255."
        )
    return pixels.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
