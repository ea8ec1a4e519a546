"""The predictor of one image, for programs in which people click."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from isegm.clicks import clicks_from_xy
from isegm.inference.history import History
from isegm.inference.session import Session
from isegm.inference.session_engine import SessionEngine
from isegm.utils.errors import InputError


class Predictor(SessionEngine):
    """Segments objects from clicks, with any network of ``isegm.model``.

    Call ``set_image`` once, then ``predict`` after each click::

        predictor = Predictor(model)
        predictor.set_image(image)
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
        self, points: ArrayLike, labels: ArrayLike, prev_mask: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Segment the object from all clicks so far and these new ones.

        Args:
            points: (N, 2) pixel coordinates (x, y) of new clicks, origin at the top left, in image pixels; fractions
                are kept. The network runs once, with all of them.
            labels: (N,) 1 for a click on the object, 0 for one on the background.
            prev_mask: (H, W) bool, or float probabilities in [0, 1], to start from instead of the last prediction.
                From then on a click changes the mask only in the region that it points at, and never against its sign
                ("Progressive Merge").

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
        (session,) = self.run([session.with_click(*clicks)])
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
            raise RuntimeError("There is nothing to undo: no clicks were made on this image.")
        self._of_image.undo()
        return self._mask_and_probs()

    def reset(self) -> None:
        """Forget all clicks and keep the image.

        Raises:
            RuntimeError: no image was set.
        """
        self._of_image.clear()

    def _mask_and_probs(self) -> tuple[np.ndarray, np.ndarray]:
        return self.session.mask(self.threshold).copy(), self.session.probs.copy()
