"""Memory and seconds of a network's passes, for one click or one training step, each in a process of its own.

As a script this module is that process: ``python -m isegm.benchmarks.pass_memory PASS NETWORK SIDE BATCH DTYPE
[THREADS]`` prints a ``PassCost`` as JSON.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import torch

from isegm.model.click_model import ClickModel
from isegm.model.losses import NormalizedFocalLoss
from isegm.model.recomputation import set_recomputation
from isegm.model.registry import build_model
from isegm.utils.device import meta_device
from isegm.utils.errors import InputError
from isegm.utils.log import printable
from isegm.utils.memory import peak_memory
from isegm.utils.quantities import in_bytes
from isegm.utils.threads import set_threads

CLICK, TRAINING, RECOMPUTED = "click", "training", "recomputed"
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
FIRST_SIDE = 112  # pixels of a small step that makes the gradients and the optimiser's moments


@dataclass(frozen=True)
class PassCost:
    """What a pass took.

    Attributes:
        peak: largest resident size of the process, in bytes.
        before: the same just before the pass: PyTorch, the weights and, in training, gradients and Adam's moments.
        seconds: of the pass.
    """

    peak: int
    before: int
    seconds: float

    @property
    def own(self) -> int:
        """Bytes of the pass itself: activations, and what its layers need for a moment."""
        return self.peak - self.before


def cost_of(kind: str, name: str, side: int, batch: int, dtype: str = "fp32", threads: int | None = None) -> PassCost:
    """Measure a pass through a network in a process of its own, on the CPU.

    Args:
        kind: CLICK, a forward pass; TRAINING, forward, backward and Adam's step; RECOMPUTED, the same with activation
            checkpointing.
        name: of the network, see ``build_model``.
        side: of the square input, in pixels.
        batch: samples.
        dtype: of weights and activations, one of ``DTYPES``; training is measured in "fp32".
        threads: see ``set_threads``.

    Raises:
        InputError: there is no such network, it cannot read such a side, or the process fails, such as for lack of
            memory.
    """
    with meta_device():
        build_model(name).check_size((side, side))
    command = [sys.executable, "-m", "isegm.benchmarks.pass_memory", kind, name, str(side), str(batch), dtype]
    command += [] if threads is None else [str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"{name} could not be measured: {(done.stderr.strip().splitlines() or ['killed'])[-1]}")
    return PassCost(**json.loads(done.stdout.splitlines()[-1]))


def memory_lines(name: str, side: int, batch: int, dtype: str, threads: int | None) -> Iterator[str]:
    """Tell the memory and the seconds of a click, and of a training step without and with activation checkpointing."""
    size = f"{side} x {side} pixels, batch {batch}, {dtype}"
    yield f"{printable(name)}, {size}; peak of the process, of that the pass, and its time"
    kinds = {CLICK: "click", TRAINING: "training step", RECOMPUTED: "the same, activation checkpointing"}
    for kind, words in kinds.items():
        if kind == CLICK or dtype == "fp32":
            cost = cost_of(kind, name, side, batch, dtype, threads)
            yield f"{words:<34} {in_bytes(cost.peak):>8} {in_bytes(cost.own):>8} {cost.seconds:8.1f} s"


@torch.no_grad()
def _built(name: str, dtype: torch.dtype) -> ClickModel:
    """Build a network in the memory of its weights in ``dtype``, which are the same in every run."""
    with meta_device():
        network = build_model(name).to(dtype)
    network = network.to_empty(device="cpu")
    torch.manual_seed(0)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter.normal_(std=1 / math.sqrt(parameter[0].numel()))
        else:
            parameter.fill_(0.5)
    for buffer in network.buffers():
        buffer.fill_(1)
    return network


def _inputs(network: ClickModel, batch: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """An image with an empty previous mask, where the network reads one, and one click for each sample."""
    points = torch.full((batch, 2, 3), -1.0)
    points[:, 0] = torch.tensor([side / 2, side / 2, 0.0])
    return torch.rand(batch, 4 if network.with_prev_mask else 3, side, side), points


def _click(network: ClickModel, side: int, batch: int, dtype: torch.dtype) -> PassCost:
    network.eval()
    image, points = _inputs(network, batch, side)
    before, started = peak_memory(), time.perf_counter()
    with torch.inference_mode(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        network(image, points)
    return PassCost(peak_memory(), before, time.perf_counter() - started)


def _training_step(network: ClickModel, side: int, batch: int) -> PassCost:
    network.train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-6)
    loss = NormalizedFocalLoss(0.5, 2)

    def step(side: int) -> PassCost:
        image, points = _inputs(network, batch, side)
        optimizer.zero_grad(set_to_none=False)
        before, started = peak_memory(), time.perf_counter()
        loss(network(image, points)["instances"], torch.ones(batch, 1, side, side)).mean().backward()
        optimizer.step()
        return PassCost(peak_memory(), before, time.perf_counter() - started)

    step(FIRST_SIDE)
    return step(side)


def _main(kind: str, name: str, side: str, batch: str, dtype: str, threads: str | None = None) -> None:
    set_threads(None if threads is None else int(threads))
    network = _built(name, DTYPES[dtype])
    set_recomputation(network, kind == RECOMPUTED)
    size = int(side), int(batch)
    cost = _click(network, *size, DTYPES[dtype]) if kind == CLICK else _training_step(network, *size)
    print(json.dumps(asdict(cost)))


if __name__ == "__main__":
    _main(*sys.argv[1:])
