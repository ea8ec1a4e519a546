"""Networks that are measured, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import torch

from isegm.benchmarks.published_layouts import in_published_layout
from isegm.inference.protocols import InferenceSettings, usual_settings
from isegm.model.checkpoint import load_model
from isegm.model.click_model import ClickModel
from isegm.model.registry import build_model
from isegm.utils.errors import InputError
from isegm.utils.memory import keep_freed_memory
from isegm.utils.plugins import load_plugin


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What to measure of a network.

    Attributes:
        network: registered name, with random weights; None with a ``checkpoint``.
        checkpoint: path of a click model's file; None with a ``network``.
        device: see ``usable_device``.
        threads: see ``set_threads``.
        plugins: modules that register networks, see ``load_plugin``.
        plain: put the network into the published layout, and give freed memory back to the system, as the published
            code does; see ``isegm.benchmarks.published_layouts``.
        compiled: compile the network, where it is not ``plain``.
    """

    network: str | None
    checkpoint: str | None
    device: str
    threads: int | None
    plugins: Sequence[str] = ()
    plain: bool = False
    compiled: bool = False

    @property
    def name(self) -> str:
        """Shown to people: the registered name, or the stem of the checkpoint."""
        return str(self.network) if self.checkpoint is None else Path(self.checkpoint).stem

    def prepare(self) -> None:
        """Prepare the process that measures."""
        if not self.plain:
            keep_freed_memory()
        for plugin in self.plugins:
            load_plugin(plugin)

    def built(self) -> ClickModel:
        """Return the network.

        Raises:
            InputError: there is no such network, or its file cannot be loaded.
        """
        if self.checkpoint is None:
            torch.manual_seed(0)
            model = build_model(str(self.network)).eval()
        else:
            model = load_model(self.checkpoint, self.device)
        return in_published_layout(model) if self.plain else model

    def settings(self, model: ClickModel) -> InferenceSettings:
        """Return those of the network's protocol."""
        return replace(usual_settings(model.protocol), compiled=(self.compiled and not self.plain) or None)


Wanted = TypeVar("Wanted", bound=Measurement)
Result = TypeVar("Result")


def measured_apart(measured: Callable[[Wanted], Result], wanted: Wanted) -> Result:
    """Measure in a new process, so that neither times nor memory depend on what ran before.

    Args:
        measured: a function of a module, which measures in the process that calls it.
        wanted: its argument.

    Raises:
        InputError: that of ``measured``; or the process is killed, such as for lack of memory.
    """
    with ProcessPoolExecutor(
        max_workers=1, mp_context=get_context("spawn"), initializer=type(wanted).prepare, initargs=(wanted,)
    ) as pool:
        try:
            return pool.submit(measured, wanted).result()
        except BrokenProcessPool:
            raise InputError(
                f"{wanted.name} could not be measured, as its process was ended: look whether there is enough memory, "
                "and measure something smaller."
            ) from None


def wait_for(device: torch.device) -> None:
    """Wait until a device has done its work."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
