"""What a training run is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from isegm.engine.schedule import Schedule
from isegm.engine.tasks import TrainingTask


@dataclass
class RunConfig:
    """Where and how a run happens, and what it starts from.

    Attributes:
        checkpoints, images, logs: folders.
        device: where the network trains.
        workers: processes that load data for each process that trains; 0 loads in that one.
        amp: "bf16" or "fp16" for autocast, None for float32.
        seed: of weights, samples and simulated clicks.
        save_every: steps between two writes of ``last_checkpoint.pth`` within an epoch; 0 writes it at epoch ends only.
        resume: checkpoint of a run to go on with.
        start_epoch: epoch to start at; needed where ``resume`` holds weights without a training state.
        init_from: checkpoint whose weights to start from.
        lr: base learning rate instead of the plan's; None takes the plan's.
        clip_norm: likewise the largest norm of the gradient.
        accumulate: batches whose gradients, each divided by this number, make one optimiser step; at the end of an
            epoch fewer may be left. Together they are one batch, and get the same number of simulated clicks.
        sync_batchnorm: BatchNorm normalises by the statistics of all processes together, else each by its own.
        compile: compile the network with ``torch.compile``.
    """

    checkpoints: Path
    images: Path
    logs: Path
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    workers: int = 4
    amp: str | None = None
    seed: int = 0
    save_every: int = 500
    resume: Path | None = None
    start_epoch: int | None = None
    init_from: Path | None = None
    lr: float | None = None
    clip_norm: float | None = None
    accumulate: int = 1
    sync_batchnorm: bool = False
    compile: bool = False


@dataclass
class TrainConfig:
    """What is learnt.

    Attributes:
        task: how a batch becomes losses.
        batch_size: samples per step, all processes' together.
        epochs: number of passes over the training set.
        schedule: factor of the learning rate over time.
        lr: base learning rate of Adam.
        lr_multipliers: factor of it by parameter name, 1 where a name is absent; None takes the network's own.
        clip_norm: largest norm of the gradient; None for no clipping.
        freeze_batchnorm: BatchNorm keeps its statistics, so that the network trains as it will predict.
        precise_bn_batches: at the end of an epoch BatchNorm's statistics are measured over so many of its batches, see
            ``isegm.engine.batchnorm``; 0 leaves the running averages of training, as published.
        interleaved_batches: so many batches are trained one click each in turn. A batch's next click right after its
            last one is seen by a network that has just learnt these very objects, at high learning rates by heart: it
            gets better previous masks, and needs its clicks less, than in use.
        checkpoint_interval: epochs between two numbered checkpoints, or (from epoch, interval) pairs.
        image_dump_interval: steps between two images of a training sample; 0 for none.
    """

    task: TrainingTask
    batch_size: int
    epochs: int
    schedule: Schedule
    lr: float = 5e-4
    lr_multipliers: Mapping[str, float] | None = None
    clip_norm: float | None = None
    freeze_batchnorm: bool = False
    precise_bn_batches: int = 0
    interleaved_batches: int = 1
    checkpoint_interval: int | Sequence[tuple[int, int]] = 5
    image_dump_interval: int = 1000
