"""From clicks to a mask."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from isegm.clicks import Click, clicks_from_xy, points_tensor
from isegm.inference.merge import guarded_merge, progressive_merge
from isegm.inference.postprocess import NetworkOutput, Prediction
from isegm.inference.protocols import InferenceSettings, settings_for
from isegm.inference.refinement import NetworkInput, Refinement
from isegm.inference.session import Session, join_rows, take_rows
from isegm.inference.transforms import View, ZoomState, flipped_clicks, mean_with_flipped, resized, with_flipped
from isegm.model.base import ClickModel
from isegm.utils.errors import InputError


class Predictor:
    """Segments an object from clicks, with any network of ``isegm.model``.

    People call ``set_image``, then ``predict`` as often as they like::

        predictor = Predictor(model)
        predictor.set_image(image)
        mask, probs = predictor.predict(points=[(x, y)], labels=[1])

    Programs that handle many objects or users call ``start`` and ``step``, which keep nothing in the predictor: all
    that is known of an image is in the ``Session`` that they return.

    Args:
        model: the network; it is moved to ``device`` and put into evaluation mode.
        device: where it runs; None for where it is.
        settings: crop, size, flipping and what follows; None for those that the network was published with, with a
            guard against clicks that simulated users never make.
        threshold: probability above which a pixel is in the mask.
        refinement: improves on the network's answer (``build_refinement``), one session at a time, with its own limit
            of clicks where the settings have none, and in place of their ``postprocess``; None for the answer itself.

    Raises:
        InputError: the threshold does not lie between 0 and 1, or the network cannot be refined in this way, or is not
            made for the ``postprocess`` or the ``cascade`` of the settings.
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
        if not 0 < threshold < 1:
            raise InputError(f"the mask threshold is {threshold:g}: give a probability between 0 and 1.")
        if device is None:
            device = next(itertools.chain(model.parameters(), model.buffers())).device
        self.device = torch.device(device)
        self.model = model.to(self.device).eval()
        self.settings = replace(settings_for(model.protocol), merge="guarded") if settings is None else settings
        self.refinement = refinement
        if refinement is not None:
            refinement.check(model)
            limit = self.settings.clicks_limit or refinement.clicks_limit
            self.settings = replace(self.settings, clicks_limit=limit, postprocess=None)
        elif self.settings.postprocess is not None:
            self.settings.postprocess.check(model)
        if self.settings.cascade is not None:
            self.settings.cascade.check(model)
        self.threshold = threshold
        self._history: list[Session] = []

    @property
    def session(self) -> Session:
        """The present state of the image that was set with ``set_image``.

        Raises:
            RuntimeError: no image was set.
        """
        if not self._history:
            raise RuntimeError("An image must be set with set_image before predict.")
        return self._history[-1]

    def set_image(self, image: ArrayLike) -> None:
        """Begin with an image; clicks on an earlier one are forgotten.

        Args:
            image: (H, W, 3) uint8 RGB (OpenCV reads BGR: convert it).

        Raises:
            InputError: another shape or dtype.
        """
        self._history = [self.start(image)]

    def predict(
        self, points: ArrayLike, labels: ArrayLike, prev_mask: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Segment the object that all clicks so far and these new ones point at.

        Args:
            points: (N, 2) pixel coordinates (x, y) of new clicks, origin at the top left, in image pixels; fractions
                are kept. The network runs once, with all of them.
            labels: (N,) 1 for a click on the object, 0 for one on the background.
            prev_mask: (H, W) bool, or float probabilities in [0, 1], to start from instead of the network's last
                answer. From then on a click changes the mask only in the region that it points at, and never against
                its sign ("Progressive Merge").

        Returns:
            mask: (H, W) bool, probabilities above the threshold; after ``prev_mask`` the merged mask.
            probs: (H, W) float32 in [0, 1], the network's.

        Raises:
            RuntimeError: no image was set.
            InputError: there is no click, one lies outside the image, or sizes do not agree (the message says which).
        """
        session = self.session
        clicks = clicks_from_xy(points, labels, session.image_size)
        if not clicks:
            raise InputError("predict needs at least one click: give points [(x, y)] and labels [1].")
        if prev_mask is not None:
            session = session.with_prev_mask(prev_mask)
        self._history += self.run([session.with_click(*clicks)])
        return self._answer()

    def undo(self) -> tuple[np.ndarray, np.ndarray]:
        """Go back to before the last call of ``predict``; returns mask and probabilities of then.

        Raises:
            RuntimeError: no image was set, or there is no call to undo.
        """
        if self.session is self._history[0]:
            raise RuntimeError("There is nothing to undo: no clicks were made on this image.")
        self._history.pop()
        return self._answer()

    def reset(self) -> None:
        """Forget all clicks and keep the image.

        Raises:
            RuntimeError: no image was set.
        """
        if self.session.clicks:
            self._history = self._history[:1]

    def start(self, image: ArrayLike, init_mask: np.ndarray | None = None) -> Session:
        """A session without clicks; a network that encodes once does so now.

        Args:
            image: (H, W, 3) uint8 RGB.
            init_mask: (H, W) bool, or float probabilities in [0, 1], to start from; see ``Session.with_prev_mask``.

        Raises:
            InputError: another shape or dtype.
        """
        pixels = torch.from_numpy(_checked_image(image).copy()).to(self.device).permute(2, 0, 1)[None]  # (1, 3, H, W)
        session = self.start_tensor(pixels.to(torch.float32, memory_format=torch.contiguous_format).div_(255))
        return session if init_mask is None else session.with_prev_mask(init_mask)

    def start_tensor(self, image: Tensor) -> Session:
        """The same for an image that is a tensor already.

        Args:
            image: float32 (1, 3, H, W) RGB in 0..1, which the session keeps; it is moved to the predictor's device.
        """
        image = image.to(self.device)
        session = Session(image=image, prev_probs=image.new_zeros((1, 1, *image.shape[2:])))
        if not self.model.encodes_once:
            return session
        view = self.settings.view(session.zoom, (), session.image_size)
        return replace(session, view=view, features=self._encode([session], [view]))

    def step(self, sessions: Sequence[Session], clicks: Sequence[Click]) -> list[Session]:
        """Add one click to each session and run the network.

        Args:
            sessions: of any images; they are not changed.
            clicks: one ``isegm.Click(is_positive, (row, column))`` for each session, in pixels of its image.

        Returns:
            the sessions after the click, in order. They do not depend on which sessions are handed in together.
        """
        return self.run([session.with_click(click) for session, click in zip(sessions, clicks, strict=True)])

    def run(self, sessions: Sequence[Session], before: Sequence[Session] | None = None) -> list[Session]:
        """One answer for each session, with the clicks that it holds.

        Inputs of equal size go through the network together; a refinement sees them one by one. Of the passes of a
        cascade, the first starts from the session's mask, and only the last answer is merged into ``merged``.

        Args:
            sessions: of any images; they are not changed.
            before: where the crop rule repeats a click, the repetition looks at the mask of these; None for
                ``sessions``.
        """
        answered = self._once(sessions, sessions if before is None else before, sessions)
        if self.settings.cascade is not None:
            answered = self.settings.cascade.repeated(
                answered, lambda places, last: self._once(last, last, [sessions[i] for i in places])
            )
        return [self._merged(session, given.answered) for session, given in zip(answered, sessions, strict=True)]

    def _once(self, sessions: Sequence[Session], before: Sequence[Session], given: Sequence[Session]) -> list[Session]:
        """The sessions after one pass, and the repetition that the crop rule may ask for; see ``_pass``."""
        answered = self._pass(sessions, given)
        zoom_in = self.settings.zoom_in
        again = [
            i for i, session in enumerate(answered) if zoom_in is not None and zoom_in.wants_repetition(session.zoom)
        ]
        # The repeated click looks at the crop of the new answer, but at the mask from before the click.
        repeated = self._pass(
            [replace(answered[i], prev_probs=before[i].prev_probs) for i in again], [given[i] for i in again]
        )
        for i, session in zip(again, repeated, strict=True):
            answered[i] = session
        return answered

    def _merged(self, session: Session, answered: int) -> Session:
        """The session with what the clicks after the first ``answered`` ones ask for in its mask, if it has one."""
        mask = session.merged
        if mask is None or not session.clicks:
            return session
        if self.settings.merge == "none":
            return replace(session, merged=None)
        prediction = session.probs > self.threshold
        if self.settings.merge == "published":
            return session.with_merged(progressive_merge(mask, prediction, session.clicks[-1]))
        for click in session.clicks[answered:]:
            mask = guarded_merge(mask, prediction, click)
        return session.with_merged(mask)

    def _pass(self, sessions: Sequence[Session], given: Sequence[Session]) -> list[Session]:
        """The sessions after one network pass.

        Args:
            sessions: what the network starts from.
            given: the same with the answers from before the click, with which the postprocess compares the new ones.
        """
        groups: dict[tuple, list[int]] = defaultdict(list)
        views = [self.settings.view(session.zoom, session.clicks, session.image_size) for session in sessions]
        seen = [
            session if session.view == view else self._in_view(session, view)
            for session, view in zip(sessions, views, strict=True)
        ]
        for i, session in enumerate(seen):
            alone = None if self.refinement is None else i
            groups[views[i].size, session.features is None, session.cache is None, alone].append(i)
        answered = list(seen)
        for members in groups.values():
            parts = [seen[i] for i in members], [given[i] for i in members]
            for i, session in zip(members, self._group_pass(*parts), strict=True):
                answered[i] = session
        return answered

    def _in_view(self, session: Session, view: View) -> Session:
        """The session without what it knows of another view."""
        kept = None if self.refinement is None else self.refinement.in_new_view(session.refinement)
        return replace(session, view=view, features=None, cache=None, refinement=kept)

    @torch.no_grad()
    def _group_pass(self, sessions: Sequence[Session], given: Sequence[Session]) -> list[Session]:
        """The sessions after one network call; ``session.view`` is what it is to see, of equal size in all of them."""
        count, flip, size = len(sessions), self.settings.flip, sessions[0].view.size
        views = [session.view for session in sessions]
        clicks = [view.clicks(session.clicks) for session, view in zip(sessions, views, strict=True)]
        if flip:
            clicks += [flipped_clicks(row, size[1]) for row in clicks]
        points = points_tensor(clicks, self.settings.clicks_limit, self.device)  # (B, 2N, 3)
        prev_mask = (
            self._crops([session.prev_probs for session in sessions], views) if self.model.with_prev_mask else None
        )
        features = self._joined([session.features for session in sessions])
        if features is None:
            features = self._encode(sessions, views)
        outputs: Mapping[str, Any] = {}
        cache = refined = None
        if self.refinement is None:
            outputs = self.model.decode(
                features, points, prev_mask, self._joined([session.cache for session in sessions])
            )
            logits, cache = resized(outputs["instances"].float(), size), outputs.get("cache")  # (B, 1, h, w)
        else:
            limit = self.settings.clicks_limit
            all_shown = limit is None or len(clicks[0]) <= limit
            seen = NetworkInput(features, points, prev_mask, clicks, all_shown, flip, self.threshold)
            logits, refined = self.refinement.refine(self.model, seen, sessions[0].refinement)  # (B, 1, h, w)

        # [KEEP] flipped answers are averaged as logits (trap 4 of RITM)
        answer = NetworkOutput(given, views, points, outputs, mean_with_flipped(logits) if flip else logits)
        if self.settings.postprocess is None:
            finished = [Prediction(probs, probs) for probs in answer.pasted()]
        else:
            finished = self.settings.postprocess(self.model, answer)
        answered = []
        for i, (session, view, of_session) in enumerate(zip(sessions, views, finished, strict=True)):
            rows = (i, count + i) if flip else (i,)
            answered.append(
                replace(
                    session,
                    prev_probs=of_session.probs,
                    answered=len(session.clicks),
                    focus=of_session.focus,
                    zoom=ZoomState(view.roi, of_session.zoom_probs),
                    features=take_rows(features, rows) if self.model.encodes_once else None,
                    cache=take_rows(cache, rows),
                    refinement=refined,
                )
            )
        return answered

    def _encode(self, sessions: Sequence[Session], views: Sequence[View]) -> Mapping[str, Tensor]:
        """Features of a group; with flipping the straight images come first, then the flipped ones."""
        with torch.no_grad():
            return self.model.encode(self._crops([session.image for session in sessions], views))

    def _crops(self, maps: Sequence[Tensor], views: Sequence[View]) -> Tensor:
        """Network input from (1, C, H, W) maps of each session: (B, C, h, w)."""
        crops = [view.crop(of_image) for of_image, view in zip(maps, views, strict=True)]
        crops = crops[0] if len(crops) == 1 else torch.cat(crops)
        return with_flipped(crops) if self.settings.flip else crops

    def _joined(self, trees: Sequence[Any]) -> Any:
        """Features or caches of a group as one batch, in the order of ``_encode``; None where there are none."""
        if len(trees) == 1 or trees[0] is None:
            return trees[0]
        joined, count = join_rows(trees), len(trees)
        if not self.settings.flip:
            return joined
        return take_rows(joined, [*range(0, 2 * count, 2), *range(1, 2 * count, 2)])

    def _answer(self) -> tuple[np.ndarray, np.ndarray]:
        """Mask and probabilities of the present session."""
        return self.session.mask(self.threshold).copy(), self.session.probs.copy()


def _checked_image(image: ArrayLike) -> np.ndarray:
    """The image as an (H, W, 3) uint8 array; InputError if it is none."""
    pixels = np.asarray(image)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise InputError(
            f"the image must be (H, W, 3) RGB with at least one pixel, got shape {pixels.shape}: drop an alpha channel "
            "(image[..., :3]), repeat a gray one (np.stack([image] * 3, axis=-1)), move channels to the last axis."
        )
    if pixels.dtype != np.uint8:
        raise InputError(
            f"the image must be uint8 with values from 0 to 255, got {pixels.dtype}: scale it and convert it with "
            "astype(np.uint8)."
        )
    return pixels
