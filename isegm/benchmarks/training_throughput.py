"""Sample-updates per second of training on the device's images and through the data loader."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from torch import Tensor

from isegm.benchmarks.made_up import MadeUpDataset
from isegm.data.on_device.train_set import DeviceTrainSet
from isegm.data.sample import DSample
from isegm.data.train_set import CopyPaste, TrainSet
from isegm.engine.loading import default_workers, load_epoch
from isegm.engine.random import BatchRNG
from isegm.engine.tasks import Batch, IterativeClicks, Losses, run_all_steps
from isegm.engine.training_step import TrainingStep
from isegm.model.compilation import compile_network
from isegm.model.recomputation import set_recomputation
from isegm.model.registry import build_model
from isegm.recipes import light

IMAGES, IMAGE_SIZE = 64, (384, 512)  # drawn images, (H, W) in pixels
CLICKS = 3  # simulated clicks of a batch at most, each of which is trained
MIN_AREA = 300
READ_AHEAD = 2  # batches that each process of PyTorch's data loader has ready


class DrawnImages(MadeUpDataset):
    """Images in memory."""

    def __init__(self) -> None:
        super().__init__(IMAGES, IMAGE_SIZE, objects=2)
        self.samples = [super(DrawnImages, self).get_sample(index) for index in range(IMAGES)]

    def get_sample(self, index: int) -> DSample:
        """Return the image ``index``."""
        return self.samples[index]


def updates_per_second(
    device: torch.device,
    on_device: bool,
    side: int,
    batch_size: int,
    batches: int,
    amp: torch.dtype | None = None,
    with_network: bool = True,
    compiled: bool = False,
) -> float:
    """Measure training of the MobileNetV2 baseline on drawn images.

    The first batches do not count: one, and those that processes of the data loader may have read in the meantime. Nor
    do some behind the last one: without them these processes would have little left to do while the clock runs.

    Args:
        device: that trains.
        on_device: images, augmentation and clicks there; else by the data loader, with as many processes as by default.
        side: of the crops, in pixels.
        batch_size: samples.
        batches: how many are measured, or a few more: a multiple of the processes, which hand theirs over in turn. Each
            is trained two to four times, a click more each time.
        amp: dtype of autocast; None for float32.
        with_network: train the network; else only make samples and click on the errors of noise.
        compiled: compile it.

    Returns:
        sample-updates per second.
    """
    workers = default_workers()
    ahead = READ_AHEAD * workers
    uncounted, counted = 1 + ahead, batches + -batches % workers
    length = (uncounted + counted + ahead) * batch_size
    loaded = TrainSet(
        DrawnImages(),
        light.views((side, side))[0],
        light.SAMPLER,
        epoch_len=length,
        min_object_area=MIN_AREA,
        copy_paste=CopyPaste(),
    )
    samples = DeviceTrainSet(loaded, device, max(IMAGE_SIZE)) if on_device else loaded
    task = IterativeClicks(light.losses(aux=0.4), CLICKS, train_every_click=True, on_device=on_device)
    model = build_model("clickseg_mobilenetv2").to(device).to(memory_format=torch.channels_last).train()
    step, optimizer = TrainingStep(model, task), torch.optim.Adam(model.parameters(), lr=1e-4)
    if compiled:
        compile_network(model, device)
    set_recomputation(model, device.type == "cpu" and batch_size * side * side > light.RECOMPUTE_ABOVE)
    noise = torch.randn(batch_size, 1, side, side, device=device)

    def forward(batch: Batch, prev_mask: Tensor, points: Tensor) -> tuple[Losses, Tensor]:
        if not with_network:
            return {}, noise
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, amp, enabled=amp is not None):
            losses, logits = step(batch, prev_mask, points)
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        return losses, logits

    parts, read = load_epoch(samples, batch_size, 0, 0, 0, True, workers, device)
    updates, started, seconds = 0, 0.0, 0.0
    for number, (batch, first) in enumerate(zip(read, parts.starts, strict=True)):
        begun = task.begin(model, batch, BatchRNG(0, number, first=first, count=batch_size))
        run_all_steps(begun, forward)
        updates += batch_size * begun.number_of_steps
        if number + 1 == uncounted:
            updates, started = 0, _now(device)
        if number + 1 == uncounted + counted:
            seconds = _now(device) - started
            break
    return updates / seconds


def throughput_lines(device: torch.device) -> Iterator[str]:
    """Time training through the data loader against training on images, augmentation and clicks on the device.

    On CUDA with a recipe's numbers, 320 pixels and batches of 96 in bfloat16, and compiled too; on others in small.
    """
    on_cuda = device.type == "cuda"
    amp = torch.bfloat16 if on_cuda else None
    side, batch_size, batches = (320, 96, 12) if on_cuda else (192, 16, 6)
    yield f"sample-updates per second, MobileNetV2, {side}x{side}, batches of {batch_size}; loader, and on {device}"
    kinds = [("training", True, False), ("samples and clicks alone", False, False)]
    kinds += [("training, compiled", True, True)] if on_cuda else []
    for name, with_network, compiled in kinds:
        loader, ours = (
            updates_per_second(device, on_device, side, batch_size, batches, amp, with_network, compiled)
            for on_device in (False, True)
        )
        yield f"{name:<28} loader {loader:8.1f}   here {ours:8.1f}   {ours / loader:6.2f} x"


def _now(device: torch.device) -> float:
    """Return the time when the device has done what it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
