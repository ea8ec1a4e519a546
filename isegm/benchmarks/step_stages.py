"""Where the time of a training step goes, by RITM's recipe with images read from disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from isegm.benchmarks.made_up import MadeUpDataset
from isegm.benchmarks.stopwatch import Stopwatch
from isegm.data.datasets.folder import FolderDataset
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.sample import DSample
from isegm.data.train_set import TrainSet
from isegm.engine.loading import load_epoch
from isegm.engine.random import BatchRNG
from isegm.engine.tasks import Batch, IterativeClicks, Losses, run_all_steps
from isegm.engine.training_step import TrainingStep
from isegm.model.registry import build_model
from isegm.recipes import ritm
from isegm.utils.files import write_image

IMAGES, IMAGE_SIZE, OBJECTS = 24, (480, 640), 15  # as COCO has them, (H, W) in pixels
SIZE = (320, 480)  # of the crops, as published
BATCH, BATCHES = 8, 4  # samples of a step, and how many steps are timed
DATA = ("reading", "augmentation", "points", "tensors")  # stages of the samples of a batch
CLICKS = "clicks"  # simulated on the predictions
PASSES = "passes without gradients"
TRAINING = ("forward", "backward", "optimizer")


def write_images(folder: Path) -> None:
    """Write JPEG images of many objects and PNG masks, for ``FolderDataset``."""
    for name in ("images", "masks"):
        (folder / name).mkdir()
    drawn = MadeUpDataset(IMAGES, IMAGE_SIZE, OBJECTS)
    for number in range(IMAGES):
        sample = drawn.get_sample(number)
        write_image(folder / "images" / f"{number}.jpg", sample.image)
        write_image(folder / "masks" / f"{number}.png", sample.encoded_masks[..., 0].astype(np.uint8))


def training_stages(network: str, batch_size: int, batches: int, device: torch.device) -> dict[str, float]:
    """Measure the seconds of each stage of a step, after one batch that does not count.

    Args:
        network: registered name of one of RITM's HRNets.
        batch_size: samples of a step.
        batches: how many are measured; each has up to three simulated clicks.
        device: that trains, in float32; samples are made in this process, one after another.
    """
    watch = Stopwatch(device)
    with TemporaryDirectory() as folder:
        write_images(Path(folder))
        reader = FolderDataset(folder)
        watch.time_methods(reader, "reading", "get_sample")
        samples = _TimedSamples(
            reader, ritm.folder_views(SIZE)[0], _timed_sampler(watch), epoch_len=(batches + 1) * batch_size,
            min_object_area=1000, keep_background_prob=0.05,
        )  # fmt: skip
        samples.watch = watch
        watch.time_methods(samples, "augmentation", "arrays")
        task = IterativeClicks(ritm.losses(aux=0.4), 3)
        model = build_model(network).to(device).to(memory_format=torch.channels_last).train()
        step, optimizer = TrainingStep(model, task), torch.optim.Adam(model.parameters(), lr=5e-4)

        def forward(batch: Batch, prev_mask: Tensor, points: Tensor) -> tuple[Losses, Tensor]:
            optimizer.zero_grad(set_to_none=True)
            with watch.stage("forward"):
                losses, logits = step(batch, prev_mask, points)
                total = torch.stack(list(losses.values())).sum()
            with watch.stage("backward"):
                total.backward()
            with watch.stage("optimizer"):
                optimizer.step()
            return losses, logits

        parts, read = load_epoch(samples, batch_size, 0, 0, 0, True, 0, device)
        for number, (batch, first) in enumerate(zip(read, parts.starts, strict=True)):
            with watch.stage(PASSES):
                steps = task.begin(model, batch, BatchRNG(0, number, first=first, count=batch_size))
                watch.time_methods(steps, CLICKS, "write_click")
                run_all_steps(steps, forward)
            if number == 0:
                watch.reset()
    return {name: seconds / batches for name, seconds in watch.seconds().items()}


class _TimedSamples(TrainSet):
    """Training samples whose conversion to tensors is timed; ``arrays`` is a stage of its own."""

    watch: Stopwatch

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        with self.watch.stage("tensors"):
            return super().__getitem__(index)


def _timed_sampler(watch: Stopwatch) -> MultiPointSampler:
    """RITM's sampler, timed; its settings, and so itself, cannot be changed."""

    class Timed(MultiPointSampler):
        def sample(self, sample: DSample, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
            with watch.stage("points"):
                return super().sample(sample, rng)

    return Timed(**vars(ritm.SAMPLER))


def stage_lines(seconds: Mapping[str, float]) -> list[str]:
    """Lay the stages of a step out for people, with their shares of it."""
    total = sum(seconds.values())
    lines = [
        f"  {name:<25} {1000 * seconds.get(name, 0):9.1f} ms {seconds.get(name, 0) / total:6.1%}"
        for name in (*DATA, CLICKS, PASSES, *TRAINING)
    ]
    light = sum(seconds.get(name, 0) for name in (*DATA, CLICKS)) / total
    return [*lines, f"  samples and clicks are {light:.1%} of a step of {total:.2f} s, all in one process"]


def step_lines(device: torch.device) -> Iterator[str]:
    """Tell where the time of a step of RITM's HRNet-18s goes."""
    height, width = SIZE
    yield f"a step of RITM's HRNet-18s, {height}x{width}, batches of {BATCH}, fp32, on {device}"
    yield from stage_lines(training_stages("ritm_hrnet18s", BATCH, BATCHES, device))
