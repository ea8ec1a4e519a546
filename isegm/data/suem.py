"""CFR-ICL's copy-paste of objects between augmented views, and mixing of views (Sun et al. 2024, "SUEM")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from isegm.data.points_sampler import MultiPointSampler, Target
from isegm.data.sample import IGNORE, DSample
from isegm.utils.inputs import CheckedFields

OWN_SHARE = (0.5, 1.0)  # of the view's own object or image where two are blended
OBJECT, IGNORED = 1, 2  # ids in the masks of samples that are made here
MIN_VISIBLE = 20  # an object keeps more pixels than this when another one is pasted over it
TRIES = 5  # foreign objects that are tried for that


@dataclass(frozen=True)
class SuemCopyPaste(CheckedFields):
    """Combine an augmented view with others of the same size, in up to three steps, each by its own probability.

    1. Simple: an object of the view is blended onto another view, and is its only object.
    2. An object of another view is combined with one of this view, which becomes its only object. In exclusion the
       foreign object is pasted over it and hides it; in union it is pasted and belongs to it; in mixed it is blended in
       without a change of the mask. Each is as likely.
    3. Mixing: the whole image is blended with that of another view.

    Blending gives the view's own object or image a share that is uniform from 0.5 to 1
    (docs/fidelity.md#suem-copy-paste).

    Args:
        paste_prob: probability of step 1, and of step 2.
        mix_prob: probability of step 3.
    """

    paste_prob: float = 0.5
    mix_prob: float = 0.5

    def __call__(
        self, view: DSample, another: Callable[[], DSample], sampler: MultiPointSampler, rng: np.random.Generator
    ) -> DSample:
        """Return the view after the three steps; one without objects takes the last step only.

        Args:
            view: an augmented sample.
            another: draws another one of the same size.
            sampler: chooses the object of the view, or several that are merged into one.
            rng: random numbers.
        """
        if view.objects and rng.random() < self.paste_prob:
            chosen = sampler.select(view, rng).mask == 1
            ground = another().image
            image = np.where(chosen[..., None], _blended(view.image, ground, rng), ground)
            view = DSample.flat(image, np.where(chosen, OBJECT, 0), [OBJECT], sample_id=view.sample_id)
        if view.objects and rng.random() < self.paste_prob:
            view = self._with_foreign_object(view, another, sampler, rng)
        if rng.random() < self.mix_prob:
            view = replace(view, image=_blended(view.image, another().image, rng))
        return view

    @staticmethod
    def _with_foreign_object(
        view: DSample, another: Callable[[], DSample], sampler: MultiPointSampler, rng: np.random.Generator
    ) -> DSample:
        """Combine an object of the view with a foreign one; return the view as it is if each of some would hide it."""
        target = sampler.select(view, rng)
        for _ in range(TRIES):
            other = another()
            foreign = sampler.select(other, rng).mask == 1
            if not foreign.any() or ((target.mask == 1) & ~foreign).sum() <= MIN_VISIBLE:
                continue
            mode = int(rng.integers(3))
            if mode == 2:
                image = np.where(foreign[..., None], _blended(view.image, other.image, rng), view.image)
                return _only(target, view, image)
            image = np.where(foreign[..., None], other.image, view.image)
            mask = np.where(foreign, mode, target.mask)  # 0: exclusion, 1: union
            return _only(replace(target, mask=mask), view, image)
        return view


def _blended(own: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blend two images (H, W, 3) uint8; the share of ``own`` is random."""
    share = rng.uniform(*OWN_SHARE)
    return cv2.addWeighted(own, share, other, 1 - share, 0)


def _only(target: Target, view: DSample, image: np.ndarray) -> DSample:
    """Return a sample with a target as its only object."""
    masks = np.where(target.mask == IGNORE, IGNORED, target.mask)
    return DSample.flat(image, masks, [OBJECT], [IGNORED], sample_id=view.sample_id)
