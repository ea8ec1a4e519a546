"""Published inference protocols by name: the settings of each paper's evaluation, before and after the network."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from isegm.clicks import Click
from isegm.inference.cascade import Cascade
from isegm.inference.postprocess import FocusRefine, PixelDiffusion, Postprocess
from isegm.inference.precision import LOWER
from isegm.inference.transforms import (
    LARGEST_SIDE,
    MULTIPLE,
    SIDE,
    View,
    ZoomIn,
    ZoomState,
    to_multiples,
    with_longest_side,
    with_shorter_side,
)
from isegm.model.click_model import ClickModel
from isegm.utils.boxes import Box
from isegm.utils.errors import InputError
from isegm.utils.inputs import require, require_fields
from isegm.utils.schema import Flag, Instance, Nothing, Text, Whole, shown

RITM = "ritm"  # the protocol that ``--eval-ritm`` asks for
NO_BRS = "NoBRS"  # the mode that runs the network's own protocol
EMC_MODE = "EMC-Click"
EMC_SIZES = {"emc-click": (384, 576), "cvpr": (400, 600)}  # by evaluation mode: usual shorter side, and on DAVIS
DAVIS = "DAVIS"  # the data set with larger inputs than others
MOST_SIDE = 2048  # pixels of the network's input; larger ones need tens of GB
MOST_LONGER_SIDE = 8192  # pixels of the input of networks that see whole images, however long these are
MOST_WIDER = 100  # passes with larger crops at a click
WIDER = 3  # such passes in programs in which people click; two suffice nearly always
MERGES = ("guarded", "published", "none")
SETTINGS = {
    "zoom_in": Instance(ZoomIn, "a ZoomIn") | Nothing(),
    "flip": Flag(),
    "short_side": Whole(MULTIPLE, MOST_SIDE) | Nothing(),
    "max_size": Whole(1) | Nothing(),
    "clicks_limit": Whole(1) | Nothing(),
    "postprocess": Instance(
        object, "a postprocess of isegm.inference", lambda value: hasattr(value, "check") and callable(value)
    )
    | Nothing(),
    "cascade": Instance(Cascade, "a Cascade") | Nothing(),
    "widen": Whole(1, MOST_WIDER) | Nothing(),
    "second_look": Flag() | Nothing(),
    "corrects_masks": Flag() | Nothing(),
    "precision": Text(LOWER) | Nothing(),
    "compiled": Flag() | Nothing(),
}


@dataclass(frozen=True)
class InferenceSettings:
    """Processing before and after the network.

    Args:
        zoom_in: the crop rule; None to show the network the whole image at every click.
        resize: (height, width) to which the crop or the image is resized, whatever its aspect ratio; None for no
            resizing.
        short_side: shorter side to which the whole image is resized, its proportions kept but for sides that are
            multiples of 4; smaller where the longer side would exceed ``max_size``, or 8192 pixels. None for none.
        flip: also run the flipped image and average the logits.
        max_size: longest side of the network's input; larger crops and images are made smaller. None for no limit.
        clicks_limit: the network is shown only this many first clicks; the crop rule sees all. None for no limit.
        postprocess: see ``isegm.inference.postprocess``; None for none.
        merge: how predictions change the mask that a session started from, one of ``MERGES``: "guarded", only in the
            region around a click and by its sign; "published", by the rule of ClickSEG's evaluations; "none", every
            prediction replaces the mask. See ``isegm.inference.merge``.
        cascade: number of passes at each click, see ``isegm.inference.cascade``; None for one.
        widen: where the border of the crop cuts the mask inside the image, up to this number of further passes with
            larger crops; None for none, as in all published protocols.
        second_look: whether the first click of a person, made on the whole image, is repeated on the crop around its
            answer, which the network then reads; None for no, as in all published protocols.
        corrects_masks: whether they are for networks that correct the mask of the click before alone; None for no.
        precision: in which the network computes, one of ``isegm.inference.precision.LOWER``; None for float32.
        compiled: whether the network is compiled, see ``isegm.model.compilation``; this takes minutes, at the first
            clicks. None for no.

    Raises:
        InputError: a value is out of its range, or ``resize`` or ``short_side`` is combined with another target size.
    """

    zoom_in: ZoomIn | None = None
    resize: tuple[int, int] | None = None
    short_side: int | None = None
    flip: bool = False
    max_size: int | None = None
    clicks_limit: int | None = None
    postprocess: Postprocess | None = None
    merge: str = "guarded"
    cascade: Cascade | None = None
    widen: int | None = None
    second_look: bool | None = None
    corrects_masks: bool | None = None
    precision: str | None = None
    compiled: bool | None = None

    def __post_init__(self) -> None:
        require_fields(self, SETTINGS)
        if self.resize is not None:
            if isinstance(self.resize, list):  # configurations read from files hold lists
                object.__setattr__(self, "resize", tuple(self.resize))
            if not isinstance(self.resize, tuple) or len(self.resize) != 2 or not all(map(SIDE.fits, self.resize)):
                raise InputError(
                    f"resize must be (height, width), whole numbers of 1 to {LARGEST_SIDE} pixels, got {self.resize}."
                )
            if self.max_size is not None or (self.zoom_in is not None and self.zoom_in.target_size is not None):
                raise InputError(
                    "resize fixes the size of the network's input: set max_size and the target_size of zoom_in to None."
                )
        if self.short_side is not None and (self.resize is not None or self.zoom_in is not None):
            raise InputError("short_side is the size of a whole image: set resize and zoom_in to None.")
        size = self.input_size
        if size is not None and max(size) > MOST_SIDE:
            raise InputError(
                f"the network's input would have {size[0]} x {size[1]} pixels: give sides of at most {MOST_SIDE}."
            )
        if self.merge not in MERGES:
            raise InputError(f"there is no way of merging named {self.merge}: known are {', '.join(MERGES)}.")

    def check(self, model: ClickModel) -> None:
        """Raise InputError, in one sentence, unless the settings suit the sizes that a network reads, what it does with
        earlier masks, and what computes it."""
        exact = self.resize or (self.zoom_in.target_size if self.zoom_in is not None else None)
        if isinstance(exact, tuple) and (self.max_size is None or max(exact) <= self.max_size):
            model.check_size(exact)  # other sizes are rounded to what it reads, see ``view``
        name = type(model).__name__
        if not model.runs_in_torch and (self.compiled or self.precision):
            raise InputError(
                "an ONNX file is compiled, and has its precision, from when it was written: leave out --compile and "
                "--precision; isegm export --int8 writes one in 8 bits."
            )
        if self.corrects_masks and not model.corrects_masks:
            raise InputError(
                f"{name} has no network that corrects masks, which the mode {EMC_MODE} needs: take a network of "
                "EMC-Click, or the mode of this one."
            )
        if model.corrects_masks and self.zoom_in is not None:
            raise InputError(
                f"{name} corrects the mask of the click before on the same view of an image, and these settings crop "
                f"another one at each click: take the mode {EMC_MODE}, or leave zoom_in out."
            )

    @property
    def input_size(self) -> tuple[int, int] | None:
        """(height, width) of the network's input for a square crop; None where no setting fixes it."""
        size = self.resize or (self.zoom_in.target_size if self.zoom_in is not None else None)
        return (size, size) if isinstance(size, int) else size

    @property
    def one_size(self) -> bool:
        """Whether whole images and crops of any shape become inputs of one height and width."""
        crops = self.zoom_in
        exact = crops is not None and isinstance(crops.target_size, tuple) and crops.skip_clicks < 0
        return self.resize is not None or exact

    def fitting(self, multiple: int) -> InferenceSettings:
        """The settings with sides of square crops rounded to multiples of ``multiple``, for programs in which people
        choose them."""
        if self.zoom_in is None or not isinstance(self.zoom_in.target_size, tuple):
            return self
        size = to_multiples(self.zoom_in.target_size, multiple, self.max_size)
        return replace(self, zoom_in=replace(self.zoom_in, target_size=size))

    def view(
        self,
        zoom: ZoomState,
        clicks: Sequence[Click],
        image_size: tuple[int, int],
        crop: Box | None = None,
        multiple: int = 1,
    ) -> View:
        """Choose the view of an image of ``image_size`` (H, W) with these clicks, or with a crop that is given.

        Sides of the network's input that the settings do not fix are rounded to multiples of ``multiple``.
        """
        if crop is None and self.zoom_in is not None:
            crop = self.zoom_in.choose(zoom, clicks, image_size)
        source = Box.of_image(image_size) if crop is None else crop
        size = source.size if crop is None or self.zoom_in is None else self.zoom_in.crop_size(crop)
        exact = crop is not None and self.zoom_in is not None and isinstance(self.zoom_in.target_size, tuple)
        if self.short_side is not None:
            size, exact = with_shorter_side(image_size, self.short_side, self.max_size or MOST_LONGER_SIDE), True
        elif self.max_size is not None and max(size) > self.max_size:
            size, exact = with_longest_side(size, self.max_size), False
        if not exact:
            size = to_multiples(size, multiple, self.max_size)
        # The answer for a whole image must not be squeezed into the crop of a second look, of a box or polygon, or of
        # other settings before it.
        stale = None if self.second_look or zoom.outlined or self.zoom_in is None else zoom.roi
        return View(image_size, source, self.resize or size, stale if crop is None else crop)


def with_further_looks(settings: InferenceSettings) -> InferenceSettings:
    """The settings for programs in which people click, with a second look at the first click and larger crops.

    Simulated users of published evaluations get one pass. People see the first answer, and straight cuts in it.
    """
    return settings if settings.zoom_in is None else replace(settings, widen=WIDER, second_look=True)


def settings_for(
    protocol_name: str,
    eval_mode: str = "cvpr",
    dataset_name: str | None = None,
    infer_size: int | None = None,
    target_crop_r: float = 1.4,
    clicks_limit: int | None = None,
    focus_crop_r: float = 1.4,
) -> InferenceSettings:
    """Return the settings of a published protocol's evaluation.

    Predictions are merged into initial masks without a guard (docs/fidelity.md#merge-without-change).

    Args:
        protocol_name: "ritm", "simpleclick", "emcclick", "segnext", or one of ClickSEG's: "clickseg", "focalclick" and
            "cdnet"; a network names its own as ``model.protocol``.
        eval_mode: "cvpr", as in the papers; or "fixedN" (or "fixedH,W"): crop from the first click on and, with
            "ritm" and "simpleclick", resize every crop to exactly N x N (H x W). "emcclick" sees whole images: with
            "emc-click", as in its paper, and "cvpr" of a shorter side below, with "fixedN" of N x N pixels. "segnext"
            sees whole images, in mode "cvpr" only: its networks resize them.
        dataset_name: on the dataset named DAVIS "ritm" resizes crops to 600 pixels and "simpleclick" to 672 x 672,
            elsewhere to 400 and 448 x 448; the shorter side of "emcclick" is 576 pixels there and else 384, in mode
            "cvpr" 600 and 400.
        infer_size: side of the square network input of ClickSEG's protocols; None for the published one: 256 with
            "focalclick", else 384. "cdnet" ignores it (docs/fidelity.md#cdnet-size-and-flip).
        target_crop_r: expansion ratio of the crop, for ClickSEG's protocols in mode "cvpr".
        clicks_limit: see ``InferenceSettings``.
        focus_crop_r: expansion ratio of the focus crop, for "focalclick".

    Raises:
        InputError: no such protocol or mode.
    """
    fixed = _fixed_size(require(eval_mode, Text(), "the evaluation mode"))
    asked = _Asked(eval_mode, fixed, dataset_name == DAVIS, infer_size, target_crop_r, clicks_limit, focus_crop_r)
    protocol = protocol_named(protocol_name)
    if eval_mode == "emc-click" and protocol.eval_mode != eval_mode:
        raise InputError(
            f"the evaluation mode emc-click is for networks of EMC-Click, not {protocol_name}: write cvpr."
        )
    return protocol.build(asked)


def usual_settings(protocol_name: str, dataset_name: str | None = None) -> InferenceSettings:
    """Return the settings of a protocol's published evaluations; see ``settings_for``."""
    return settings_for(protocol_name, protocol_named(protocol_name).eval_mode, dataset_name)


@dataclass(frozen=True)
class _Asked:
    """What an evaluation asks a protocol for, see ``settings_for``; ``fixed`` is (height, width) of its mode."""

    eval_mode: str
    fixed: tuple[int, int] | None
    on_davis: bool
    infer_size: int | None
    target_crop_r: float
    clicks_limit: int | None
    focus_crop_r: float


def _ritm(asked: _Asked) -> InferenceSettings:
    target_size = asked.fixed or (600 if asked.on_davis else 400)
    zoom_in = ZoomIn(target_size=target_size, skip_clicks=-1 if asked.fixed else 1)
    return InferenceSettings(zoom_in=zoom_in, flip=True, clicks_limit=asked.clicks_limit, merge="published")


def _simpleclick(asked: _Asked) -> InferenceSettings:
    """Squares from the first click on, as the positional embeddings are learnt."""
    zoom_in = ZoomIn(target_size=asked.fixed or ((672, 672) if asked.on_davis else (448, 448)), skip_clicks=-1)
    return InferenceSettings(zoom_in=zoom_in, flip=True, clicks_limit=asked.clicks_limit, merge="published")


def _segnext(asked: _Asked) -> InferenceSettings:
    if asked.fixed is not None:
        raise InputError(
            f"the evaluation mode {asked.eval_mode} does not fit SegNext, whose networks resize whole images "
            "themselves: write cvpr."
        )
    return InferenceSettings(clicks_limit=asked.clicks_limit, merge="published")


def _clickseg(asked: _Asked) -> InferenceSettings:
    return _in_square(asked, asked.infer_size or 384)


def _focalclick(asked: _Asked) -> InferenceSettings:
    return replace(_in_square(asked, asked.infer_size or 256), postprocess=FocusRefine(asked.focus_crop_r))


def _cdnet(asked: _Asked) -> InferenceSettings:
    """At its own size whatever is asked for (docs/fidelity.md#cdnet-size-and-flip)."""
    return replace(_in_square(asked, 384), flip=True, postprocess=PixelDiffusion())


def _in_square(asked: _Asked, side: int) -> InferenceSettings:
    """ClickSEG's crop, squashed to a square (docs/fidelity.md#clickseg-crop)."""
    zoom_in = ZoomIn(
        target_size=None,
        skip_clicks=-1 if asked.fixed else 1,
        expansion_ratio=1.4 if asked.fixed else asked.target_crop_r,  # docs/fidelity.md#clickseg-fixed-mode
        min_crop_size=10,
        prob_thresh=0.49,
        always_recompute=True,
    )
    return InferenceSettings(zoom_in=zoom_in, resize=(side, side), clicks_limit=asked.clicks_limit, merge="published")


def _emcclick(asked: _Asked) -> InferenceSettings:
    """EMC-Click sees the whole image at every click, resized."""
    if asked.fixed is not None and any(side % MULTIPLE for side in asked.fixed):
        raise InputError(
            f"the evaluation mode {asked.eval_mode} does not fit EMC-Click: give sides that are multiples of "
            f"{MULTIPLE}."
        )
    return InferenceSettings(
        resize=asked.fixed,
        short_side=None if asked.fixed else EMC_SIZES[asked.eval_mode][asked.on_davis],
        flip=True,
        clicks_limit=asked.clicks_limit,
        merge="published",
        corrects_masks=True,
    )


@dataclass(frozen=True)
class Protocol:
    """A published inference protocol.

    Attributes:
        build: makes the settings of an evaluation.
        mode: with which published commands run it.
        eval_mode: that of its paper.
        mask_threshold: probability above which a pixel of published masks is object.
        target_iou: at which published commands stop clicking.
        cascade_target_iou: the same with Cascade-Forward Refinement, None for ``target_iou``.
    """

    build: Callable[[_Asked], InferenceSettings]
    mode: str = NO_BRS
    eval_mode: str = "cvpr"
    mask_threshold: float = 0.49
    target_iou: float = 0.90
    cascade_target_iou: float | None = None


PROTOCOLS: dict[str, Protocol] = {
    RITM: Protocol(_ritm),
    "simpleclick": Protocol(_simpleclick, cascade_target_iou=0.95),
    "segnext": Protocol(_segnext, target_iou=0.95),
    "clickseg": Protocol(_clickseg, "Baseline", mask_threshold=0.5),
    "focalclick": Protocol(_focalclick, "FocalClick", mask_threshold=0.5),
    "cdnet": Protocol(_cdnet, "CDNet", mask_threshold=0.5),
    "emcclick": Protocol(_emcclick, EMC_MODE, "emc-click", mask_threshold=0.5),
}
# Protocol of each mode that names one.
MODE_PROTOCOLS = {protocol.mode: name for name, protocol in PROTOCOLS.items() if protocol.mode != NO_BRS}


def protocol_named(name: str) -> Protocol:
    """Return a protocol by its name.

    Raises:
        InputError: there is none of that name.
    """
    require(name, Text(), "the protocol")
    if name not in PROTOCOLS:
        raise InputError(f"there is no inference protocol named {name}: known are {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def _fixed_size(eval_mode: str) -> tuple[int, int] | None:
    """The (height, width) in an evaluation mode; None for "cvpr" and "emc-click"."""
    if eval_mode in EMC_SIZES:
        return None
    match = re.fullmatch(r"fixed([1-9]\d*)(?:,([1-9]\d*))?", eval_mode)
    if match is None:
        raise InputError(
            f"the evaluation mode {shown(eval_mode)} is not known: write cvpr, emc-click, fixed400 or fixed400,600 "
            "(height, width)."
        )
    sides = [match[1], match[2] or match[1]]
    if any(len(side) > len(str(MOST_SIDE)) or int(side) > MOST_SIDE for side in sides):
        raise InputError(
            f"the evaluation mode {shown(eval_mode)} is too large: give sides of at most {MOST_SIDE} pixels."
        )
    return int(sides[0]), int(sides[1])
