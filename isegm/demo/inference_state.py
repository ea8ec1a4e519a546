"""The network's side of an object in progress: what it needs to answer the next click, kept or made again.

A draft (``isegm.demo.document``) says which clicks were made and what they selected; that is enough to show it, to undo
and to save. The network also needs its last probabilities, which are large. They are kept for the latest drafts; for
others, and after a restart, they are made again by answering the draft's clicks once more.
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
from isegm.model.base import ClickModel

KEPT_BYTES = 1 << 30  # of what the network needs of drafts; the last two are kept whatever they take
SMALLEST_THRESHOLD = 0.01  # of a refinement, which cannot work with 0 or 1
AGREEING = 0.98  # IoU from which on what was made again counts as what was there


@dataclass(frozen=True, eq=False)
class Step:
    """What the network knows of the object in progress after one action.

    Attributes:
        session: image, clicks and last answer.
        initial: float (1, 1, H, W) mask that the object began from, which the network is given at every click; None
            for its last answer.
        base: float32 (H, W) probabilities kept by partial finishes; None for none.
    """

    session: Session
    initial: Tensor | None = None
    base: np.ndarray | None = None

    @classmethod
    def begin(cls, start: Session, region: Region | None = None) -> Step:
        """Before the first click on an image, from a mask if there is one."""
        if region is None:
            return cls(start)
        session = start.with_prev_mask(region.mask())
        return cls(session, initial=session.prev_probs)

    @property
    def probs(self) -> np.ndarray:
        """float32 (H, W): the larger of the last answer and what was kept."""
        probs = self.session.probs
        return probs if self.base is None else np.maximum(self.base, probs)

    def mask(self, threshold: float) -> np.ndarray:
        """(H, W) bool: where ``probs`` is above the threshold; a given mask changes only where clicks point."""
        mask = self.session.mask(threshold)
        return mask if self.base is None else mask | (self.base > threshold)

    def moved(self, predictor: Predictor, start: Session, move: Move, threshold: float) -> Step:
        """After a click or a partial finish on an image of which ``start`` is the session without clicks."""
        return self._clicked(predictor, move) if isinstance(move, Click) else self._kept(start, threshold)

    def _clicked(self, predictor: Predictor, click: Click) -> Step:
        """The first click on a given mask runs the network twice, as published."""
        before = first = self.session
        session = before.with_click(click)
        for _ in range(1 if self.initial is None or before.clicks else 2):
            if self.initial is not None:  # each pass changes the mask that was there before the click
                session = replace(session, prev_probs=self.initial, merged=first.merged, clicks_seen=first.clicks_seen)
            (session,) = predictor.run([session], before=[before])
            before = session
        return replace(self, session=session)

    def _kept(self, start: Session, threshold: float) -> Step:
        """Later answers can only add to what there is; a mask that clicks were merged into is kept as it was seen."""
        seen = self.session.merged is None
        return Step(start, base=self.probs.copy() if seen else self.mask(threshold).astype(np.float32))


class InferenceState:
    """Answers moves on one image.

    ``start``, ``answer`` and ``selected`` may be called in any one thread at a time; the other methods belong to the
    controller.

    Args:
        predictor: answers clicks; another one may be handed to ``answer`` if it differs in its threshold alone.
        image: (H, W, 3) uint8 RGB.
        start: the session without clicks, where it is known already.
    """

    def __init__(self, predictor: Predictor, image: np.ndarray, start: Session | None = None) -> None:
        self._predictor = predictor
        self._image = image
        self._start = start
        self._steps: OrderedDict[Draft, Step] = OrderedDict()
        self._sizes: dict[Draft, dict[int, int]] = {}  # of the memory that each holds: bytes by place

    def seen_by(self, predictor: Predictor) -> InferenceState:
        """The same image for a predictor with other settings, which remembers nothing of earlier drafts."""
        return InferenceState(predictor, self._image, None if predictor.model.encodes_once else self._start)

    def find(self, draft: Draft | None) -> Step | None:
        """What is kept for a draft."""
        return None if draft is None else self._steps.get(draft)

    def remember(self, draft: Draft | None, step: Step | None) -> None:
        """Keep what belongs to a draft, and forget the oldest where there is too much."""
        if draft is not None and step is not None:
            self._steps[draft] = step
            self._sizes[draft] = _memory(step)
            while len(self._steps) > 2 and self._kept_bytes() > KEPT_BYTES:
                oldest, _ = self._steps.popitem(last=False)
                del self._sizes[oldest]

    def _kept_bytes(self) -> int:
        """What all steps hold together; what several share counts once."""
        return sum({place: size for sizes in self._sizes.values() for place, size in sizes.items()}.values())

    def start(self) -> Session:
        """The session without clicks; at the first call the image is uploaded, and encoded if the network does that."""
        if self._start is None:
            self._start = self._predictor.start(self._image)
        return self._start

    def answer(
        self,
        draft: Draft | None,
        step: Step | None,
        move: Move,
        predictor: Predictor,
        threshold: float,
        given_up: Event | None = None,
    ) -> Selected:
        """What a move on a draft selects.

        Args:
            draft: before the move; None for a new object.
            step: what ``find`` gave for it.
            predictor: answers it.
            threshold: probability above which a pixel is selected.
            given_up: set when nobody wants the answer any more; None where somebody always will.

        Raises:
            CancelledError: it was given up while earlier clicks were answered once more.
        """
        before = self._step(draft, step, predictor, given_up)
        return _selected(before.moved(at_threshold(predictor, threshold), self.start(), move, threshold), threshold)

    def selected(
        self, draft: Draft, step: Step | None, predictor: Predictor, threshold: float, given_up: Event | None = None
    ) -> Selected:
        """What a draft selects at another threshold; arguments and errors as of ``answer``."""
        return _selected(self._step(draft, step, predictor, given_up), threshold)

    def _step(self, draft: Draft | None, step: Step | None, predictor: Predictor, given_up: Event | None) -> Step:
        if step is not None:
            return step
        step = Step.begin(self.start(), None if draft is None else draft.start)
        if draft is None:
            return step
        for move, threshold in zip(draft.moves, draft.thresholds, strict=True):
            if given_up is not None and given_up.is_set():
                raise CancelledError
            step = step.moved(at_threshold(predictor, threshold), self.start(), move, threshold)
        if _iou(step.mask(draft.threshold), draft.region) >= AGREEING:
            return step
        return Step.begin(self.start(), draft.region)  # by another network, or other settings: go on from what is seen


def build_predictor(model: ClickModel, device: torch.device | str | None, settings: Settings) -> Predictor:
    """What answers clicks with these settings."""
    threshold = _usable(settings.threshold)
    return Predictor(model, device, settings=settings.inference, threshold=threshold, refinement=settings.refinement)


def at_threshold(predictor: Predictor, threshold: float) -> Predictor:
    """The same but for its threshold."""
    threshold = _usable(threshold)
    if threshold == predictor.threshold:
        return predictor
    model, device, settings = predictor.model, predictor.device, predictor.settings
    return Predictor(model, device, settings=settings, threshold=threshold, refinement=predictor.refinement)


def _usable(threshold: float) -> float:
    return min(max(threshold, SMALLEST_THRESHOLD), 1 - SMALLEST_THRESHOLD)


def _memory(part: Any) -> dict[int, int]:
    """Bytes of all tensors and arrays in a value, by where they lie in memory."""
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
    return {place: size for each in parts for place, size in _memory(each).items()}


def _selected(step: Step, threshold: float) -> Selected:
    return Selected(Region.of(step.mask(threshold)), threshold, step)


def _iou(mask: np.ndarray, region: Region) -> float:
    """Of two masks of one size; 1 where both are empty."""
    other = Region.of(mask)
    both = region.overlap(other)
    either = region.area + other.area - both
    return both / either if either else 1.0
