"""From clicks to probabilities, for any number of sessions: passes of the network, repeated where something asks."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from isegm.clicks import Click
from isegm.inference.batch import Member
from isegm.inference.images import rgb_image
from isegm.inference.merge import guarded_merge, progressive_merge
from isegm.inference.network_pass import NetworkPass, Request
from isegm.inference.precision import check_precision
from isegm.inference.protocols import InferenceSettings, usual_settings, with_further_looks
from isegm.inference.refinement import Refinement
from isegm.inference.session import Session
from isegm.inference.widening import wider_crop
from isegm.model.click_model import ClickModel
from isegm.model.compilation import compiled_for_inference
from isegm.model.inference_form import in_inference_form
from isegm.utils.boxes import Box
from isegm.utils.device import usable_device
from isegm.utils.errors import InputError
from isegm.utils.inputs import Probability, described, require
from isegm.utils.schema import Instance, Items, Nothing

NETWORK = Instance(ClickModel, "a network, as load_model returns")
SETTINGS = Instance(InferenceSettings, "InferenceSettings") | Nothing()
REFINEMENT = (
    Instance(
        object,
        "what build_refinement returns",
        lambda value: not isinstance(value, type) and all(hasattr(value, name) for name in ("check", "refine", "mode")),
    )
    | Nothing()
)
SESSIONS = Items(Instance(Session, "a Session"))
CLICKS = Items(Instance(Click, "an isegm.Click(is_positive, (row, column))"))


class SessionEngine:
    """Runs a network on sessions. It keeps no state of an image: that is in the ``Session`` values it returns.

    Args:
        model: the network; it is moved to ``device`` and put into evaluation mode. Where it has BatchNorm, a copy with
            the weights that it has now runs, see ``in_inference_form``: after training on, make another predictor.
        device: device of the network; None to leave the network where it is.
        settings: crop, input size, flip and postprocessing; None for those of the network's protocol, with a guard
            against clicks that simulated users never make.
        threshold: pixels of a greater probability are in the mask.
        refinement: test-time optimisation (``build_refinement``). It runs on one session at a time, brings its own
            limit of clicks where the settings have none, and replaces their ``postprocess``; None for the network's
            own output.

    Raises:
        InputError: the threshold is not between 0 and 1, the network's weights are not float32, or it does not fit the
            refinement or the settings.
    """

    def __init__(
        self,
        model: ClickModel,
        device: torch.device | str | None = None,
        *,
        settings: InferenceSettings | None = None,
        threshold: float = 0.49,
        refinement: Refinement | None = None,
    ) -> None:
        require(model, NETWORK, "the model")
        require(settings, SETTINGS, "settings")
        require(threshold, Probability(), "the mask threshold")
        require(refinement, REFINEMENT, "refinement")
        if device is None:
            device = next(itertools.chain(model.parameters(), model.buffers())).device
        if any(weight.is_floating_point() and weight.dtype != torch.float32 for weight in model.parameters()):
            raise InputError(
                "the network's weights are not float32: give it without .half(), .bfloat16() or .double(), and say "
                "precision= in the settings to compute in fewer bits."
            )
        self.device = usable_device(device)
        self.model = in_inference_form(model.to(self.device).eval())
        if settings is None:
            settings = replace(usual_settings(model.protocol), merge="guarded")
            settings = with_further_looks(settings) if refinement is None else settings
        self.settings = settings
        self.refinement = refinement
        if refinement is not None:
            refinement.check(model)
            limit = self.settings.clicks_limit or refinement.clicks_limit
            self.settings = replace(self.settings, clicks_limit=limit, postprocess=None)
        elif self.settings.postprocess is not None:
            self.settings.postprocess.check(model)
        self.settings.check(model)
        check_precision(self.settings.precision, self.device)
        if self.settings.compiled:
            self._compile()
        if self.settings.cascade is not None:
            self.settings.cascade.check(model)
        self.threshold = threshold
        self._network = NetworkPass(self.model, self.device, self.settings, threshold, refinement)

    def _compile(self) -> None:
        if self.refinement is not None:
            raise InputError(
                f"{self.refinement.mode} needs gradients, which a compiled network does not give: leave --compile out."
            )
        self.model = compiled_for_inference(self.model, self.device, self.settings.one_size)

    def start(self, image: ArrayLike, init_mask: np.ndarray | None = None) -> Session:
        """Return a session without clicks; a network that encodes an image once does so now.

        Args:
            image: (H, W, 3) uint8 RGB, the path of an image file, or a Pillow image; see ``rgb_image`` in
                ``isegm.inference.images``.
            init_mask: (H, W) bool, or float probabilities in [0, 1], to start from; see ``Session.with_prev_mask``.

        Raises:
            InputError: another shape or dtype, or the file cannot be read.
        """
        pixels = torch.from_numpy(rgb_image(image).copy()).to(self.device).permute(2, 0, 1)[None]  # (1, 3, H, W)
        session = self._started(pixels.to(torch.float32, memory_format=torch.contiguous_format).div_(255))
        return session if init_mask is None else session.with_prev_mask(init_mask)

    def start_tensor(self, image: Tensor) -> Session:
        """Return a session without clicks for an image tensor.

        Args:
            image: float (1, 3, H, W) RGB in 0..1, which the session keeps; it is moved to the engine's device.

        Raises:
            InputError: another shape or dtype, or a value outside 0..1.
        """
        if not isinstance(image, Tensor) or image.ndim != 4 or image.shape[:2] != (1, 3) or not image.numel():
            raise InputError(f"the image must be a tensor (1, 3, H, W), not {described(image)}: see start for arrays.")
        if image.device.type == "meta" or not image.is_floating_point() or not (image.min() >= 0 and image.max() <= 1):
            raise InputError(f"the image must hold floats from 0 to 1, not {described(image)}: divide levels by 255.")
        return self._started(image.to(torch.float32))

    def _started(self, image: Tensor) -> Session:
        image = image.to(self.device)
        session = Session(image=image, prev_probs=image.new_zeros((1, 1, *image.shape[2:])))
        if not self.model.encodes_once:
            return session
        view = self.settings.view(session.zoom, (), session.image_size, multiple=self.model.input_multiple)
        computed_by = (id(self.model), self.settings.flip)
        features = self._network.encode([Member(session, session, view)])
        return replace(session, view=view, features=features, computed_by=computed_by)

    def step(self, sessions: Sequence[Session], clicks: Sequence[Click]) -> list[Session]:
        """Add one click to each session and run the network.

        Args:
            sessions: of any images; they are not changed.
            clicks: one ``isegm.Click(is_positive, (row, column))`` for each session, in pixels of its image.

        Returns:
            the sessions after the click, in order. They do not depend on which sessions are handed in together.

        Raises:
            InputError: the arguments are of other kinds or lengths, or a click lies outside its image.
        """
        require(sessions, SESSIONS, "sessions")
        require(clicks, CLICKS, "clicks")
        if len(sessions) != len(clicks):
            raise InputError(f"there are {len(sessions)} sessions but {len(clicks)} clicks: give one click for each.")
        return self.run([session.with_click(click) for session, click in zip(sessions, clicks, strict=True)])

    def run(self, sessions: Sequence[Session], before: Sequence[Session] | None = None) -> list[Session]:
        """Run the network on each session with the clicks that it holds.

        Inputs of equal size go through the network together; a refinement runs on them one by one. The first pass of a
        cascade starts from the session's mask, and only the output of the last one is merged into ``merged``.

        Args:
            sessions: of any images; they are not changed.
            before: where the crop rule repeats a click, the repetition starts from the mask of these; None for
                ``sessions``.

        Returns:
            the sessions with their new predictions, in order.

        Raises:
            InputError: the arguments are of other kinds or lengths, or the network's output is not a number.
        """
        require(sessions, SESSIONS, "sessions")
        starts = sessions if before is None else before
        require(starts, SESSIONS, "before")
        if len(starts) != len(sessions):
            raise InputError(f"there are {len(sessions)} sessions but {len(starts)} in before: give one for each.")
        requests = [Request(session, session, start) for session, start in zip(sessions, starts, strict=True)]
        predicted = self._predict(requests)
        if self.settings.cascade is not None:
            predicted = self.settings.cascade.repeated(
                predicted,
                lambda indices, last: self._predict(
                    [Request(session, sessions[i], session) for i, session in zip(indices, last, strict=True)]
                ),
            )
        return [self._merged(session, given.clicks_seen) for session, given in zip(predicted, sessions, strict=True)]

    def _predict(self, requests: Sequence[Request]) -> list[Session]:
        """One pass for each request, and further ones where a box, the crop rule or the border of the crop asks."""
        predicted = self._network.run(requests)
        zoom_in = self.settings.zoom_in
        repeated = {
            # The repetition sees the crop of the new prediction, but the mask from before the click.
            i: replace(request, session=replace(session, prev_probs=request.start.prev_probs))
            for i, (request, session) in enumerate(zip(requests, predicted, strict=True))
            if zoom_in is not None and zoom_in.wants_repetition(session.zoom)
        }
        for i, session in zip(repeated, self._network.run(list(repeated.values())), strict=True):
            predicted[i] = session
        self._look_into_boxes(requests, predicted)
        if self.settings.second_look:
            self._look_again(requests, predicted, self._closer)
        for _ in range(self.settings.widen or 0):
            if not self._look_again(requests, predicted, self._wider):
                break
        return [session.within(one.given.new_prompts) for one, session in zip(requests, predicted, strict=True)]

    def _look_into_boxes(self, requests: Sequence[Request], predicted: list[Session]) -> None:
        """Repeat the pass that has seen a new box first: the network reads its answer inside the box."""
        if self.refinement is not None or not self.model.with_prev_mask:
            return
        again = {
            i: replace(request, session=session.within(request.session.new_prompts), crop=session.view.roi)
            for i, (request, session) in enumerate(zip(requests, predicted, strict=True))
            if session.view is not None and any(prompt.kind == "box" for prompt in request.session.new_prompts)
        }
        for i, session in zip(again, self._network.run(list(again.values())), strict=True):
            predicted[i] = session

    def _look_again(
        self, requests: Sequence[Request], predicted: list[Session], choose: Callable[[Session], Box | None]
    ) -> bool:
        """Run the network on other crops, where ``choose`` gives one; it reads its answer so far. Writes to the list.

        Returns:
            whether there was any.
        """
        again = {
            i: replace(request, session=session, crop=crop)
            for i, (request, session) in enumerate(zip(requests, predicted, strict=True))
            if (crop := choose(session)) is not None
        }
        for i, session in zip(again, self._network.run(list(again.values())), strict=True):
            predicted[i] = session
        return bool(again)

    def _closer(self, session: Session) -> Box | None:
        """The crop for a second look at the first click, see ``InferenceSettings.second_look``."""
        if self.settings.zoom_in is None or session.interactions != 1 or session.view is None:
            return None
        whole = session.view.source == Box.of_image(session.image_size)
        return self.settings.zoom_in.closer(session.zoom, session.clicks, session.image_size) if whole else None

    def _wider(self, session: Session) -> Box | None:
        """The crop for a further look where the border of the last one cuts the mask."""
        if session.view is None:
            return None
        return wider_crop(session.prev_probs, session.view.output_box, self.threshold)

    def _merged(self, session: Session, clicks_seen: int) -> Session:
        """Merge the prediction into the session's mask, if any, for the clicks after the first ``clicks_seen``."""
        mask = session.merged
        if mask is None or not session.clicks:
            return session
        if self.settings.merge == "none":
            return replace(session, merged=None)
        prediction = session.probs > self.threshold
        if self.settings.merge == "published":
            return session.with_merged(progressive_merge(mask, prediction, session.clicks[-1]))
        for click in session.clicks[clicks_seen:]:
            mask = guarded_merge(mask, prediction, click)
        return session.with_merged(mask)
