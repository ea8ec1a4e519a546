"""The state of one image being clicked, as an immutable value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isegm.clicks import Click, require_inside
from isegm.inference.painting import Painting
from isegm.inference.transforms import View, ZoomState
from isegm.prompts import Prompt
from isegm.utils.boxes import Box, above
from isegm.utils.errors import InputError
from isegm.utils.inputs import described, plain_array, require
from isegm.utils.schema import Number


@dataclass(frozen=True, eq=False)
class Session:
    """One image, its clicks and the last prediction. A click makes a new session, so undo means keeping the older one.

    Sessions of the same image share its tensors. To begin a second object, use the session that ``Predictor.start``
    returned again: the image is then neither uploaded nor encoded again.

    Attributes:
        image: float (1, 3, H, W) RGB in 0..1, on the device.
        prev_probs: float (1, 1, H, W) probabilities, the last prediction or the mask to start from; zeros at first.
        clicks: in the order in which they were made, in pixels of the image; those that stand for prompts too.
        prompts: boxes, scribbles and polygons in the order in which they were drawn.
        prompt_clicks: number of ``clicks`` that stand for prompts.
        zoom: state of the crop rule.
        view: the part of the image that the network saw last.
        features: for networks that encode once, the return value of ``model.encode`` for ``view``: tensors of one row,
            or with flip of two, the second one flipped.
        cache: the ``cache`` of ``model.decode`` for the next click on ``view``; tensors likewise. A network must not
            write to it.
        refinement: state of the refinement, see ``isegm.inference.refinement``.
        merged: bool (H, W), in a session that started from a mask: that mask with the changes of the clicks, see
            ``isegm.inference.merge``. Do not write to it. None in other sessions.
        clicks_seen, prompts_seen: numbers of clicks and prompts that the network has seen.
        focus: FocalClick's focus crop of the last prediction, in pixels of the image; None where there was none.
        painting: how ``prev_probs`` follows from the network's output; None, or of other ``probs``, where it does not.
        passes: number of passes through the network so far; what fits a prediction to the clicks counts as one of them.
        computed_by: id of the network, and the flip, that ``features``, ``cache`` and ``refinement`` belong to.
    """

    image: Tensor
    prev_probs: Tensor
    clicks: tuple[Click, ...] = ()
    prompts: tuple[Prompt, ...] = ()
    prompt_clicks: int = 0
    zoom: ZoomState = field(default_factory=ZoomState)
    view: View | None = None
    features: Mapping[str, Any] | None = None
    cache: Any = None
    refinement: Any = None
    merged: np.ndarray | None = None
    clicks_seen: int = 0
    prompts_seen: int = 0
    focus: Box | None = None
    painting: Painting | None = None
    passes: int = 0
    computed_by: tuple[int, bool] | None = None

    @property
    def image_size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.image.shape[2], self.image.shape[3]

    @property
    def interactions(self) -> int:
        """How often somebody has clicked or drawn a prompt."""
        return len(self.clicks) - self.prompt_clicks + len(self.prompts)

    @property
    def probs(self) -> np.ndarray:
        """The last prediction as float32 (H, W) in [0, 1], read-only: on the CPU a view of ``prev_probs``."""
        probs = self.prev_probs[0, 0].detach().cpu().numpy()
        probs.flags.writeable = False
        return probs

    def mask(self, threshold: float) -> np.ndarray:
        """The visible mask, bool (H, W): ``merged`` if there is one, else ``probs`` above ``threshold``.

        Raises:
            InputError: the threshold is no number from 0 to 1.
        """
        require(threshold, Number(0, 1), "the mask threshold")
        return above(self.prev_probs[0, 0].detach(), threshold) if self.merged is None else self.merged

    def with_click(self, *clicks: Click) -> Session:
        """The session with clicks added that the network has not seen yet; they get their indices in the sequence.

        Raises:
            InputError: one lies outside the image.
        """
        require_inside(clicks, self.image_size)
        numbered = (replace(click, indx=index) for index, click in enumerate(clicks, start=len(self.clicks)))
        return replace(self, clicks=(*self.clicks, *numbered))

    def with_prompts(self, *prompts: Prompt, keep_mask: bool = False) -> Session:
        """The session with prompts added that the network has not seen yet, and the clicks that stand for them.

        A polygon becomes the mask that the network starts from, and of the present mask only what is inside a box
        stays, as of the next prediction; the next crop is the one around the last of both. Unlike the mask of
        ``with_prev_mask`` the next prediction replaces it.

        Args:
            prompts: in pixels of the image, see ``isegm.prompts.prompts_from_xy``.
            keep_mask: leave the mask as it is.
        """
        session = self
        for prompt in prompts:
            clicks = prompt.clicks(self.image_size)
            session = replace(
                session.with_click(*clicks),
                prompts=(*session.prompts, prompt),
                prompt_clicks=session.prompt_clicks + len(clicks),
            )
            inside = prompt.mask(self.image_size)
            if inside is None:
                continue
            area = self.mask_tensor(inside)
            session = replace(session, zoom=ZoomState(probs=area, outlined=True))
            if not keep_mask:
                session = replace(session, prev_probs=session.prev_probs * area if prompt.kind == "box" else area)
        return session

    @property
    def new_prompts(self) -> tuple[Prompt, ...]:
        """Those that the network has not seen yet."""
        return self.prompts[self.prompts_seen :]

    def within(self, prompts: Sequence[Prompt]) -> Session:
        """The session with nothing in its prediction outside the boxes among some prompts."""
        session = self
        for prompt in prompts:
            if prompt.kind == "box":
                area = self.mask_tensor(np.asarray(prompt.mask(self.image_size)))
                probs = session.zoom.probs
                zoom = replace(session.zoom, probs=None if probs is None else probs * area)
                session = replace(session, prev_probs=session.prev_probs * area, zoom=zoom, painting=None)
        return session

    def mask_tensor(self, mask: np.ndarray) -> Tensor:
        """A mask as float (1, 1, H, W) probabilities on the image's device.

        Args:
            mask: (H, W) bool, or float probabilities in [0, 1].

        Raises:
            InputError: the size is not that of the image, or a value lies outside [0, 1].
        """
        values = plain_array(mask, "the mask")
        if values.shape != self.image_size:
            raise InputError(
                f"the mask is {described(mask)} but the image is {self.image_size}: give an (H, W) mask of its size."
            )
        if not (values.min() >= 0 and values.max() <= 1):  # also refuses NaN
            raise InputError(
                "the mask must be bool or hold probabilities from 0 to 1, "
                f"not {values.min():g} to {values.max():g}: divide a 0/255 mask by 255."
            )
        return torch.from_numpy(values.astype(np.float32))[None, None].to(self.image.device)

    def with_prev_mask(self, mask: np.ndarray) -> Session:
        """The session with a mask in place of the last prediction; from now on clicks change the mask only around them.

        Before the first click the crop rule ignores the mask, as in published evaluations from initial masks; later
        the next crop is chosen around it. A network that reads no previous mask does not see it.

        Args:
            mask: see ``mask_tensor``; ``merged`` becomes the pixels above one half.

        Raises:
            InputError: see ``mask_tensor``.
        """
        probs = self.mask_tensor(mask)
        zoom = ZoomState(probs=probs if self.clicks else None)
        return replace(self, prev_probs=probs, zoom=zoom, merged=plain_array(mask, "the mask") > 0.5)

    def with_merged(self, merged: np.ndarray) -> Session:
        """The session with another mask to merge into, which the crop rule reads but the network does not.

        See docs/fidelity.md#merged-mask-not-read.
        """
        probs = self.mask_tensor(merged)
        return replace(self, merged=merged, zoom=replace(self.zoom, probs=probs))


def join_rows(trees: Sequence[Any]) -> Any:
    """Concatenate the tensors of several sessions, or dicts, lists and tuples of them, along the batch axis.

    Values that are no tensors are taken from the first. A tensor of one row that all sessions share, such as features
    of one image, is repeated without being copied; do not write to the result.
    """
    first = trees[0]
    if isinstance(first, Tensor):
        if len(first) == 1 and all(tree is first for tree in trees):
            return first.expand(len(trees), *first.shape[1:])
        return torch.cat(list(trees))
    if isinstance(first, Mapping):
        return {key: join_rows([tree[key] for tree in trees]) for key in first}
    if isinstance(first, (list, tuple)):
        return type(first)(join_rows(items) for items in zip(*trees, strict=True))
    return first


def take_rows(tree: Any, rows: Sequence[int]) -> Any:
    """The given rows of the batch axis of all tensors in a tree; the inverse of ``join_rows``."""
    if isinstance(tree, Tensor):
        return tree if list(rows) == list(range(len(tree))) else torch.cat([tree[row : row + 1] for row in rows])
    if isinstance(tree, Mapping):
        return {key: take_rows(value, rows) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(take_rows(value, rows) for value in tree)
    return tree
