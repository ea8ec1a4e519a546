"""Published inference protocols by name: what is done to an image before and after the network.

Numbers of different papers can only be compared when these settings are the ones the papers used, so the settings are
data, and there is one place that knows them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

from isegm.clicks import Click
from isegm.inference.cascade import Cascade
from isegm.inference.postprocess import FocusRefine, PixelDiffusion, Postprocess
from isegm.inference.transforms import View, ZoomIn, ZoomState, with_longest_side
from isegm.utils.boxes import Box
from isegm.utils.errors import InputError

# Side of the square that ClickSEG's networks look at, by protocol.
CLICKSEG_SIZES = {"clickseg": 384, "focalclick": 256, "cdnet": 384}
# The mode in which its commands ask for each.
CLICKSEG_MODES = {"Baseline": "clickseg", "FocalClick": "focalclick", "CDNet": "cdnet"}
MERGES = ("guarded", "published", "none")


@dataclass(frozen=True)
class InferenceSettings:
    """What happens to an image before and after the network.

    Args:
        zoom_in: the crop rule; None to show the network the whole image at every click.
        resize: (height, width) to which the crop or the image is resized, whatever its shape; None to leave it.
        flip: also run the flipped image and average the logits.
        max_size: longest side of what the network sees; larger crops and images are made smaller. None for no limit.
        clicks_limit: the network is given only this many first clicks; the crop rule sees all. None for no limit.
        postprocess: what is made of the answer, see ``isegm.inference.postprocess``; None for the answer itself.
        merge: how answers change a mask that a session began from, one of ``MERGES``: "guarded", only in the region
            that a click points at and by its sign; "published", by the rule of ClickSEG's evaluations; "none", every
            answer replaces it. See ``isegm.inference.merge``.
        cascade: how often a click is answered, see ``isegm.inference.cascade``; None for once.
    """

    zoom_in: ZoomIn | None = None
    resize: tuple[int, int] | None = None
    flip: bool = False
    max_size: int | None = None
    clicks_limit: int | None = None
    postprocess: Postprocess | None = None
    merge: str = "guarded"
    cascade: Cascade | None = None

    def __post_init__(self) -> None:
        if self.resize is not None:
            object.__setattr__(self, "resize", tuple(self.resize))
            if len(self.resize) != 2 or min(self.resize) < 1:
                raise InputError(f"resize must be (height, width) in pixels, got {self.resize}.")
            if self.max_size is not None or (self.zoom_in is not None and self.zoom_in.target_size is not None):
                raise InputError(
                    "resize fixes the size of the network's input: set max_size and the target_size of zoom_in to None."
                )
        if self.merge not in MERGES:
            raise InputError(f"there is no way of merging named {self.merge}: known are {', '.join(MERGES)}.")
        for name in ("max_size", "clicks_limit"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, Integral) or value < 1):
                raise InputError(f"{name} must be at least 1, got {value}: leave it at None for no limit.")

    @property
    def input_size(self) -> tuple[int, int] | None:
        """(height, width) of a square crop as the network sees it; None where nothing brings it to a size."""
        size = self.resize or (self.zoom_in.target_size if self.zoom_in is not None else None)
        return (size, size) if isinstance(size, int) else size

    def view(self, zoom: ZoomState, clicks: Sequence[Click], image_size: tuple[int, int]) -> View:
        """What the network sees of an image of ``image_size`` (H, W) with these clicks."""
        crop = None if self.zoom_in is None else self.zoom_in.choose(zoom, clicks, image_size)
        source = Box.of_image(image_size) if crop is None else crop
        size = source.size if crop is None or self.zoom_in is None else self.zoom_in.crop_size(crop)
        if self.max_size is not None and max(size) > self.max_size:
            size = with_longest_side(size, self.max_size)
        return View(image_size, source, self.resize or size, zoom.roi if crop is None else crop)


def settings_for(
    protocol_name: str,
    eval_mode: str = "cvpr",
    dataset_name: str | None = None,
    infer_size: int | None = None,
    target_crop_r: float = 1.4,
    clicks_limit: int | None = None,
    focus_crop_r: float = 1.4,
) -> InferenceSettings:
    """The settings that a published protocol uses in evaluations.

    [KEEP] (A5) Answers are merged into initial masks without a guard, which with people is wanted.

    Args:
        protocol_name: "ritm", or one of ClickSEG's: "clickseg", "focalclick" and "cdnet"; a network names its own as
            ``model.protocol``.
        eval_mode: "cvpr", the one of the papers; or "fixedN" (or "fixedH,W"): crop from the first click on and, with
            "ritm", resize every crop to exactly N x N (H x W).
        dataset_name: "ritm" looks at crops of 600 pixels on the dataset named DAVIS and of 400 elsewhere.
        infer_size: side of the square network input of ClickSEG's protocols; None for the published one: 256 with
            "focalclick", else 384. "cdnet" knows no other.
        target_crop_r: expansion of the crop; only ClickSEG's protocols in mode "cvpr".
        clicks_limit: see ``InferenceSettings``.
        focus_crop_r: expansion of the part that is looked at again; only "focalclick".

    Raises:
        InputError: no such protocol or mode.
    """
    fixed = _fixed_size(eval_mode)
    if protocol_name == "ritm":
        target_size = fixed or (600 if dataset_name == "DAVIS" else 400)
        zoom_in = ZoomIn(target_size=target_size, skip_clicks=-1 if fixed else 1)
        return InferenceSettings(zoom_in=zoom_in, flip=True, clicks_limit=clicks_limit, merge="published")
    if protocol_name in CLICKSEG_SIZES:
        zoom_in = ZoomIn(
            target_size=None,  # [KEEP] A3: crops are not resized to 400 or 600 but squashed to the square below
            skip_clicks=-1 if fixed else 1,
            expansion_ratio=1.4 if fixed else target_crop_r,  # [KEEP] mode "fixedN" looks at neither N nor the ratio
            min_crop_size=10,
            prob_thresh=0.49,
            always_recompute=True,
        )
        side = CLICKSEG_SIZES[protocol_name]
        if infer_size is not None and protocol_name != "cdnet":  # [KEEP] A10: CDNet looks at 384 pixels, flipped too
            side = infer_size
        postprocesses: dict[str, Postprocess] = {"focalclick": FocusRefine(focus_crop_r), "cdnet": PixelDiffusion()}
        flip = protocol_name == "cdnet"
        return InferenceSettings(
            zoom_in,
            (side, side),
            flip,
            clicks_limit=clicks_limit,
            postprocess=postprocesses.get(protocol_name),
            merge="published",
        )
    raise InputError(
        f"there is no inference protocol named {protocol_name}: known are ritm, {', '.join(CLICKSEG_SIZES)}."
    )


def _fixed_size(eval_mode: str) -> tuple[int, int] | None:
    """The (height, width) in an evaluation mode; None for "cvpr"."""
    if eval_mode == "cvpr":
        return None
    match = re.fullmatch(r"fixed([1-9]\d*)(?:,([1-9]\d*))?", eval_mode)
    if match is None:
        raise InputError(
            f"the evaluation mode {eval_mode} is not known: write cvpr, fixed400 or fixed400,600 (height, width)."
        )
    height, width = match.groups()
    return int(height), int(width or height)
