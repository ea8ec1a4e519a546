"""The network's state for the object in progress, kept in memory or computed again.

A draft (``isegm.demo.document``) holds its clicks and its selection, enough to show it, to undo and to save. For the
next click the network also needs its last probabilities, which are large. They are kept for the latest drafts; for
others, and after a restart, they are computed again from the draft's clicks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass, fields, is_dataclass, replace
from threading import Event
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isegm.annotations import Region
from isegm.clicks import Click
from isegm.demo.document import Draft, Move, Selected
from isegm.demo.settings import Settings
from isegm.inference.predictor import Predictor
from isegm.inference.session import Session
from isegm.model.click_model import ClickModel
from isegm.prompts import Prompt

KEPT_BYTES = 1 << 30  # memory for the states of drafts; the last two are always kept
SMALLEST_THRESHOLD = 0.01  # a predictor cannot work with thresholds of 0 or 1
AGREEING = 0.98  # IoU above which a mask that was computed again counts as the same


@dataclass(frozen=True, eq=False)
class Step:
    """The network's state after one action on the object in progress.

    Attributes:
        session: image, clicks and last prediction.
        initial: float (1, 1, H, W) mask that the object started from, which the network reads at every click; None
            for its last prediction.
        base: float32 (H, W) probabilities kept by partial finishes; None for none.
    """

    session: Session
    initial: Tensor | None = None
    base: np.ndarray | None = None

    @classmethod
    def begin(cls, start: Session, region: Region | None = None) -> Step:
        """The state before the first click, from a mask if there is one."""
        if region is None:
            return cls(start)
        session = start.with_prev_mask(region.mask())
        return cls(session, initial=session.prev_probs)

    @property
    def probs(self) -> np.ndarray:
        """float32 (H, W): the larger of the last prediction and the kept probabilities."""
        probs = self.session.probs
        return probs if self.base is None else np.maximum(self.base, probs)

    def mask(self, threshold: float) -> np.ndarray:
        """(H, W) bool: ``probs`` above the threshold; an initial mask changes only around clicks."""
        mask = self.session.mask(threshold)
        return mask if self.base is None else mask | (self.base > threshold)

    def moved(self, predictor: Predictor, start: Session, move: Move, threshold: float) -> Step:
        """The state after a click, a prompt or a partial finish; ``start`` is the session without clicks."""
        return self._kept(start, threshold) if isinstance(move, str) else self._clicked(predictor, move)

    def _clicked(self, predictor: Predictor, move: Click | Prompt) -> Step:
        """The first click on an initial mask runs the network twice (docs/fidelity.md#first-click-on-a-mask)."""
        before = first = self.session
        passes = 1
        if isinstance(move, Click):
            session = before.with_click(move)
            passes = 1 if self.initial is None or before.clicks else 2
        else:
            session = before.with_prompts(move, keep_mask=self.initial is not None)
        for _ in range(passes):
            if self.initial is not None:  # each pass changes the mask that was there before the click
                session = replace(session, prev_probs=self.initial, merged=first.merged, clicks_seen=first.clicks_seen)
            (session,) = predictor.run([session], before=[before])
            before = session
        return replace(self, session=session)

    def _kept(self, start: Session, threshold: float) -> Step:
        """The state after a partial finish: later predictions can only add to it. A merged mask stays as visible."""
        seen = self.session.merged is None
        return Step(start, base=self.probs.copy() if seen else self.mask(threshold).astype(np.float32))


class InferenceState:
    """Runs the network on clicks and partial finishes on one image, and keeps the states of the latest drafts.

    ``start``, ``predict`` and ``selected`` may be called from any thread, one at a time; call the other methods in the
    controller's thread.

    Args:
        predictor: runs on clicks; ``predict`` takes another one if only its threshold differs.
        image: (H, W, 3) uint8 RGB.
        start: the session without clicks, if it exists already.
    """

    def __init__(self, predictor: Predictor, image: np.ndarray, start: Session | None = None) -> None:
        self._predictor = predictor
        self._image = image
        self._start = start
        self._steps: OrderedDict[Draft, Step] = OrderedDict()
        self._sizes: dict[Draft, dict[int, int]] = {}  # memory of each: bytes by address

    def for_predictor(self, predictor: Predictor) -> InferenceState:
        """A new state of the same image for a predictor with other settings, without earlier drafts."""
        return InferenceState(predictor, self._image, None if predictor.model.encodes_once else self._start)

    def find(self, draft: Draft | None) -> Step | None:
        """The kept state of a draft; None if there is none."""
        return None if draft is None else self._steps.get(draft)

    def remember(self, draft: Draft | None, step: Step | None) -> None:
        """Keep the state of a draft, and drop the oldest ones if they take too much memory."""
        if draft is not None and step is not None:
            self._steps[draft] = step
            self._sizes[draft] = _memory(step)
            while len(self._steps) > 2 and self._kept_bytes() > KEPT_BYTES:
                oldest, _ = self._steps.popitem(last=False)
                del self._sizes[oldest]

    def _kept_bytes(self) -> int:
        """Memory of all states; memory that several share counts once."""
        return sum({address: size for sizes in self._sizes.values() for address, size in sizes.items()}.values())

    def start(self) -> Session:
        """The session without clicks; the first call uploads the image, and encodes it if the network encodes once."""
        if self._start is None:
            self._start = self._predictor.start(self._image)
        return self._start

    def predict(
        self,
        draft: Draft | None,
        step: Step | None,
        move: Move,
        predictor: Predictor,
        threshold: float,
        cancelled: Event | None = None,
    ) -> Selected:
        """Compute the selection after a move on a draft.

        Args:
            draft: before the move; None for a new object.
            step: its state from ``find``.
            predictor: runs on the click.
            threshold: pixels of a greater probability are selected.
            cancelled: set when the result is no longer wanted; None for never.

        Raises:
            CancelledError: ``cancelled`` was set while earlier clicks were computed again.
        """
        before = self._step(draft, step, predictor, cancelled)
        return _selected(before.moved(at_threshold(predictor, threshold), self.start(), move, threshold), threshold)

    def selected(
        self, draft: Draft, step: Step | None, predictor: Predictor, threshold: float, cancelled: Event | None = None
    ) -> Selected:
        """Compute the selection of a draft at another threshold; arguments and errors as of ``predict``."""
        return _selected(self._step(draft, step, predictor, cancelled), threshold)

    def _step(self, draft: Draft | None, step: Step | None, predictor: Predictor, cancelled: Event | None) -> Step:
        if step is not None:
            return step
        step = Step.begin(self.start(), None if draft is None else draft.start)
        if draft is None:
            return step
        for move, threshold in zip(draft.moves, draft.thresholds, strict=True):
            if cancelled is not None and cancelled.is_set():
                raise CancelledError
            step = step.moved(at_threshold(predictor, threshold), self.start(), move, threshold)
        if _iou(step.mask(draft.threshold), draft.region) >= AGREEING:
            return step
        return Step.begin(
            self.start(), draft.region
        )  # of another network or other settings: start from the visible mask


def build_predictor(model: ClickModel, device: torch.device | str | None, settings: Settings) -> Predictor:
    """Build the predictor for these settings."""
    threshold = _usable(settings.threshold)
    fitting = settings.inference.fitting(model.input_multiple)
    return Predictor(model, device, settings=fitting, threshold=threshold, refinement=settings.refinement)


def at_threshold(predictor: Predictor, threshold: float) -> Predictor:
    """The predictor with another threshold."""
    threshold = _usable(threshold)
    if threshold == predictor.threshold:
        return predictor
    model, device, settings = predictor.model, predictor.device, predictor.settings
    return Predictor(model, device, settings=settings, threshold=threshold, refinement=predictor.refinement)


def _usable(threshold: float) -> float:
    return min(max(threshold, SMALLEST_THRESHOLD), 1 - SMALLEST_THRESHOLD)


def _memory(part: Any) -> dict[int, int]:
    """Bytes of all tensors and arrays in a value, by address."""
    if isinstance(part, Tensor):
        storage = part.untyped_storage()
        return {storage.data_ptr(): storage.nbytes()}
    if isinstance(part, np.ndarray):
        return {part.__array_interface__["data"][0]: part.nbytes}
    if is_dataclass(part):
        parts = [getattr(part, each.name) for each in fields(part)]
    elif isinstance(part, Mapping):
        parts = list(part.values())
    else:
        parts = list(part) if isinstance(part, (list, tuple)) else []
    return {address: size for each in parts for address, size in _memory(each).items()}


def _selected(step: Step, threshold: float) -> Selected:
    return Selected(Region.of(step.mask(threshold)), threshold, step)


def _iou(mask: np.ndarray, region: Region) -> float:
    """IoU of two masks of one size; 1 where both are empty."""
    other = Region.of(mask)
    both = region.overlap(other)
    either = region.area + other.area - both
    return both / either if either else 1.0
