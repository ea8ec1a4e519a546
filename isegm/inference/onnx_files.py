"""ONNX files of networks: written once they agree with PyTorch over a sequence of clicks, in float32 or 8 bits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from isegm.data import SamplesDataset
from isegm.inference.onnx_clicks import Pass, clicked, settings_at
from isegm.model.click_model import ClickModel
from isegm.model.onnx_export import check_exportable, example, onnx_graph
from isegm.model.onnx_network import ENDING, OnnxNetwork
from isegm.model.onnx_quantization import quantized
from isegm.utils.errors import InputError
from isegm.utils.files import atomic_write
from isegm.utils.text_values import as_path

CLICKS = 10  # of the sequence that a file is checked with
CALIBRATION_CLICKS = 3  # on each object
SAMPLE = 2  # of the Samples set: the cat
SIZES = ((101, 77), (192, 256))  # (H, W) of further inputs of files that read any
VISIBLE = 0.01  # of probabilities
MOST_VISIBLE = 0.001  # of pixels whose probabilities differ by more than that


@dataclass(frozen=True)
class ExportReport:
    """What the check of a written file found.

    Attributes:
        path: the file.
        size: (H, W) that it reads; None for any.
        clicks: length of the sequence of clicks.
        difference: largest of probabilities, of the float32 graph from PyTorch.
        iou: mean IoU of the 8-bit graph's masks and PyTorch's over the clicks; None in float32.
    """

    path: Path
    size: tuple[int, int] | None
    clicks: int
    difference: float
    iou: float | None


def export_onnx(
    network: ClickModel,
    path: str | Path,
    checkpoint_sha256: str = "",
    size: tuple[int, int] | None = None,
    calibration: Iterable[tuple[np.ndarray, np.ndarray]] | None = None,
) -> ExportReport:
    """Write a network as an ONNX file, once it agrees with PyTorch over simulated clicks on a sample image.

    Args:
        network: on the CPU, see ``check_exportable``; it stays as it is.
        path: the file, whose name ends in ``.onnx``; it appears whole or not at all.
        checkpoint_sha256: checksum of the network's checkpoint, for the metadata.
        size: (H, W) of the images that the file is to read; None for any, or for those of its protocol where the
            network needs multiples of a number of pixels.
        calibration: images (H, W, 3) uint8 RGB with masks (H, W) of one object, 1 there, on which clicks are simulated
            to find the ranges of an 8-bit file; None for float32.

    Raises:
        InputError: the network cannot be exported or does not read the size, the graph differs from PyTorch, a library
            is missing, or the file cannot be written.
    """
    path = as_path(path, "the path of an ONNX file")
    if path.suffix.lower() != ENDING:
        raise InputError(f"{path} would not be found as an ONNX file: end its name in {ENDING}.")
    check_exportable(network)
    if size is None and network.input_multiple > 1:
        size = settings_at(network, None).input_size
    settings_at(network, size).check(network)
    with atomic_write(path) as file:
        content = onnx_graph(network, checkpoint_sha256, size)
        sequence = list(clicked(network, [_sample()], CLICKS, size))
        difference = _checked(network, OnnxNetwork(content, path), sequence, size)
        iou = None
        if calibration is not None:
            content = quantized(content, _arrays(clicked(network, calibration, CALIBRATION_CLICKS, size)))
            iou = _agreement(OnnxNetwork(content, path), sequence)
        file.write(content)
    return ExportReport(path, size, CLICKS, difference, iou)


def _sample() -> tuple[np.ndarray, np.ndarray]:
    sample = SamplesDataset().get_sample(SAMPLE)
    return sample.image, sample.get_object_mask(sample.objects_ids[0])


def _arrays(passes: Iterable[Pass]) -> Iterator[dict[str, np.ndarray]]:
    return ({name: value.numpy() for name, value in one.inputs.items()} for one in passes)


def _run(network: ClickModel, inputs: Mapping[str, Tensor]) -> Tensor:
    with torch.no_grad():
        features = network.encode(inputs["image"])
        logits: Tensor = network.decode(features, inputs["points"], inputs.get("prev_mask"))["instances"]
    return logits


def _checked(
    network: ClickModel, exported: OnnxNetwork, sequence: Sequence[Pass], size: tuple[int, int] | None
) -> float:
    """Return the largest difference of probabilities between a graph and PyTorch.

    Raises:
        InputError: more than a thousandth of an output's pixels differ visibly, or the graph does not run.
    """
    sides = SIZES if size is None else (size,)
    others = [example(network, rows, side, clicks) for rows, side, clicks in zip((1, 2), sides, (1, 7), strict=False)]
    passes = [*sequence, *(Pass(inputs, _run(network, inputs)) for inputs in others)]
    largest = 0.0
    for one in passes:
        height, width = one.logits.shape[2:]
        at = f"{height} x {width} pixels"
        try:
            differences = (_run(exported, one.inputs).sigmoid() - one.logits.sigmoid()).abs()
        except InputError as error:  # shapes in the graph do not fit
            raise _differs(network, f"fails on images of {at}") from error
        if not (differences > VISIBLE).float().mean() <= MOST_VISIBLE:
            raise _differs(network, f"differs by {differences.max():.3g} in its probabilities on images of {at}")
        largest = max(largest, float(differences.max()))
    return largest


def _differs(network: ClickModel, how: str) -> InputError:
    return InputError(
        f"the ONNX graph of {type(network).__name__} {how}, so that nothing was written: give --size to fix the size "
        "of its input, or take another network."
    )


def _agreement(exported: OnnxNetwork, sequence: Sequence[Pass]) -> float:
    """Return the mean IoU of a graph's masks, where the probability is above one half, and PyTorch's."""
    ious = []
    for one in sequence:
        ours, theirs = _run(exported, one.inputs) > 0, one.logits > 0
        union = int((ours | theirs).sum())
        ious.append(int((ours & theirs).sum()) / union if union else 1.0)
    return float(np.mean(ious))
