"""The settings of the interactive program, with the published defaults and bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import isfinite

from isegm.inference.brs import BRSParams
from isegm.inference.cascade import Cascade
from isegm.inference.postprocess import Postprocess
from isegm.inference.protocols import InferenceSettings, usual_settings, with_further_looks
from isegm.inference.refinement import Refinement, build_refinement
from isegm.inference.transforms import ZoomIn
from isegm.model.click_model import ClickModel
from isegm.utils.errors import InputError

NO_BRS = "NoBRS"
OF_CROPS = ("fixed_crop", "skip_clicks", "expand_ratio")  # what has no effect without crops
BRS_MODES = (NO_BRS, "RGB-BRS", "DistMap-BRS", "f-BRS-A", "f-BRS-B", "f-BRS-C")
ALL_CLICKS = "INF"  # text for no limit of the network's clicks
NETWORK_CLICKS = 8  # limit of the network's clicks when a refinement is switched on
SMALLEST_TARGET = 100
FIT_TOLERANCE = 1e-3  # ``min_iou_diff`` of BRS in the published program, a tenth of that in evaluations


@dataclass(frozen=True)
class Numeric:
    """A setting that is a number.

    Attributes:
        label: its name in the window and in messages.
        kind: int or float.
        least, most: its bounds, inclusive; None for no upper one.
    """

    label: str
    kind: type
    least: float
    most: float | None = None


NUMERIC = {
    "max_size": Numeric("--limit-longest-size", int, SMALLEST_TARGET),
    "skip_clicks": Numeric("Skip clicks", int, -1),
    "target_size": Numeric("Target size", int, SMALLEST_TARGET),
    "expand_ratio": Numeric("Expand ratio", float, 1.0, 2.0),
    "network_clicks": Numeric("Network clicks", int, 1),
    "lbfgs_iterations": Numeric("L-BFGS max iterations", int, 1, 1000),
    "cascade_steps": Numeric("CFR steps", int, 0, 1000),
    "threshold": Numeric("Predictions threshold", float, 0.0, 1.0),
    "alpha": Numeric("Alpha blending coefficient", float, 0.0, 1.0),
    "click_radius": Numeric("Visualisation click radius", int, 0, 7),
}


@dataclass(frozen=True)
class Settings:
    """All settings.

    Args:
        max_size: longest side of the network's input in pixels (``--limit-longest-size``); fixed.
        zoom_in: whether the network sees a crop around the object.
        fixed_crop: resize crops to squares of ``target_size``; else ``target_size`` is their longest side.
        skip_clicks: up to this number of clicks the network sees the whole image, see ``ZoomIn``.
        target_size: of crops, in pixels, at most ``max_size``.
        expand_ratio: side of the crop relative to that of the object.
        brs_mode: one of ``BRS_MODES``.
        network_clicks: number of first clicks that the network is shown; None for all, the only choice without
            refinement.
        lbfgs_iterations: evaluations of the optimiser at each click.
        threshold: pixels of a greater probability are object.
        alpha: share of an object's colour in the image.
        click_radius: radius of the dots, in pixels of the image.
        cascade_steps: additional passes at the first click of an object (Cascade-Forward Refinement); 0 for none.
        adaptive_cascade: stop the passes once the mask has settled.
        postprocess: postprocessing of the network's protocol without refinement, such as FocalClick's local
            refinement; fixed for a network.
        corrects_masks: the network sees the whole image at every click, with a shorter side of ``target_size``; fixed
            for a network.
        whole_image: the network sees the whole image at every click, in its own size and not flipped, and encodes it
            once; fixed for a network.

    Raises:
        InputError: a value is of another kind or out of its bounds.
    """

    max_size: int = 800
    zoom_in: bool = True
    fixed_crop: bool = True
    skip_clicks: int = -1
    target_size: int = 400
    expand_ratio: float = 1.4
    brs_mode: str = NO_BRS
    network_clicks: int | None = None
    lbfgs_iterations: int = 20
    threshold: float = 0.5
    alpha: float = 0.5
    click_radius: int = 3
    cascade_steps: int = 0
    adaptive_cascade: bool = False
    postprocess: Postprocess | None = None
    corrects_masks: bool = False
    whole_image: bool = False

    def __post_init__(self) -> None:
        for name, numeric in NUMERIC.items():
            value = getattr(self, name)
            if name == "network_clicks" and value is None:
                continue
            whole = isinstance(value, int) and not isinstance(value, bool)
            fitting = whole or (numeric.kind is float and isinstance(value, float) and isfinite(value))
            most = self._most(name)
            if not fitting or value < numeric.least or (most is not None and value > most):
                raise InputError(self._wrong(name, str(value).removesuffix(".0")))
        if self.brs_mode not in BRS_MODES:
            raise InputError(f"there is no BRS mode {self.brs_mode}: known are {', '.join(BRS_MODES)}.")
        if self.brs_mode == NO_BRS and self.network_clicks is not None:
            raise InputError(f"Network clicks is {self.network_clicks}: {NO_BRS} shows the network all clicks.")

    @classmethod
    def for_model(cls, model: ClickModel, max_size: int = 800, protocol: str | None = None) -> Settings:
        """The defaults: crops of the size in the network's published evaluations, 400 for RITM, up to ``max_size``.

        Args:
            model: the network.
            max_size: see ``Settings``.
            protocol: another inference protocol than the network's own; None for that.
        """
        published = usual_settings(protocol or model.protocol)
        usual = published.input_size or (published.short_side or cls.target_size,)
        start = cls(max_size=max_size, target_size=SMALLEST_TARGET, postprocess=published.postprocess)
        encoded = model.encoded_size is not None and protocol in (None, model.protocol)
        return replace(
            start,
            target_size=min(max(usual), max_size),
            corrects_masks=model.corrects_masks,
            whole_image=encoded,
            zoom_in=not (encoded or model.corrects_masks),
        )

    def with_text(self, name: str, text: str) -> Settings:
        """The settings with one number from a user's text.

        Args:
            name: a key of ``NUMERIC``.
            text: a number; for ``network_clicks`` also INF.

        Raises:
            InputError: the text is not a number, or out of its bounds.
        """
        text = text.strip()
        if name == "network_clicks" and text.upper() == ALL_CLICKS:
            return replace(self, network_clicks=None)
        try:
            value = NUMERIC[name].kind(text)
        except ValueError:
            raise InputError(self._wrong(name, text)) from None
        return replace(self, **{name: value})

    def text(self, name: str) -> str:
        """The text of a number, for ``with_text``."""
        value = getattr(self, name)
        if value is None:
            return ALL_CLICKS
        return str(value) if isinstance(value, int) else f"{value:g}"

    def with_mode(self, mode: str) -> Settings:
        """The settings with another BRS mode; switching refinement on limits the network's clicks."""
        if mode == NO_BRS:
            return replace(self, brs_mode=mode, network_clicks=None)
        clicks = NETWORK_CLICKS if self.brs_mode == NO_BRS else self.network_clicks
        return replace(self, brs_mode=mode, network_clicks=clicks)

    @property
    def inference(self) -> InferenceSettings:
        """Crop, size, flip and cascade as in the published programs, with the network's postprocessing.

        Without refinement by back-propagation, crops that cut the object are widened, and the first click is looked at
        twice.
        """
        cascade = Cascade(self.cascade_steps, self.adaptive_cascade) if self.cascade_steps else None
        if self.whole_image:
            return InferenceSettings(postprocess=self.postprocess, cascade=cascade)
        zoom_in = None
        if self.zoom_in:
            size = (self.target_size, self.target_size) if self.fixed_crop else self.target_size
            zoom_in = ZoomIn(size, skip_clicks=self.skip_clicks, expansion_ratio=self.expand_ratio)
        settings = InferenceSettings(
            zoom_in,
            short_side=self.target_size if self.corrects_masks else None,
            flip=True,
            max_size=self.max_size,
            postprocess=self.postprocess,
            cascade=cascade,
        )
        return with_further_looks(settings) if self.brs_mode == NO_BRS else settings

    @property
    def seen(self) -> tuple[InferenceSettings, Refinement | None]:
        """The settings that must not change within an object: all of the network's input and its refinement."""
        return replace(self.inference, cascade=None), self.refinement

    @property
    def refinement(self) -> Refinement | None:
        """The refinement of the BRS mode; None for none."""
        if self.brs_mode == NO_BRS:
            return None
        params = BRSParams(min_iou_diff=FIT_TOLERANCE, max_evaluations=self.lbfgs_iterations)
        return build_refinement(self.brs_mode, params=params, clicks_limit=self.network_clicks)

    def _most(self, name: str) -> float | None:
        return self.max_size if name == "target_size" else NUMERIC[name].most

    def _wrong(self, name: str, value: str) -> str:
        numeric, most = NUMERIC[name], self._most(name)
        kind = "whole number" if numeric.kind is int else "number"
        bounds = f"of at least {numeric.least:g}" if most is None else f"from {numeric.least:g} to {most:g}"
        more = f", or {ALL_CLICKS} for all clicks" if name == "network_clicks" else ""
        return f"{numeric.label} is {value or 'empty'}: give a {kind} {bounds}{more}."


def unavailable(model: ClickModel) -> Mapping[str, str]:
    """Find the options that a network does not support.

    Returns:
        for each such option, a name in ``BRS_MODES`` or of a field of ``Settings``, one sentence with the reason. For a
        network without any refinement, ``brs_mode`` and the fields that depend on it are included.
    """
    reasons: dict[str, str] = {}
    for mode in BRS_MODES:
        refinement = Settings().with_mode(mode).refinement
        if refinement is not None:
            reasons |= _reason(refinement.check, model, mode)
    if set(reasons) == set(BRS_MODES) - {NO_BRS}:
        sentence = f"{type(model).__name__} takes no BRS mode but {NO_BRS}: take another network for refinement."
        reasons |= dict.fromkeys(("brs_mode", "network_clicks", "lbfgs_iterations"), sentence)
    reasons |= _reason(InferenceSettings(ZoomIn()).check, model, "zoom_in", *OF_CROPS)
    if model.encoded_size is not None:
        sentence = (
            f"{type(model).__name__} encodes the whole image once: a crop would have to be encoded at each click."
        )
        reasons |= dict.fromkeys(("zoom_in", *OF_CROPS), sentence)
    return reasons | _reason(Cascade(1).check, model, "cascade_steps", "adaptive_cascade")


def _reason(check: Callable[[ClickModel], None], model: ClickModel, *names: str) -> dict[str, str]:
    """The error of a check under each of the names; empty if the network passes."""
    try:
        check(model)
    except InputError as error:
        return dict.fromkeys(names, str(error))
    return {}
