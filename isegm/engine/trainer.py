"""The one training loop."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from isegm.data.train_set import TrainSet
from isegm.engine.batchnorm import batchnorm_layers, measure_statistics
from isegm.engine.pictures import training_picture
from isegm.engine.schedule import Schedule
from isegm.engine.tasks import Step, TrainingTask
from isegm.model.base import ClickModel
from isegm.model.checkpoint import load_state, read_checkpoint, save_checkpoint
from isegm.model.metrics import AdaptiveIoU
from isegm.utils.errors import InputError
from isegm.utils.files import write_image
from isegm.utils.log import logger

AMP_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
WORKER_PREFIX = f"{InputError.__module__}.{InputError.__qualname__}: "
SCALARS_OVER = 25  # steps that one point of a training curve averages


@dataclass
class RunOptions:
    """Where and how a run happens, and what it starts from.

    Attributes:
        checkpoints, pictures, logs: folders.
        device: where the network trains.
        workers: processes that load data; 0 loads in this one.
        amp: "bf16" or "fp16" for autocast, None for float32.
        seed: of weights, samples and simulated clicks.
        save_every: steps between two writes of ``last_checkpoint.pth`` within an epoch; 0 writes it at epoch ends only.
        resume: checkpoint of a run to go on with.
        start_epoch: epoch to start at; needed where ``resume`` holds weights without a training state.
        init_from: checkpoint whose weights to start from.
    """

    checkpoints: Path
    pictures: Path
    logs: Path
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    workers: int = 4
    amp: str | None = None
    seed: int = 0
    save_every: int = 500
    resume: Path | None = None
    start_epoch: int | None = None
    init_from: Path | None = None


@dataclass
class TrainingPlan:
    """What is learnt.

    Attributes:
        task: how a batch becomes losses.
        batch_size: samples per step.
        epochs: number of passes over the training set.
        schedule: factor of the learning rate over time.
        lr: base learning rate of Adam.
        lr_multipliers: factor of it by parameter name, 1 where a name is absent; None takes the network's own.
        clip_norm: largest norm of the gradient; None for no clipping.
        freeze_batchnorm: BatchNorm keeps its statistics, so that the network trains as it will predict.
        measured_batches: at the end of an epoch BatchNorm's statistics are measured over so many of its batches, see
            ``isegm.engine.batchnorm``; 0 leaves the running averages of training, as published.
        batches_in_turn: so many batches are trained one click each in turn. A batch's next click right after its last
            one is seen by a network that has just learnt these very objects, at high learning rates by heart: it gets
            better previous masks, and needs its clicks less, than in use.
        checkpoint_interval: epochs between two numbered checkpoints, or (from epoch, interval) pairs.
        image_dump_interval: steps between two pictures of a training sample; 0 for none.
    """

    task: TrainingTask
    batch_size: int
    epochs: int
    schedule: Schedule
    lr: float = 5e-4
    lr_multipliers: Mapping[str, float] | None = None
    clip_norm: float | None = None
    freeze_batchnorm: bool = False
    measured_batches: int = 0
    batches_in_turn: int = 1
    checkpoint_interval: int | Sequence[tuple[int, int]] = 5
    image_dump_interval: int = 1000


class EpochOrder(Sampler[int]):
    """The order of an epoch's samples, by seed and epoch alone, from any sample on."""

    def __init__(self, length: int, seed: int, epoch: int, first: int = 0) -> None:
        self.order = np.random.default_rng((seed, epoch)).permutation(length)[first:]

    def __iter__(self) -> Iterator[int]:
        return iter(self.order.tolist())

    def __len__(self) -> int:
        return len(self.order)


class Trainer:
    """Trains a network by a plan; killed at any moment, it goes on from its last checkpoint as if nothing had been.

    On the CPU that holds to the last bit; on GPUs up to the order in which their kernels add.
    """

    def __init__(
        self, model: ClickModel, train_set: TrainSet, val_set: TrainSet | None, plan: TrainingPlan, options: RunOptions
    ) -> None:
        if plan.batch_size < 2:
            raise InputError(f"a batch of {plan.batch_size} is too small for BatchNorm: give --batch-size 2 or more.")
        if len(train_set) < plan.batch_size:
            raise InputError(
                f"an epoch of {len(train_set)} samples is shorter than a batch of {plan.batch_size}: "
                "lower --batch-size."
            )
        self.plan, self.options = plan, options
        self.device = options.device
        self.train_set, self.val_set = train_set, val_set
        self.metric = AdaptiveIoU()
        self.steps_per_epoch = len(train_set) // plan.batch_size
        self.epoch, self.step_in_epoch = options.start_epoch or 0, 0
        self.global_step = self.epoch * self.steps_per_epoch
        if options.init_from is not None:
            load_state(model, read_checkpoint(options.init_from)["state_dict"], options.init_from)
            logger.info("weights from %s", options.init_from)
        self.model = model.to(self.device, memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(self._parameter_groups(), lr=plan.lr, betas=(0.9, 0.999), eps=1e-8)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=options.amp == "fp16")
        if options.resume is not None:
            self._resume(options.resume)
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True
        self._curve: dict[str, list[float]] = {}

    def _parameter_groups(self) -> list[dict[str, Any]]:
        """One group for each learning-rate multiplier."""
        multipliers = self.plan.lr_multipliers
        if multipliers is None:
            multipliers = self.model.lr_multipliers()
        groups: dict[float, list[nn.Parameter]] = {}
        for name, parameter in self.model.named_parameters():
            groups.setdefault(multipliers.get(name, 1.0), []).append(parameter)
        return [{"params": params, "mult": mult} for mult, params in sorted(groups.items())]

    def run(self) -> None:
        """Train from where the run stands to its last epoch."""
        purge = self.global_step + 1 if self.global_step else None  # points of a killed run behind its last checkpoint
        self.writer = SummaryWriter(log_dir=str(self.options.logs), flush_secs=10, purge_step=purge)
        while self.epoch < self.plan.epochs:
            self._train_epoch()
            self._measure_batchnorm()
            if self.val_set is not None:
                self._save_last()  # a validation that fails or is killed costs no training
                self._validate()
            self.epoch, self.step_in_epoch = self.epoch + 1, 0
            self._save()
        self.writer.close()

    def _loader(self, dataset: TrainSet, epoch: int, first: int = 0, whole_batches: bool = True) -> DataLoader:
        """Batches of an epoch from its ``first`` sample on."""
        dataset.epoch = epoch
        return DataLoader(
            dataset,
            batch_size=self.plan.batch_size,
            sampler=EpochOrder(len(dataset), self.options.seed, epoch, first),
            drop_last=whole_batches,
            num_workers=self.options.workers,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # so that loading draws nothing from the generator that dropout uses
        )

    def _batches(self, loader: DataLoader) -> Iterator[dict[str, Tensor]]:
        """Batches on the device; bad input that a worker met is told in its own sentence, without a trace."""
        try:
            for batch in loader:
                yield {key: value.to(self.device, non_blocking=True) for key, value in batch.items()}
        except InputError as error:
            raise InputError(str(error).strip().splitlines()[-1].removeprefix(WORKER_PREFIX)) from error

    def _autocast(self) -> torch.autocast:
        """Mixed precision without a cache of cast weights, as a task may step the optimiser between two passes."""
        amp = self.options.amp
        dtype = AMP_DTYPES.get(amp, torch.float32)
        return torch.autocast(self.device.type, dtype, enabled=amp is not None, cache_enabled=False)

    def _train_epoch(self) -> None:
        if self.step_in_epoch == 0:
            self.metric.reset()
        self.model.train()
        if self.plan.freeze_batchnorm:
            for layer in batchnorm_layers(self.model):
                layer.eval()
        loader = self._loader(self.train_set, self.epoch, self.step_in_epoch * self.plan.batch_size)
        batches = self._batches(loader)
        progress = tqdm(
            initial=self.step_in_epoch,
            total=self.steps_per_epoch,
            desc=f"epoch {self.epoch}",
            mininterval=5,
            leave=False,
        )
        started = time.perf_counter()
        while group := list(islice(batches, self.plan.batches_in_turn)):
            learning_rate = self._set_learning_rate()
            every, before = self.options.save_every, self.global_step
            for batch, step in zip(group, self._train_in_turn(group), strict=True):
                self.metric.update(step.logits.float(), batch["instances"])
                self.global_step += 1
                self.step_in_epoch += 1
                self._log_step(step, batch, learning_rate)
            progress.set_postfix(loss=f"{self._last_loss:.3f}", iou=f"{self.metric.ema_iou:.3f}", refresh=False)
            progress.update(len(group))
            if every and self.global_step // every > before // every and self.step_in_epoch < self.steps_per_epoch:
                self._save_last()
        progress.close()
        seconds = time.perf_counter() - started
        logger.info(
            "epoch %d: training IoU %.4f, %.0f s, %.1f photos/s", self.epoch, self.metric.epoch_value, seconds,
            len(loader) * self.plan.batch_size / max(seconds, 1e-9),
        )  # fmt: skip
        self.writer.add_scalar("TrainMetrics/AdaptiveIoU", self.metric.epoch_value, self.epoch)

    def _measure_batchnorm(self) -> None:
        """Measure BatchNorm's statistics over all clicks of the epoch's first batches."""
        if not self.plan.measured_batches:
            return
        self.model.train()
        batches = islice(self._batches(self._loader(self.train_set, self.epoch)), self.plan.measured_batches)
        with self._autocast():
            measure_statistics(
                self.model,
                (
                    partial(self.plan.task, self.model, batch, np.random.default_rng((self.options.seed, number, 3)))
                    for number, batch in enumerate(batches)
                ),
                self.options.seed,
            )

    def _train_in_turn(self, batches: Sequence[dict[str, Tensor]]) -> list[Step]:
        """Take the optimiser steps of some batches, one of each in turn; gives the last step of each."""
        running = {
            place: self.plan.task(
                self.model,
                batch,
                np.random.default_rng((self.options.seed, self.epoch, self.step_in_epoch + place, 1)),
            )
            for place, batch in enumerate(batches)
        }
        last: dict[int, Step] = {}
        while running:
            for place, steps in list(running.items()):
                with self._autocast():
                    step = next(steps, None)
                if step is None:
                    del running[place]
                else:
                    self._optimise(step)
                    last[place] = step
        return [last[place] for place in range(len(batches))]

    def _optimise(self, step: Step) -> None:
        total = sum(step.losses.values())
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(total).backward()
        if self.plan.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.plan.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def _set_learning_rate(self) -> float:
        rate = self.plan.lr * self.plan.schedule(self.epoch + self.step_in_epoch / self.steps_per_epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["mult"]
        return rate

    def _log_step(self, step: Step, batch: dict[str, Tensor], learning_rate: float) -> None:
        losses = torch.stack(list(step.losses.values())).tolist()  # one transfer from the device
        values = {f"TrainLosses/{name}": loss for name, loss in zip(step.losses, losses, strict=True)}
        self._last_loss = sum(values.values())
        if not np.isfinite(self._last_loss):
            hint = "train without --amp" if self.options.amp else "lower the learning rate in the experiment script"
            raise InputError(f"the loss is {self._last_loss} in epoch {self.epoch}, step {self.step_in_epoch}: {hint}.")
        values["TrainLosses/overall"] = self._last_loss
        values["TrainStates/learning_rate"] = learning_rate
        values["TrainMetrics/AdaptiveIoU_ema_iou"] = self.metric.ema_iou
        values["TrainMetrics/AdaptiveIoU_iou_thresh"] = self.metric.iou_thresh
        for name, value in values.items():
            self._curve.setdefault(name, []).append(value)
        if self.global_step % SCALARS_OVER == 0:
            for name, value in self.plan.task.log_states().items():
                self.writer.add_scalar(f"TrainLosses/{name}", value, self.global_step)
            for name, points in self._curve.items():
                self.writer.add_scalar(name, float(np.mean(points)), self.global_step)
            self._curve.clear()
        interval = self.plan.image_dump_interval
        if interval and self.global_step % interval == 0:
            picture = training_picture(batch["images"][0], batch["instances"][0], step.logits[0], step.points[0])
            write_image(self.options.pictures / "train" / f"{self.global_step:06d}_instance_segmentation.jpg", picture)
            self.writer.add_image("train", picture, self.global_step, dataformats="HWC")

    @torch.no_grad()
    def _validate(self) -> None:
        """Losses and IoU on validation samples that are the same in every epoch."""
        metric, losses, weights = AdaptiveIoU(), {}, []
        self.model.eval()
        loader = self._loader(self.val_set, epoch=0, whole_batches=False)
        for number, batch in enumerate(self._batches(loader)):
            rng = np.random.default_rng((self.options.seed, number, 2))
            with self._autocast():
                steps = list(self.plan.task(self.model, batch, rng))
            metric.update(steps[-1].logits.float(), batch["instances"])
            weights.append(len(batch["instances"]))
            for name, loss in steps[-1].losses.items():
                losses.setdefault(name, []).append(loss.item())
        for name, values in losses.items():
            self.writer.add_scalar(f"ValLosses/{name}", float(np.average(values, weights=weights)), self.epoch)
        self.writer.add_scalar("ValMetrics/AdaptiveIoU", metric.epoch_value, self.epoch)
        logger.info("epoch %d: validation IoU %.4f", self.epoch, metric.epoch_value)

    def _training_state(self) -> dict[str, Any]:
        random = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            random["cuda"] = torch.cuda.get_rng_state(self.device)
        return {
            "epoch": self.epoch,
            "step_in_epoch": self.step_in_epoch,
            "global_step": self.global_step,
            "seed": self.options.seed,
            "batch_size": self.plan.batch_size,
            "epoch_len": len(self.train_set),
            "epochs": self.plan.epochs,
            "photos": len(self.train_set.reader),
            "amp": self.options.amp,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "metric": self.metric.state(),
            "random": random,
        }

    def _save_last(self) -> None:
        save_checkpoint(self.model, self.options.checkpoints / "last_checkpoint.pth", training=self._training_state())

    def _save(self) -> None:
        self._save_last()
        done = self.epoch - 1
        interval = self.plan.checkpoint_interval
        if not isinstance(interval, int):
            interval = [every for start, every in interval if start <= done][-1]
        if done % interval == 0 or self.epoch == self.plan.epochs:
            save_checkpoint(self.model, self.options.checkpoints / f"{done:03d}.pth")

    def _resume(self, path: Path) -> None:
        """Take up weights, and the training state where the file has one."""
        content = read_checkpoint(path)
        load_state(self.model, content["state_dict"], path)
        state = content.get("training")
        if state is None:
            if self.options.start_epoch is None:
                raise InputError(
                    f"{path} holds weights without a training state: say with --start-epoch where to go on."
                )
            logger.info("weights from %s, starting at epoch %d", path, self.epoch)
            return
        for name, now in (
            ("seed", self.options.seed),
            ("batch_size", self.plan.batch_size),
            ("epoch_len", len(self.train_set)),
            ("epochs", self.plan.epochs),
            ("photos", len(self.train_set.reader)),
            ("amp", self.options.amp),
        ):
            if state[name] != now:
                raise InputError(
                    f"{path} was trained with {name} {state[name]}, not {now}: "
                    "resume it with the same data and options."
                )
        if self.options.start_epoch is not None:
            raise InputError(f"{path} knows at which step its run stands: leave --start-epoch out.")
        self.epoch, self.step_in_epoch, self.global_step = (state[k] for k in ("epoch", "step_in_epoch", "global_step"))
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.metric.load_state(state["metric"])
        torch.set_rng_state(state["random"]["cpu"])
        if self.device.type == "cuda" and "cuda" in state["random"]:
            torch.cuda.set_rng_state(state["random"]["cuda"], self.device)
        logger.info("going on from %s: epoch %d, step %d", path, self.epoch, self.step_in_epoch)
