"""What the interactive program does, without a window: objects, clicks, undo, settings, pictures and masks.

Everything about the object in progress is a tuple of ``Step`` values that never change. A click, a loaded mask or a
partial finish adds one, undo drops the last, and a click can be computed in another thread (``prepare_click``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from isegm.clicks import Click, clicks_from_xy
from isegm.demo.settings import BRS_MODES, NO_BRS, Settings
from isegm.inference.predictor import Predictor
from isegm.inference.session import Session
from isegm.model.base import ClickModel
from isegm.utils.errors import InputError
from isegm.utils.files import read_image, write_image
from isegm.utils.vis import draw_clicks, voc_palette

NO_IMAGE = "there is no image yet: load one first."
MASK_ABOVE = 127  # level above which a pixel of a loaded mask is object
MAX_LABEL = 2**16 - 1
SAVED_ENDINGS = (".png", ".bmp")
SMALLEST_THRESHOLD = 0.01  # of a refinement, which cannot work with 0 or 1


@dataclass(frozen=True, eq=False)
class Step:
    """The object in progress after one action.

    Attributes:
        session: image, clicks and last answer.
        initial: float (1, 1, H, W) loaded mask, which the network is given at every click; None for its last answer.
        base: float32 (H, W) probabilities kept by partial finishes; None for none.
    """

    session: Session
    initial: Tensor | None = None
    base: np.ndarray | None = None

    @property
    def probs(self) -> np.ndarray:
        """float32 (H, W): the larger of the last answer and what was kept."""
        probs = self.session.probs
        return probs if self.base is None else np.maximum(self.base, probs)

    def mask(self, threshold: float) -> np.ndarray:
        """(H, W) bool: where ``probs`` is above the threshold; a loaded mask changes only where clicks point."""
        mask = self.session.mask(threshold)
        return mask if self.base is None else mask | (self.base > threshold)

    def clicked(self, predictor: Predictor, click: Click) -> Step:
        """The step after a click. The first click on a loaded mask runs the network twice, as published."""
        before = start = self.session
        session = before.with_click(click)
        for _ in range(1 if self.initial is None or before.clicks else 2):
            if self.initial is not None:  # each pass changes the mask that was there before the click
                session = replace(session, prev_probs=self.initial, merged=start.merged, answered=start.answered)
            (session,) = predictor.run([session], before=[before])
            before = session
        return replace(self, session=session)


@dataclass(frozen=True, eq=False)
class PendingClick:
    """A click that the network has not yet seen; ``run`` touches nothing of the controller.

    Attributes:
        predictor: which answers it.
        before: what it was made on.
        click: in pixels of the image.
        moment: tells whether the controller's object has changed since.
    """

    predictor: Predictor
    before: Step
    click: Click
    moment: object

    def run(self) -> Step:
        """The step after the click; may be called in any thread."""
        return self.before.clicked(self.predictor, self.click)


class Controller:
    """One image with its finished objects and the one in progress.

    Args:
        model: the network; it is moved to ``device``.
        device: where it runs; None for where it is.
        settings: None for ``Settings.for_model``.

    Attributes:
        settings: the present ones; ``change`` replaces them.
        image: (H, W, 3) uint8 RGB; None before ``set_image``.
        labels: (H, W) uint16 finished objects, 1, 2, ... in the order of finishing, 0 elsewhere; later objects lie over
            earlier ones. None before ``set_image``.
        objects: how many objects are finished.
        unavailable: why an option does not work with this network, by BRS mode.
    """

    def __init__(
        self, model: ClickModel, device: torch.device | str | None = None, settings: Settings | None = None
    ) -> None:
        self.settings = Settings.for_model(model) if settings is None else settings
        self.unavailable = _unavailable(model)
        self.image: np.ndarray | None = None
        self.labels: np.ndarray | None = None
        self.objects = 0
        self._steps: tuple[Step, ...] = ()
        self._moment = object()
        self._start: Session | None = None
        self._predictor = _predictor(model, device, self.settings)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The object in progress, oldest first; empty where there is none."""
        return self._steps

    @steps.setter
    def steps(self, steps: tuple[Step, ...]) -> None:
        self._steps = steps
        self._moment = object()  # clicks that were prepared before are out of date

    @property
    def in_progress(self) -> bool:
        """Whether an object is begun and not finished."""
        return bool(self.steps)

    @property
    def clicks(self) -> tuple[Click, ...]:
        """Clicks of the object in progress since its last partial finish."""
        return self.steps[-1].session.clicks if self.steps else ()

    @property
    def probs(self) -> np.ndarray | None:
        """float32 (H, W) probabilities of the object in progress; None where there is none."""
        return self.steps[-1].probs if self.steps else None

    @property
    def mask(self) -> np.ndarray | None:
        """(H, W) bool, the object in progress; None where there is none."""
        return self.steps[-1].mask(self.settings.threshold) if self.steps else None

    @property
    def all_labels(self) -> np.ndarray:
        """(H, W) uint16: ``labels`` with the object in progress, which has the next number.

        Raises:
            InputError: there is no image.
        """
        if self.labels is None:
            raise InputError(NO_IMAGE)
        labels = self.labels.copy()
        if self.steps:
            labels[self.mask] = self._next_label()
        return labels

    def change(self, settings: Settings) -> None:
        """Use other settings.

        Raises:
            InputError: the network lacks the mode, or something that the network sees would change while an object is
                in progress; the settings then stay as they were.
        """
        old = self.settings
        changed = (settings.inference, settings.refinement) != (old.inference, old.refinement)
        if changed and self.steps:
            raise InputError("ZoomIn and BRS options cannot change within an object: finish or reset it first.")
        if changed or settings.threshold != old.threshold:
            self._predictor = _predictor(self._predictor.model, self._predictor.device, settings)
        if changed and self.image is not None:
            self._start = self._predictor.start(self.image)
        self.settings = settings

    def set_image(self, image: ArrayLike) -> None:
        """Begin with an image; objects of an earlier one are forgotten.

        Args:
            image: (H, W, 3) uint8 RGB.

        Raises:
            InputError: another shape or dtype.
        """
        self._start = self._predictor.start(image)
        self.image = np.ascontiguousarray(image)
        self.labels = np.zeros(self.image.shape[:2], np.uint16)
        self.objects = 0
        self.steps = ()

    def load_image(self, path: str | Path) -> None:
        """``set_image`` with a picture file."""
        self.set_image(read_image(path))

    def set_mask(self, mask: np.ndarray) -> None:
        """Begin an object from a mask; the one in progress is forgotten.

        Args:
            mask: (H, W) bool, of the image's size.

        Raises:
            InputError: there is no image, the sizes differ, or the mask is empty.
        """
        start = self._image_session()
        if mask.shape != start.image_size:
            (height, width), (own_height, own_width) = start.image_size, mask.shape
            raise InputError(
                f"the mask is {own_width}x{own_height} pixels, the image {width}x{height}: load a mask of its size."
            )
        if not mask.any():
            raise InputError(f"the mask is empty, it has no pixel above {MASK_ABOVE}: make objects white (255).")
        session = start.with_prev_mask(mask)
        self.steps = (Step(session, initial=session.prev_probs),)

    def load_mask(self, path: str | Path) -> None:
        """``set_mask`` with a picture file, in which the object is where its first channel is above 127."""
        self._image_session()
        self.set_mask(read_image(path)[..., 0] > MASK_ABOVE)

    def click(self, x: float, y: float, is_positive: bool) -> None:
        """Add a click to the object in progress, or begin one with it.

        Args:
            x, y: in pixels of the image.
            is_positive: whether it lies on the object.

        Raises:
            InputError: there is no image, or the click lies outside it.
        """
        pending = self.prepare_click(x, y, is_positive)
        self.accept(pending, pending.run())

    def prepare_click(self, x: float, y: float, is_positive: bool) -> PendingClick:
        """A click to be run elsewhere and handed to ``accept``; arguments and errors as of ``click``."""
        start = self._image_session()
        (click,) = clicks_from_xy([(x, y)], [int(is_positive)], start.image_size)
        return PendingClick(self._predictor, self.steps[-1] if self.steps else Step(start), click, self._moment)

    def accept(self, pending: PendingClick, step: Step) -> bool:
        """Take over what ``pending.run()`` returned, unless image or object have changed since it was prepared.

        Returns:
            whether it was taken over.
        """
        if pending.moment is not self._moment:
            return False
        self.steps = (*self.steps, step)
        return True

    def undo(self) -> None:
        """Go back to before the last click, loaded mask or partial finish; nothing happens where there is none."""
        self.steps = self.steps[:-1]

    def reset(self) -> None:
        """Forget the object in progress; threshold and blending become what they were at first, as published."""
        self.steps = ()
        self.change(replace(self.settings, threshold=Settings.threshold, alpha=Settings.alpha))

    def finish(self) -> None:
        """Give the object in progress the next label; nothing happens where there is none."""
        if self.steps:
            self.labels, self.objects = self.all_labels, self._next_label()
            self.steps = ()

    def partially_finish(self) -> None:
        """Keep the probabilities so far and go on without the clicks: later answers can only add to the object."""
        if self.steps:
            merged = self.steps[-1].session.merged
            kept = self.probs.copy() if merged is None else self.mask.astype(np.float32)
            self.steps = (*self.steps, Step(self._image_session(), base=kept))

    def picture(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB: the image with all objects, and the clicks of the one in progress.

        What partial finishes kept is blended twice.

        Raises:
            InputError: there is no image.
        """
        labels, alpha = self.all_labels, self.settings.alpha
        picture = draw_clicks(_blended(self.image, labels, alpha), self.clicks, self.settings.click_radius)
        base = self.steps[-1].base if self.steps else None
        return picture if base is None else _blended(picture, labels * (base > self.settings.threshold), alpha)

    def save_mask(self, path: str | Path) -> None:
        """Write all objects, the one in progress too, as a grey PNG or BMP.

        Up to 255 objects the labels are spread over the 8-bit levels, so that they can be seen: label k becomes
        k * (255 // number of the last object). More of them make a 16-bit PNG of the labels themselves.

        Raises:
            InputError: there is no image, the ending is another, or the file cannot be written.
        """
        labels = self.all_labels
        ending = Path(path).suffix.lower()
        last = int(labels.max())
        if ending not in SAVED_ENDINGS:
            raise InputError(f"{path} would not keep the mask: end it in {' or '.join(SAVED_ENDINGS)}.")
        if last > 255 and ending == ".bmp":
            raise InputError(f"{path} cannot hold {last} objects, BMP files hold 255: end it in .png.")
        write_image(path, labels if last > 255 else (labels * (255 // max(last, 1))).astype(np.uint8))

    def _next_label(self) -> int:
        if self.objects >= MAX_LABEL:
            raise InputError(f"one image holds {MAX_LABEL} objects at most: save the mask and load the image again.")
        return self.objects + 1

    def _image_session(self) -> Session:
        """The session of the image without clicks."""
        if self._start is None:
            raise InputError(NO_IMAGE)
        return self._start


def _predictor(model: ClickModel, device: torch.device | str | None, settings: Settings) -> Predictor:
    threshold = min(max(settings.threshold, SMALLEST_THRESHOLD), 1 - SMALLEST_THRESHOLD)
    return Predictor(model, device, settings=settings.inference, threshold=threshold, refinement=settings.refinement)


def _unavailable(model: ClickModel) -> Mapping[str, str]:
    """What a network lacks, each with one sentence that says why."""
    reasons = {}
    for mode in BRS_MODES:
        if mode != NO_BRS:
            try:
                Settings().with_mode(mode).refinement.check(model)
            except InputError as error:
                reasons[mode] = str(error)
    return reasons


def _blended(image: np.ndarray, labels: np.ndarray, alpha: float) -> np.ndarray:
    """A copy of the image with a share of each label's colour in its pixels."""
    palette = voc_palette(int(labels.max()) + 1)
    colors = np.take(palette, labels, axis=0)  # (H, W, 3)
    mixed = cv2.addWeighted(image, 1 - alpha, colors, alpha, 0)
    return cv2.copyTo(mixed, (labels > 0).view(np.uint8), image.copy())
