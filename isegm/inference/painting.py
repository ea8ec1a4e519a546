"""How a prediction in the image follows from the network's small outputs, so that it can be computed again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from isegm.inference.transforms import View, resized
from isegm.utils.boxes import Box


@dataclass(frozen=True, eq=False)
class Pasted:
    """The network's output in its view, 0 elsewhere.

    Attributes:
        view: the part of the image that it fills.
        probs: (1, 1, h, w) probabilities at the size of the network's input.
    """

    view: View
    probs: Tensor

    def paint(self) -> Tensor:
        """The probabilities (1, 1, H, W) in the image, which may be ``probs`` itself."""
        return self.view.paste(self.probs)


@dataclass(frozen=True, eq=False)
class Patch:
    """Refined logits (1, 1, h, w) that replace the prediction in a box of the image."""

    box: Box
    logits: Tensor

    def paint_on(self, canvas: Tensor) -> None:
        """Write the probabilities to those of the image, (1, 1, H, W), in place."""
        self.box.crop(canvas).copy_(torch.sigmoid(resized(self.logits, self.box.size)))


@dataclass(frozen=True, eq=False)
class Painting:
    """A prediction that can be computed again, bit for bit.

    Attributes:
        base: what is painted first.
        patches: in the order of painting.
        binary: the prediction is 1 where the painted probability is above one half, else 0; the next crop is chosen
            from what was painted.
        probs: (1, 1, H, W), the prediction; None once it is packed.
    """

    base: Pasted
    patches: tuple[Patch, ...] = ()
    binary: bool = False
    probs: Tensor | None = None

    def paint(self) -> tuple[Tensor, Tensor]:
        """The prediction, and the probabilities from which the next crop is chosen: (1, 1, H, W) each."""
        canvas = self.base.paint()
        if self.patches and shares_memory(canvas, self.base.probs):
            canvas = canvas.clone()
        for patch in self.patches:
            patch.paint_on(canvas)
        return (binary(canvas) if self.binary else canvas), canvas

    def packed(self) -> Painting:
        """The painting without the prediction that it has painted."""
        return replace(self, probs=None)

    @property
    def size(self) -> int:
        """Number of values that are kept when it is packed."""
        return self.base.probs.numel() + sum(patch.logits.numel() for patch in self.patches)


def binary(probs: Tensor) -> Tensor:
    """1 where a probability is above one half, else 0."""
    return (probs > 0.5).float()


def shares_memory(one: Tensor, other: Tensor) -> bool:
    """Whether writing to one tensor may change the other."""
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()
