"""Configuration of a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import torch

from isegm.engine.loading import default_workers
from isegm.engine.schedule import Schedule
from isegm.engine.tasks import TrainingTask
from isegm.utils.errors import InputError
from isegm.utils.inputs import CALLABLE, CheckedFields, require_epochs
from isegm.utils.run_options import RUN_OPTIONS
from isegm.utils.schema import Instance, Items, Kind, Nothing, Number, Row, Table, Whole

DECAY = Number(above=0, most=1)  # of a running average
INTERVAL = Whole(1) | Items(Row(Whole(0), Whole(1)), least=1)


@dataclass
class RunConfig(CheckedFields):
    """Settings of one run: device, folders, precision, and the weights it starts from.

    Attributes:
        checkpoints, images, logs: folders that the run writes to.
        device: device of this process.
        workers: processes that load data for each training process; 0 loads in the training process itself.
        amp: "bf16" or "fp16" for autocast, None for float32.
        seed: seed of weights, samples and simulated clicks.
        save_every: steps between two writes of ``last_checkpoint.pth`` within an epoch, where batches that are trained
            in turn count by the share of their updates; 0 for no limit.
        save_seconds: seconds between two such writes; 0 for no limit.
        resume: checkpoint of the run to resume; None starts a new run.
        start_epoch: first epoch; needed where ``resume`` holds weights without a training state. A new run leaves out
            those before.
        init_from: checkpoint whose weights a new run starts from.
        lr: base learning rate; None takes that of ``TrainConfig``.
        clip_norm: largest norm of the gradient; None takes that of ``TrainConfig``.
        accumulate: batches whose gradients, each divided by this number, make one optimiser step; at the end of an
            epoch fewer may be left. Together they are one batch, and get the same number of simulated clicks.
        sync_batchnorm: normalise by the statistics of all processes' samples together (GPUs only); otherwise each
            process uses the statistics of its own samples.
        compile: compile the network with ``torch.compile``.
        minutes: after which the run writes its checkpoint and ends; None trains to the last epoch.
    """

    own_kinds: ClassVar[Mapping[str, Kind]] = {
        **{name: RUN_OPTIONS[name] for name in ("workers", "seed", "save_every", "save_seconds")},
        **{name: RUN_OPTIONS[name] | Nothing() for name in ("amp", "start_epoch", "lr")},
        "clip_norm": RUN_OPTIONS["clip_grad_norm"] | Nothing(),
        "accumulate": RUN_OPTIONS["accumulate_grad"],
        "minutes": RUN_OPTIONS["minutes"] | Nothing(),
    }

    checkpoints: Path
    images: Path
    logs: Path
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    workers: int = field(default_factory=default_workers)
    amp: str | None = None
    seed: int = 0
    save_every: int = 500
    save_seconds: float = 60.0
    resume: Path | None = None
    start_epoch: int | None = None
    init_from: Path | None = None
    lr: float | None = None
    clip_norm: float | None = None
    accumulate: int = 1
    sync_batchnorm: bool = False
    compile: bool = False
    minutes: float | None = None

    def applied_to(self, config: TrainConfig) -> TrainConfig:
        """Return what is learnt in this run: its learning rate and largest norm replace those of ``config``."""
        return replace(
            config,
            lr=config.lr if self.lr is None else self.lr,
            clip_norm=config.clip_norm if self.clip_norm is None else self.clip_norm,
        )


@dataclass
class TrainConfig(CheckedFields):
    """Settings that decide what is learnt: task, batches, learning rates and schedule.

    Attributes:
        task: how a batch becomes losses.
        batch_size: samples of a batch, all processes' parts together.
        epochs: passes over the training set.
        schedule: factor of the learning rate over time.
        lr: base learning rate of Adam.
        lr_multipliers: factor of the base learning rate by parameter name, 1 for names that are absent; None takes
            ``lr_multipliers()`` of the network.
        weight_decays: weight decay by parameter name, 0 for names that are absent: this times the parameter is added to
            its gradient (Adam with an L2 penalty, not AdamW).
        clip_norm: largest norm of the gradient; None for no clipping.
        freeze_batchnorm: keep BatchNorm's statistics, so that training uses those of prediction.
        precise_bn_batches: batches for precise BatchNorm statistics at the end of an epoch, those of the averaged
            weights where there are some, see ``isegm.engine.batchnorm``; 0 keeps the running averages of training, as
            published.
        interleaved_batches: batches that are trained in turn, one click of each. A batch whose next click followed
            directly would meet a network that has just learnt these very objects by heart (at high learning rates): its
            previous masks would be better, and its clicks less needed, than in use.
        micro_batch: samples whose gradients are computed at once, the gradients of a batch being their sum: fewer need
            less memory. Losses that are weighted over a batch weigh each part by itself; BatchNorm must be frozen. None
            for the whole batch.
        cpu_micro_batch: the same where it is None and the device is a CPU, on which small parts cost no time.
        recompute_above: pixels of the images whose gradients are computed at once above which, on a CPU, blocks that
            have activation checkpointing use it: the same result in less memory and more time. None: never, as on
            GPUs.
        ema: decay of the exponential moving average of the weights, which is what is validated and what checkpoints
            give to users; None for the weights themselves.
        checkpoint_interval: epochs between two numbered checkpoints, or (from epoch, interval) pairs.
        image_dump_interval: steps between two images of a training sample; 0 for none.

    Raises:
        InputError: a field is of another kind, or BatchNorm's statistics are to be both kept and measured.
    """

    own_kinds: ClassVar[Mapping[str, Kind]] = {
        **dict.fromkeys(("batch_size", "interleaved_batches"), Whole(1)),
        **dict.fromkeys(("epochs", "precise_bn_batches", "image_dump_interval"), Whole(0)),
        **dict.fromkeys(("micro_batch", "cpu_micro_batch", "recompute_above"), Whole(0) | Nothing()),
        "lr": Number(0),
        "clip_norm": Number(above=0) | Nothing(),
        "ema": DECAY | Nothing(),
        "task": Instance(object, "a training task, with begin", lambda task: hasattr(task, "begin")),
        "schedule": CALLABLE,
        "lr_multipliers": Table(Number(0)) | Nothing(),
        "weight_decays": Table(Number(0)),
        "checkpoint_interval": INTERVAL,
    }

    task: TrainingTask
    batch_size: int
    epochs: int
    schedule: Schedule
    lr: float = 5e-4
    lr_multipliers: Mapping[str, float] | None = None
    weight_decays: Mapping[str, float] = field(default_factory=dict)
    clip_norm: float | None = None
    freeze_batchnorm: bool = False
    precise_bn_batches: int = 0
    interleaved_batches: int = 1
    micro_batch: int | None = None
    cpu_micro_batch: int | None = None
    recompute_above: int | None = None
    ema: float | None = None
    checkpoint_interval: int | Sequence[tuple[int, int]] = 5
    image_dump_interval: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.freeze_batchnorm and self.precise_bn_batches:
            raise InputError(
                "freeze_batchnorm keeps BatchNorm's statistics, and precise_bn_batches would replace them: leave one "
                "of them out."
            )
        if not isinstance(self.checkpoint_interval, int):
            require_epochs([start for start, _ in self.checkpoint_interval], "checkpoint_interval of TrainConfig")

    def micro_batch_on(self, device: torch.device) -> int | None:
        """Return how many samples' gradients are computed at once on a device; None for the whole batch."""
        if self.micro_batch is None and device.type == "cpu":
            return self.cpu_micro_batch
        return self.micro_batch

    def keeps_checkpoint(self, epoch: int) -> bool:
        """Whether a numbered checkpoint is written at the end of ``epoch``, 0 for the first one."""
        interval = self.checkpoint_interval
        if not isinstance(interval, int):
            interval = [every for start, every in interval if start <= epoch][-1]
        return epoch % interval == 0 or epoch == self.epochs - 1
