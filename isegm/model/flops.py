"""Complexity of a network: multiply-accumulates (MACs) and parameters.

One MAC is one multiplication and one addition; papers that say FLOPs mean 2 x MACs or, many of them, MACs. Counted are
convolutions, matrix products and attention in evaluation mode; not normalisation, activations and resizing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from isegm.model.click_model import ClickModel
from isegm.utils.errors import InputError

CLICKS = 3  # rows of clicks per polarity; of all networks only EMC-Click's need (a little) more MACs for more clicks


@dataclass(frozen=True)
class Complexity:
    """MACs of one image, and parameters.

    Attributes:
        size: (height, width) of the network's input in pixels.
        macs_encode: MACs that are done once for an object: of ``encode``, and of what ``decode`` leaves out from the
            second click on, where it corrects masks.
        macs_decode: MACs of ``decode`` at every click; the refiner's are not among them.
        macs_refine: MACs of the refiner on a crop of the same size, at every click; 0 where there is none.
        parameters: number of parameters, the refiner's included; buffers do not count.
    """

    size: tuple[int, int]
    macs_encode: int
    macs_decode: int
    macs_refine: int
    parameters: int

    @property
    def macs_coarse(self) -> int:
        """MACs of one image with one click without the refiner."""
        return self.macs_encode + self.macs_decode

    @property
    def macs(self) -> int:
        """MACs of one image with one click."""
        return self.macs_coarse + self.macs_refine


@torch.no_grad()
def count_complexity(model: ClickModel, size: tuple[int, int]) -> Complexity:
    """Count one forward pass of a batch of one, on the device of the network.

    Args:
        model: a network in eval mode.
        size: (height, width) of its input in pixels.

    Raises:
        InputError: the network runs from an ONNX file, of which PyTorch counts nothing.
    """
    if not model.runs_in_torch:
        raise InputError("operations of an ONNX file cannot be counted: give the .pth file of the network.")
    device = next(model.parameters()).device
    image = torch.zeros(1, 3, *size, device=device)
    points = torch.full((1, 2 * CLICKS, 3), -1.0, device=device)
    points[0, 0] = torch.tensor([size[0] // 2, size[1] // 2, 0.0])
    prev_mask = torch.zeros(1, 1, *size, device=device) if model.with_prev_mask else None
    with sdpa_kernel(SDPBackend.MATH):  # the counter does not know every fused attention
        with FlopCounterMode(display=False) as encoding:
            features = model.encode(image)
        with FlopCounterMode(display=False) as decoding:
            outputs = model.decode(features, points, prev_mask)
        repeating = decoding
        if model.corrects_masks:
            with FlopCounterMode(display=False) as repeating:
                model.decode(features, points, prev_mask, outputs["cache"])
        with FlopCounterMode(display=False) as refining:
            if model.has_refiner:
                whole = torch.tensor([[0.0, 0.0, 0.0, size[1], size[0]]], device=device)
                model.refine(image, points, outputs["feature"], outputs["instances"], whole)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    encode, first, decode, refine = (
        counter.get_total_flops() // 2 for counter in (encoding, decoding, repeating, refining)
    )
    return Complexity(size, encode + first - decode, decode, refine, parameters)
