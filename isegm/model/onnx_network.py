"""A network in an ONNX file, run by ONNX Runtime: the same interface as one that PyTorch computes.

The file is one graph, see ``isegm.model.onnx_export``. Its metadata hold the registered name and the arguments of the
network, which tell its inference protocol; the weights are in the graph.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isegm.model.click_model import ClickModel
from isegm.model.registry import build_stored_model
from isegm.utils.device import meta_device
from isegm.utils.errors import InputError
from isegm.utils.lookup import is_file
from isegm.utils.schema import Fields, Plain, Table, Text, mismatch
from isegm.utils.text_values import as_path

ENDING = ".onnx"
FORMAT = "1"
FORMAT_KEY, CONFIG_KEY, CHECKPOINT_KEY = "isegm.format", "isegm.config", "isegm.checkpoint_sha256"
OUTPUT = "logits"
CONFIG = Fields({"model": Text(), "params": Table(Plain(10_000), keys=Text())})
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
ERRORS_ONLY = 3  # of the severities of ONNX Runtime's own log


def is_onnx(path: Path) -> bool:
    """Return whether a file is an ONNX file by its name."""
    return path.suffix.lower() == ENDING


def onnx_library(name: str) -> Any:
    """Import ``onnx``, ``onnxruntime`` or a module of theirs, which the installation may lack.

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"{name.partition('.')[0]} is not installed, which ONNX files need: run pip install 'isegm[onnx]'."
        ) from error


def load_onnx(path: str | Path) -> OnnxNetwork:
    """Load a file that ``isegm export`` wrote, to run on the CPU; ``to`` moves it.

    Raises:
        InputError: no such file; ONNX Runtime is not installed or cannot read it; or it is of another program.
    """
    path = as_path(path, "the path of an ONNX file")
    if not is_file(path):
        raise InputError(f"there is no ONNX file {path}: check the path, or make it with isegm export.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check its permissions and its disk.") from error
    return OnnxNetwork(content, path)


class OnnxNetwork(ClickModel):
    """A network that ONNX Runtime computes.

    Facts such as its protocol are those of the network that it was made from. FocalClick's refiner is not in the file,
    so that such a network is used by the protocol of ClickSEG's baselines, which crop in the same way.

    Args:
        content: of the file.
        name: of the file, for messages.

    Attributes:
        fixed_size: (H, W) of the images that it reads; None for any.
        metadata: of the file, by key.

    Raises:
        InputError: ONNX Runtime is not installed or cannot read it; or the file is of another program.
    """

    runs_in_torch = False

    def __init__(self, content: bytes, name: str | Path = "the ONNX file") -> None:
        session = _session(content, name, torch.device("cpu"))
        self.metadata: dict[str, str] = session.get_modelmeta().custom_metadata_map
        network = _described(self.metadata, name)
        super().__init__(with_prev_mask=network.with_prev_mask)
        self.name, self.config = str(name), network.config
        self.protocol = "clickseg" if network.has_refiner else network.protocol
        self.input_multiple, self.has_diffusion = network.input_multiple, network.has_diffusion
        self._network, self._content, self._session = [network], content, session  # a list hides it from PyTorch
        shapes = {given.name: given.shape for given in session.get_inputs()}
        wanted = {"image", "points"} | ({"prev_mask"} if self.with_prev_mask else set())
        if set(shapes) != wanted or [given.name for given in session.get_outputs()] != [OUTPUT]:
            raise InputError(f"{name} has other inputs than its metadata tell: export the network again.")
        height, width = shapes["image"][2:]
        self.fixed_size = (height, width) if isinstance(height, int) and isinstance(width, int) else None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> OnnxNetwork:
        """Move the network: another device needs another session.

        Raises:
            InputError: ONNX Runtime has no provider for the device.
        """
        device = fn(self._mean).device
        if device != self._mean.device:
            self._session = _session(self._content, self.name, device)
        super()._apply(fn, recurse)
        return self

    def check_size(self, size: Sequence[int]) -> None:
        if self.fixed_size is not None and tuple(size) != self.fixed_size:
            height, width = self.fixed_size
            raise InputError(
                f"{self.name} reads images of {height} x {width} pixels alone, not of {size[0]} x {size[1]}: export "
                f"the network with --size {size[0]},{size[1]}."
            )

    def encode(self, image: Tensor) -> dict[str, Tensor]:
        """Return the image as it is, which the graph normalises."""
        return {"image": image}

    def decode(
        self,
        features: Mapping[str, Tensor],
        points: Tensor,
        prev_mask: Tensor | None = None,
        cache: None = None,
        *,
        strokes: Tensor | None = None,
    ) -> dict[str, Any]:
        """Predict logits; see ``ClickModel``.

        Raises:
            InputError: the graph does not read images of this size.
        """
        image = features["image"]
        self.check_size(image.shape[2:])
        given = {"image": image, "points": points}
        if self.with_prev_mask:
            if prev_mask is None:
                raise ValueError(f"{type(self).__name__} needs prev_mask: zeros (B, 1, H, W) when there is none")
            given["prev_mask"] = prev_mask
        arrays = {name: np.ascontiguousarray(value.float().cpu().numpy()) for name, value in given.items()}
        try:
            (logits,) = self._session.run([OUTPUT], arrays)
        except Exception as error:  # the errors of ONNX Runtime have no class in common
            raise InputError(
                f"{self.name} cannot compute images of {image.shape[2]} x {image.shape[3]} pixels "
                f"({type(error).__name__}): export the network again with --size."
            ) from error
        return {"instances": torch.from_numpy(logits).to(image.device)}

    def diffuse(self, image: Tensor, logits: Tensor, points: Tensor) -> Tensor:
        """Diffuse a prediction, see ``ClickModel``: PyTorch does, as this needs no weights."""
        return self._network[0].diffuse(image, logits, points)


def _described(metadata: Mapping[str, str], name: str | Path) -> ClickModel:
    """Return the network that a file's metadata describe, without weights."""
    if metadata.get(FORMAT_KEY) is None:
        raise InputError(f"{name} is not an ONNX file of isegm: give one that isegm export wrote.")
    if metadata[FORMAT_KEY] != FORMAT:
        raise InputError(f"{name} is of a newer version of isegm: install that, or export the network again.")
    try:
        config = json.loads(metadata.get(CONFIG_KEY, ""))
    except (ValueError, RecursionError):
        config = None
    if mismatch(config, CONFIG) is not None:
        raise InputError(f"{name} has a configuration that names no network: it is damaged.")
    with meta_device():
        return build_stored_model(config["model"], config["params"], name).eval()


def _session(content: bytes, name: str | Path, device: torch.device) -> Any:
    """Return a session of ONNX Runtime on a device."""
    runtime = onnx_library("onnxruntime")
    providers: list[Any] = [CPU]
    if device.type == "cuda":
        providers = [(CUDA, {"device_id": device.index or 0}), CPU]
    elif device.type != "cpu":
        raise InputError(f"ONNX Runtime runs networks on the CPU and on NVIDIA's GPUs, not on {device}: give --cpu.")
    if device.type == "cuda" and CUDA not in runtime.get_available_providers():
        raise InputError("ONNX Runtime has no support for GPUs here: give --cpu, or install onnxruntime-gpu.")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = torch.get_num_threads(), ERRORS_ONLY
    try:
        session = runtime.InferenceSession(content, options, providers=providers)
    except Exception as error:  # the errors of ONNX Runtime have no class in common
        raise InputError(
            f"{name} cannot be run by ONNX Runtime ({type(error).__name__}): it is damaged, or is no ONNX file."
        ) from error
    if device.type == "cuda" and CUDA not in session.get_providers():  # it has fallen back to the CPU
        raise InputError(f"ONNX Runtime cannot use {device}: give --cpu, or install the CUDA that it needs.")
    return session
