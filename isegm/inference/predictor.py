"""The predictor of one image, for programs in which people click."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from isegm.clicks import clicks_from_xy
from isegm.inference.history import History
from isegm.inference.session import Session
from isegm.inference.session_engine import SessionEngine
from isegm.prompts import prompts_from_xy
from isegm.utils.errors import InputError


class Predictor(SessionEngine):
    """Segments objects from clicks, boxes, scribbles, polygons and masks, with any network of ``isegm.model``.

    Call ``set_image`` once, then ``predict`` after each prompt::

        predictor = Predictor(model)
        predictor.set_image(image)
        mask, probs = predictor.predict(box=(x0, y0, x1, y1))
        mask, probs = predictor.predict(points=[(x, y)], labels=[1])

    Programs with many objects or users call ``start`` and ``step`` of ``SessionEngine`` instead, which keep no state.

    Args:
        model, device, settings, threshold, refinement: see ``SessionEngine``.
    """

    _history: History | None = None  # sessions after each call of predict, the one without clicks first

    @property
    def session(self) -> Session:
        """The present state of the image that was set with ``set_image``.

        Raises:
            RuntimeError: no image was set.
        """
        return self._of_image.present

    @property
    def _of_image(self) -> History:
        if self._history is None:
            raise RuntimeError("An image must be set with set_image before predict.")
        return self._history

    def set_image(self, image: ArrayLike) -> None:
        """Set the image to click on; clicks on an earlier one are forgotten.

        Args:
            image: (H, W, 3) uint8 RGB (OpenCV reads BGR: convert it); or the path of an image file, or a Pillow image.

        Raises:
            InputError: another shape or dtype, or the file cannot be read; the earlier image stays.
        """
        self._history = History(self.start(image))

    def predict(
        self,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        prev_mask: np.ndarray | None = None,
        *,
        box: ArrayLike | None = None,
        scribbles: Iterable[Any] | None = None,
        polygon: ArrayLike | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Segment the object from all prompts so far and these new ones, of any kinds in any order.

        Whether the network sees boxes and scribbles themselves, or the clicks that stand for them, says
        ``model.reads_strokes``; see ``isegm.prompts``.

        Args:
            points: (N, 2) pixel coordinates (x, y) of new clicks, origin at the top left, in image pixels; fractions
                are kept. The network sees all prompts of the call together.
            labels: (N,) 1 for a click on the object, 0 for one on the background.
            prev_mask: (H, W) bool, or float probabilities in [0, 1], to start from instead of the last prediction.
                From then on a click changes the mask only in the region that it points at, and never against its sign
                ("Progressive Merge"). Without another prompt it is the answer, and the network runs at the next call.
            box: (x0, y0, x1, y1) around the object: its first column and row, and those behind its last ones.
            scribbles: (points, label) pairs, each with the (N, 2) points (x, y) of a line and label 1 for a line on the
                object, 0 for one on the background.
            polygon: (N, 2) corners (x, y) of a rough outline of the object, such as a lasso. The network starts from
                its inside, unless there is a ``prev_mask``, and its prediction replaces it.

        Returns:
            mask: (H, W) bool, probabilities above the threshold; after ``prev_mask`` the merged mask.
            probs: (H, W) float32 in [0, 1], the network's.

        Raises:
            RuntimeError: no image was set.
            InputError: there is no prompt, one lies outside the image or has no area or length, or sizes do not agree
                (the message says which).
        """
        session = self.session
        given = (() if points is None else points, () if labels is None else labels)
        clicks = clicks_from_xy(*given, session.image_size)
        prompts = prompts_from_xy(session.image_size, box, scribbles, polygon)
        if not clicks and not prompts and (points is not None or prev_mask is None):
            raise InputError(
                "predict needs at least one click, box, scribble, polygon or mask: give points [(x, y)] and labels "
                "[1], box, scribbles, polygon or prev_mask."
            )
        if prev_mask is not None:
            session = session.with_prev_mask(prev_mask)
        if clicks or prompts:
            session = session.with_prompts(*prompts, keep_mask=prev_mask is not None).with_click(*clicks)
            (session,) = self.run([session])
        self._of_image.add(session)
        return self._mask_and_probs()

    def undo(self) -> tuple[np.ndarray, np.ndarray]:
        """Go back to before the last call of ``predict``.

        Returns:
            mask and probabilities at that time, as of ``predict``.

        Raises:
            RuntimeError: no image was set, or there is no call to undo.
        """
        if not self._of_image.can_undo:
            raise RuntimeError("There is nothing to undo: no prompts were given on this image.")
        self._of_image.undo()
        return self._mask_and_probs()

    def reset(self) -> None:
        """Forget all prompts and keep the image.

        Raises:
            RuntimeError: no image was set.
        """
        self._of_image.clear()

    def _mask_and_probs(self) -> tuple[np.ndarray, np.ndarray]:
        return self.session.mask(self.threshold).copy(), self.session.probs.copy()
