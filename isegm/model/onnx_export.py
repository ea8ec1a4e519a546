"""Networks as ONNX graphs: from image, previous mask and clicks to logits, with the click maps drawn inside.

Graphs are made by PyTorch's TorchScript exporter: it takes a second where the newer one takes a minute for a network
whose height and width stay open, and all versions of PyTorch from 2.6 on have it. A trace writes numbers that Python
computes from shapes as constants; ``_OpenSizes`` writes what would be fixed so in another way.
"""

from __future__ import annotations

import copy
import io
import json
import warnings
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from isegm.clicks import UNUSED
from isegm.model.click_model import ClickModel
from isegm.model.inference_form import in_inference_form
from isegm.model.onnx_network import CHECKPOINT_KEY, CONFIG_KEY, FORMAT, FORMAT_KEY, OUTPUT, onnx_library
from isegm.utils.errors import InputError

OPSET = 17
TRACED = (97, 161)  # (H, W) of the image in a trace, odd so that no resizing to multiples is left out
TRACED_BATCH, TRACED_CLICKS = 3, 5  # of each sign
MOST_BYTES = 2_000_000_000  # of weights: a file of ONNX has at most 2 GiB
AXES = {"image": ("B", 3, "H", "W"), "prev_mask": ("B", 1, "H", "W"), "points": ("B", "2N", 3)}


def check_exportable(network: ClickModel) -> None:
    """Check that a network is one function of image, previous mask and clicks.

    Raises:
        InputError: it keeps features from click to click, reads strokes, or is an ONNX file already.
    """
    name = type(network).__name__
    if not network.runs_in_torch:
        raise InputError("this network runs from an ONNX file: export the .pth file that it was made from.")
    if network.encodes_once or network.corrects_masks:
        raise InputError(
            f"{name} keeps features of an image from click to click, which one ONNX graph cannot: take a network that "
            "reads clicks with the image, such as one of RITM, ClickSEG or SimpleClick."
        )
    if network.reads_strokes:
        raise InputError(
            f"{name} reads strokes, for which the ONNX file has no input: load it with load_model(path, strokes=False) "
            "and call isegm.inference.onnx_files.export_onnx, so that boxes and scribbles become clicks."
        )
    if sum(weight.numel() * weight.element_size() for weight in network.parameters()) > MOST_BYTES:
        raise InputError(f"{name} has more than 2 GB of weights, which an ONNX file cannot hold: take a smaller one.")


def onnx_graph(network: ClickModel, checkpoint_sha256: str, size: tuple[int, int] | None = None) -> bytes:
    """Write a network as an ONNX file in memory, with BatchNorm folded.

    Args:
        network: see ``check_exportable``; it stays as it is.
        checkpoint_sha256: checksum of its checkpoint, for the file's metadata.
        size: (H, W) that the graph reads alone; None for any.

    Returns:
        the file, for ``OnnxNetwork`` and other programs.

    Raises:
        InputError: the network cannot be exported, or onnx is not installed.
    """
    onnx = onnx_library("onnx")
    check_exportable(network)
    assert network.config is not None  # of every network that build_model made
    # A copy, as a trace leaves its own values in what networks keep, such as positional embeddings.
    graph = _Graph(copy.deepcopy(in_inference_form(network.eval()).cpu())).eval().requires_grad_(False)
    inputs = example(network, TRACED_BATCH, size or TRACED, TRACED_CLICKS)
    names = [name for name in AXES if name in inputs]
    open_axes = {
        name: {i: axis for i, axis in enumerate(AXES[name]) if isinstance(axis, str) and not (size and axis in "HW")}
        for name in names
    }
    file: Any = io.BytesIO()  # which the exporter takes, unlike what its types say
    try:
        with warnings.catch_warnings(), torch.no_grad(), _OpenSizes():
            warnings.simplefilter("ignore")  # of constants in the trace, which the check of the file finds if wrong
            torch.onnx.export(
                graph,
                tuple(inputs[name] for name in names),
                file,
                input_names=names,
                output_names=[OUTPUT],
                dynamic_axes={**open_axes, OUTPUT: open_axes["image"]},
                opset_version=OPSET,
                dynamo=False,
            )
    except (RuntimeError, TypeError, ValueError) as error:  # PyTorch's exporter raises many types below these
        reason = str(error).partition("\n")[0][:200]
        raise InputError(
            f"{type(network).__name__} cannot be written as an ONNX graph ({reason}): give --size to fix the size of "
            "its input, or take another network."
        ) from error
    model = onnx.load_from_string(file.getvalue())
    sides: Sequence[str | int] = size or ("H", "W")
    for dimension, axis in zip(model.graph.output[0].type.tensor_type.shape.dim, ("B", 1, *sides), strict=True):
        dimension.Clear()
        setattr(dimension, "dim_param" if isinstance(axis, str) else "dim_value", axis)
    config = json.dumps(network.config, sort_keys=True)
    return with_metadata(model, {FORMAT_KEY: FORMAT, CONFIG_KEY: config, CHECKPOINT_KEY: checkpoint_sha256})


def with_metadata(model: Any, entries: dict[str, str]) -> bytes:
    """Return an ONNX model as the bytes of a file with the entries as its metadata."""
    onnx_library("onnx").helper.set_model_props(model, entries)
    content: bytes = model.SerializeToString()
    return content


def example(network: ClickModel, batch: int, size: tuple[int, int], clicks: int) -> dict[str, Tensor]:
    """Random inputs of a graph by name, float32: image and, where the network reads it, mask; clicks on its pixels.

    Args:
        network: whose inputs they are.
        batch: number of rows.
        size: (H, W) in pixels.
        clicks: of each sign, half of which are unused rows.
    """
    generator = torch.Generator().manual_seed(batch * clicks)
    points = torch.rand(batch, 2 * clicks, 3, generator=generator) * torch.tensor([*size, clicks])
    points[..., 2] = points[..., 2].floor()
    points[:, 1::2] = UNUSED
    inputs = {"image": torch.rand(batch, 3, *size, generator=generator), "points": points}
    if network.with_prev_mask:
        inputs["prev_mask"] = torch.rand(batch, 1, *size, generator=generator)
    return inputs


class _Graph(nn.Module):
    """A network as a function of the inputs in ``AXES``, in that order."""

    def __init__(self, network: ClickModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, *given: Tensor) -> Tensor:
        """Return logits (B, 1, H, W)."""
        *prev_mask, points = given
        outputs = self.network.decode(self.network.encode(image), points, prev_mask[0] if prev_mask else None)
        logits: Tensor = outputs["instances"]
        return logits


class _OpenSizes(TorchFunctionMode):
    """Replaces operations whose sizes PyTorch's exporter would fix, or does not know for open ones, by others."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.unflatten:
            return _unflattened(*args, **(kwargs or {}))
        if func is F.adaptive_avg_pool2d and not (kwargs or args[1] in (1, (1, 1), [1, 1])):
            return _pooled(*args)
        return func(*args, **(kwargs or {}))


def _unflattened(x: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """See ``Tensor.unflatten``."""
    dim = dim % x.ndim
    return x.reshape(*x.shape[:dim], *sizes, *x.shape[dim + 1 :])


def _pooled(x: Tensor, output_size: int | Sequence[int | None]) -> Tensor:
    """See ``F.adaptive_avg_pool2d``: the mean of each cell of a grid, whose cells may share a row or a column."""
    rows, columns = (output_size, output_size) if isinstance(output_size, int) else output_size
    assert rows is not None and columns is not None
    bands = [_part(x, 2, i, rows) for i in range(rows)]
    cells = [[_part(band, 3, j, columns).mean(dim=(2, 3), keepdim=True) for j in range(columns)] for band in bands]
    return torch.cat([torch.cat(row, dim=3) for row in cells], dim=2)


def _part(x: Tensor, dim: int, index: int, count: int) -> Tensor:
    """One of ``count`` parts of a dimension, from the rounded down to the rounded up end."""
    side = x.shape[dim]
    start, end = side * index // count, (side * (index + 1) + count - 1) // count
    return x[:, :, start:end] if dim == 2 else x[:, :, :, start:end]
