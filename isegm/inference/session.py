"""Everything that belongs to one image being clicked, as one value that never changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isegm.clicks import Click
from isegm.inference.transforms import View, ZoomState
from isegm.utils.boxes import Box
from isegm.utils.errors import InputError


@dataclass(frozen=True, eq=False)
class Session:
    """One image, its clicks and the last answer. A click makes a new session, so undo is keeping the older one.

    Sessions of the same image share its tensors. A second object is begun from the session that ``Predictor.start``
    returned: the image is then neither uploaded nor encoded again.

    Attributes:
        image: float (1, 3, H, W) RGB in 0..1, on the device.
        prev_probs: float (1, 1, H, W) probabilities, the last answer or the mask to start from; zeros at first.
        clicks: in the order in which they were made, in pixels of the image.
        zoom: what the crop rule knows.
        view: what the network saw last.
        features: what ``model.encode`` returned for ``view``, for networks that encode once: tensors with the batch
            first, which is (straight, flipped) where the settings say flip.
        cache: what ``model.decode`` handed out to be handed back at the next click, for ``view``; tensors likewise.
            A network must not write into it.
        refinement: what a refinement strategy keeps from click to click, see ``isegm.inference.refinement``.
        merged: bool (H, W), in a session begun from a mask: that mask with the changes that clicks asked for, see
            ``isegm.inference.merge``. It is not to be written into. None in other sessions.
        clicks_seen: number of clicks that the network has seen.
        focus: FocalClick's focus crop of the last prediction, in pixels of the image; None where there was none.
    """

    image: Tensor
    prev_probs: Tensor
    clicks: tuple[Click, ...] = ()
    zoom: ZoomState = field(default_factory=ZoomState)
    view: View | None = None
    features: Mapping[str, Any] | None = None
    cache: Any = None
    refinement: Any = None
    merged: np.ndarray | None = None
    clicks_seen: int = 0
    focus: Box | None = None

    @property
    def image_size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.image.shape[2], self.image.shape[3]

    @property
    def probs(self) -> np.ndarray:
        """The last answer as float32 (H, W) in [0, 1], read-only: on the CPU it is the memory of ``prev_probs``."""
        probs = self.prev_probs[0, 0].detach().cpu().numpy()
        probs.flags.writeable = False
        return probs

    def mask(self, threshold: float) -> np.ndarray:
        """What people see, bool (H, W): ``merged`` where there is one, else where ``probs`` is above ``threshold``."""
        return self.probs > threshold if self.merged is None else self.merged

    def with_click(self, *clicks: Click) -> Session:
        """The session with clicks added, before the network has seen them. Their indices become their places."""
        numbered = (replace(click, indx=index) for index, click in enumerate(clicks, start=len(self.clicks)))
        return replace(self, clicks=(*self.clicks, *numbered))

    def mask_tensor(self, mask: np.ndarray) -> Tensor:
        """A mask as float (1, 1, H, W) probabilities on the image's device.

        Args:
            mask: (H, W) bool, or float probabilities in [0, 1].

        Raises:
            InputError: the size is not that of the image, or a value lies outside [0, 1].
        """
        values = np.asarray(mask)
        if values.shape != self.image_size:
            raise InputError(
                f"the mask is {values.shape} but the image is {self.image_size}: give an (H, W) mask of its size."
            )
        if values.dtype.kind not in "bfiu" or not (values.min() >= 0 and values.max() <= 1):
            raise InputError("the mask must be bool or hold probabilities from 0 to 1: divide a 0/255 mask by 255.")
        return torch.from_numpy(values.astype(np.float32))[None, None].to(self.image.device)

    def with_prev_mask(self, mask: np.ndarray) -> Session:
        """The session with a mask in place of the last answer; from now on clicks change it only where they point.

        Before the first click the crop rule does not look at the mask, as in published evaluations from initial masks.
        After it, the next crop is the one around the mask. A network that reads no previous mask does not see it.

        Args:
            mask: see ``mask_tensor``, which says what is raised too; ``merged`` becomes where it is above one half.
        """
        probs = self.mask_tensor(mask)
        zoom = ZoomState(probs=probs if self.clicks else None)
        return replace(self, prev_probs=probs, zoom=zoom, merged=np.asarray(mask) > 0.5)

    def with_merged(self, merged: np.ndarray) -> Session:
        """The session with another mask to merge into. The crop rule looks at it; the network does not ([KEEP] A1)."""
        probs = self.mask_tensor(merged)
        return replace(self, merged=merged, zoom=replace(self.zoom, probs=probs))


def join_rows(trees: Sequence[Any]) -> Any:
    """Concatenate what belongs to several sessions (tensors, or dicts, lists and tuples of them) along the batch axis.

    What is no tensor is taken from the first.
    """
    first = trees[0]
    if isinstance(first, Tensor):
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
