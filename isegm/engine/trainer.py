"""The one training loop."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from isegm.data.train_set import TrainSet
from isegm.engine.batchnorm import average_statistics, batchnorm_layers, measure_statistics, synchronise_batchnorm
from isegm.engine.compilation import compile_network
from isegm.engine.config import RunConfig, TrainConfig
from isegm.engine.gradients import GradientMean
from isegm.engine.loading import EpochBatches, load_batches
from isegm.engine.logs import TrainingLog
from isegm.engine.metrics import AdaptiveIoU
from isegm.engine.random import BatchRNG
from isegm.engine.tasks import Step
from isegm.model.base import ClickModel
from isegm.model.checkpoint import load_state, read_checkpoint, save_checkpoint
from isegm.utils import distributed
from isegm.utils.errors import InputError
from isegm.utils.log import logger

AMP_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Trainer:
    """Trains a network by a plan; killed at any moment, it goes on from its last checkpoint as if nothing had been.

    On the CPU that holds to the last bit; on GPUs up to the order in which their kernels add.
    """

    def __init__(
        self, model: ClickModel, train_set: TrainSet, val_set: TrainSet | None, config: TrainConfig, options: RunConfig
    ) -> None:
        self.config = replace(
            config,
            lr=config.lr if options.lr is None else options.lr,
            clip_norm=config.clip_norm if options.clip_norm is None else options.clip_norm,
        )
        self.options, self.device = options, options.device
        self.train_set, self.val_set = train_set, val_set
        self._check_batch_size(model)
        self.metric = AdaptiveIoU()
        self.steps_per_epoch = len(train_set) // config.batch_size
        self.epoch, self.step_in_epoch = options.start_epoch or 0, 0
        self.global_step = self.epoch * self.steps_per_epoch
        if options.init_from is not None:
            load_state(model, read_checkpoint(options.init_from)["state_dict"], options.init_from)
            logger.info("weights from %s", options.init_from)
        if options.sync_batchnorm:
            model = synchronise_batchnorm(model, self.device)
        self.model = model.to(self.device, memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(self._parameter_groups(), lr=config.lr, betas=(0.9, 0.999), eps=1e-8)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=options.amp == "fp16")
        if distributed.rank() > 0:
            own = np.random.SeedSequence((options.seed, distributed.rank())).generate_state(1)  # for dropout
            torch.manual_seed(int(own[0]))
        if options.resume is not None:
            self._resume(options.resume)
        distributed.broadcast(self.model.state_dict().values())
        self._check_agreement()
        self.gradients = GradientMean(self.model.parameters())
        if options.compile:
            compile_network(self.model, self.device)
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True

    def _check_batch_size(self, model: ClickModel) -> None:
        size, count = self.config.batch_size, distributed.world_size()
        if size % count:
            raise InputError(
                f"a batch of {size} cannot be divided by {count} processes: give --batch-size a multiple of {count}."
            )
        smallest = 2 if self.options.sync_batchnorm else 2 * count  # samples that BatchNorm needs
        if size < smallest and batchnorm_layers(model):
            raise InputError(f"a batch of {size} is too small for BatchNorm: give --batch-size {smallest} or more.")
        if len(self.train_set) < size:
            raise InputError(
                f"an epoch of {len(self.train_set)} samples is shorter than a batch of {size}: lower --batch-size."
            )

    def _check_agreement(self) -> None:
        """Machines may read different disks: their processes must start from the same step with as much data."""
        lengths = [len(dataset.reader) for dataset in (self.train_set, self.val_set) if dataset is not None]
        if any(other != (lengths, self.global_step) for other in distributed.all_gather((lengths, self.global_step))):
            raise InputError(
                "the processes of this run see different numbers of images or different checkpoints: give every "
                "machine the same files."
            )

    def _parameter_groups(self) -> list[dict[str, Any]]:
        """One group for each learning-rate multiplier."""
        multipliers = self.config.lr_multipliers
        if multipliers is None:
            multipliers = self.model.lr_multipliers()
        groups: dict[float, list[nn.Parameter]] = {}
        for name, parameter in self.model.named_parameters():
            groups.setdefault(multipliers.get(name, 1.0), []).append(parameter)
        return [{"params": params, "mult": mult} for mult, params in sorted(groups.items())]

    def run(self) -> None:
        """Train from where the run stands to its last epoch."""
        purge = self.global_step + 1 if self.global_step else None  # points of a killed run behind its last checkpoint
        self.log = TrainingLog(self.options.logs, self.options.images, purge)
        while self.epoch < self.config.epochs:
            self._train_epoch()
            self._precise_batchnorm()
            if self.val_set is not None:
                self._save_last()  # a validation that fails or is killed costs no training
                self._validate()
            self.epoch, self.step_in_epoch = self.epoch + 1, 0
            self._save()
        self.log.close()

    def _batches(self, dataset: TrainSet, epoch: int, first: int = 0, whole: bool = True) -> EpochBatches:
        """This process's parts of an epoch's batches from the ``first`` on."""
        return EpochBatches(
            len(dataset),
            self.config.batch_size,
            self.options.seed,
            epoch,
            first,
            whole,
            distributed.rank(),
            distributed.world_size(),
        )

    def _load(self, dataset: TrainSet, epoch: int, batches: EpochBatches) -> Iterator[dict[str, Tensor]]:
        dataset.epoch = epoch
        return load_batches(dataset, batches, self.options.workers, self.device)

    def _autocast(self) -> torch.autocast:
        """Mixed precision without a cache of cast weights, as a task may step the optimiser between two passes."""
        amp = self.options.amp
        dtype = AMP_DTYPES.get(amp, torch.float32)
        return torch.autocast(self.device.type, dtype, enabled=amp is not None, cache_enabled=False)

    def _train_epoch(self) -> None:
        if self.step_in_epoch == 0:
            self.metric.reset()
        self.model.train()
        if self.config.freeze_batchnorm:
            for layer in batchnorm_layers(self.model):
                layer.eval()
        parts = self._batches(self.train_set, self.epoch, self.step_in_epoch)
        batches = self._load(self.train_set, self.epoch, parts)
        progress = tqdm(
            initial=self.step_in_epoch,
            total=self.steps_per_epoch,
            desc=f"epoch {self.epoch}",
            mininterval=5,
            leave=False,
            disable=not distributed.is_main(),
        )
        started = time.perf_counter()
        while group := list(islice(batches, self.config.interleaved_batches * self.options.accumulate)):
            learning_rate = self._set_learning_rate()
            every, before = self.options.save_every, self.global_step
            for batch, step in zip(group, self._train_interleaved(group), strict=True):
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
            "epoch %d: training IoU %.4f, %.0f s, %.1f images/s", self.epoch, self.metric.epoch_value, seconds,
            len(parts) * self.config.batch_size / max(seconds, 1e-9),
        )  # fmt: skip
        self.log.values({"TrainMetrics/AdaptiveIoU": self.metric.epoch_value}, self.epoch)

    def _precise_batchnorm(self) -> None:
        """Measure BatchNorm's statistics over all clicks of the epoch's first batches."""
        if not self.config.precise_bn_batches:
            return
        self.model.train()
        parts = self._batches(self.train_set, self.epoch)
        batches = islice(self._load(self.train_set, self.epoch, parts), self.config.precise_bn_batches)
        passes = (
            partial(self.config.task, self.model, batch, self._batch_rng(batch, number, 3, start=start))
            for number, (batch, start) in enumerate(zip(batches, parts.starts, strict=False))
        )
        with self._autocast():
            measure_statistics(self.model, passes, self.options.seed)
        average_statistics(self.model)

    def _batch_rng(self, batch: dict[str, Tensor], *key: int, start: int) -> BatchRNG:
        """Random numbers of this process's part of a batch, which starts at a place of the whole batch."""
        return BatchRNG(self.options.seed, *key, first=start, count=len(batch["instances"]))

    def _train_interleaved(self, batches: Sequence[dict[str, Tensor]]) -> list[Step]:
        """Take the optimiser steps of some batches, one of each in turn; gives the last step of each.

        Batches whose gradients are accumulated count as one.
        """
        accumulate, start = (
            self.options.accumulate,
            distributed.rank() * self.config.batch_size // distributed.world_size(),
        )
        running = []
        for place, batch in enumerate(batches):
            number, part = divmod(self.step_in_epoch + place, accumulate)
            batch_rng = self._batch_rng(batch, self.epoch, number, 1, start=part * self.config.batch_size + start)
            running.append(self.config.task(self.model, batch, batch_rng))
        groups = [range(len(batches))[first : first + accumulate] for first in range(0, len(batches), accumulate)]
        last: dict[int, Step] = {}
        while groups:
            for group in list(groups):
                for place in group:
                    with self._autocast():
                        step = next(running[place], None)
                    if step is None:
                        groups.remove(group)
                        break
                    self._backward(step, first=place == group[0], last=place == group[-1])
                    last[place] = step
                else:
                    self._optimise()
        if not (self.config.freeze_batchnorm or self.options.sync_batchnorm):
            average_statistics(self.model)
        return [last[place] for place in range(len(batches))]

    def _backward(self, step: Step, first: bool, last: bool) -> None:
        """Add the gradients of the ``first`` to the ``last`` batch of an optimiser step."""
        if first:
            self.optimizer.zero_grad(set_to_none=True)
        with self.gradients.averaged() if last else nullcontext():
            self.scaler.scale(sum(step.losses.values()) / self.options.accumulate).backward()

    def _optimise(self) -> None:
        if self.config.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def _set_learning_rate(self) -> float:
        rate = self.config.lr * self.config.schedule(self.epoch + self.step_in_epoch / self.steps_per_epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["mult"]
        return rate

    def _log_step(self, step: Step, batch: dict[str, Tensor], learning_rate: float) -> None:
        losses = distributed.all_reduce(
            torch.stack(list(step.losses.values())).detach() / distributed.world_size()
        ).tolist()
        values = {f"TrainLosses/{name}": loss for name, loss in zip(step.losses, losses, strict=True)}
        self._last_loss = sum(values.values())
        if not np.isfinite(self._last_loss):
            hint = "train without --amp" if self.options.amp else "lower the learning rate with --lr"
            raise InputError(f"the loss is {self._last_loss} in epoch {self.epoch}, step {self.step_in_epoch}: {hint}.")
        values["TrainLosses/overall"] = self._last_loss
        values["TrainStates/learning_rate"] = learning_rate
        values["TrainMetrics/AdaptiveIoU_ema_iou"] = self.metric.ema_iou
        values["TrainMetrics/AdaptiveIoU_iou_thresh"] = self.metric.iou_thresh
        self.log.step(values, self.config.task.log_states, self.global_step)
        interval = self.config.image_dump_interval
        if interval and self.global_step % interval == 0:
            self.log.image(batch, step, self.global_step)

    @torch.no_grad()
    def _validate(self) -> None:
        """Losses and IoU on validation samples that are the same in every epoch."""
        metric, sums = AdaptiveIoU(), {}
        nothing = torch.zeros(0, 1, 1, 1, device=self.device)  # of a last batch with fewer samples than processes
        self.model.eval()
        parts = self._batches(self.val_set, epoch=0, whole=False)
        batches = self._load(self.val_set, 0, parts)
        for number, (part, start) in enumerate(zip(parts.parts, parts.starts, strict=True)):
            logits, labels = nothing, nothing
            if part:
                batch = next(batches)
                with self._autocast():
                    *_, step = self.config.task(self.model, batch, self._batch_rng(batch, number, 2, start=start))
                logits, labels = step.logits.float(), batch["instances"]
                for name, loss in step.losses.items():
                    sums[name] = sums.get(name, 0.0) + loss.item() * len(part)
            metric.update(logits, labels)
        totals = distributed.all_gather(sums)
        losses = {name: sum(total.get(name, 0.0) for total in totals) / len(self.val_set) for name in totals[0]}
        self.log.values({f"ValLosses/{name}": loss for name, loss in losses.items()}, self.epoch)
        self.log.values({"ValMetrics/AdaptiveIoU": metric.epoch_value}, self.epoch)
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
            "batch_size": self.config.batch_size,
            "epoch_len": len(self.train_set),
            "epochs": self.config.epochs,
            "images": len(self.train_set.reader),
            "amp": self.options.amp,
            "accumulate": self.options.accumulate,
            "lr": self.config.lr,
            "clip_norm": self.config.clip_norm,
            "sync_bn": self.options.sync_batchnorm,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "metric": self.metric.state(),
            "random": distributed.all_gather(random),
        }

    def _save_last(self) -> None:
        state = self._training_state()
        if distributed.is_main():
            save_checkpoint(self.model, self.options.checkpoints / "last_checkpoint.pth", training=state)

    def _save(self) -> None:
        self._save_last()
        done = self.epoch - 1
        interval = self.config.checkpoint_interval
        if not isinstance(interval, int):
            interval = [every for start, every in interval if start <= done][-1]
        if distributed.is_main() and (done % interval == 0 or self.epoch == self.config.epochs):
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
            ("batch_size", self.config.batch_size),
            ("epoch_len", len(self.train_set)),
            ("epochs", self.config.epochs),
            ("images", len(self.train_set.reader)),
            ("amp", self.options.amp),
            ("accumulate", self.options.accumulate),
            ("lr", self.config.lr),
            ("clip_norm", self.config.clip_norm),
            ("sync_bn", self.options.sync_batchnorm),
        ):
            was = state.get(name, 1 if name == "accumulate" else now)  # older runs do not name the last four
            if was != now:
                raise InputError(
                    f"{path} was trained with {name} {was}, not {now}: resume it with the same data and options."
                )
        if self.options.start_epoch is not None:
            raise InputError(f"{path} knows at which step its run stands: leave --start-epoch out.")
        self.epoch, self.step_in_epoch, self.global_step = (state[k] for k in ("epoch", "step_in_epoch", "global_step"))
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.metric.load_state(state["metric"])
        self._restore_random(state["random"], path)
        logger.info("going on from %s: epoch %d, step %d", path, self.epoch, self.step_in_epoch)

    def _restore_random(self, states: list[dict[str, Tensor]] | dict[str, Tensor], path: Path) -> None:
        """Take up the state of this process's random generators, from a list by rank or, in older files, one state."""
        states = [states] if isinstance(states, dict) else states
        if len(states) != distributed.world_size():
            logger.warning(
                "%s was trained by %d processes, not %d: the run goes on, but not as if it had not been stopped",
                path,
                len(states),
                distributed.world_size(),
            )
            return
        mine = states[distributed.rank()]
        torch.set_rng_state(mine["cpu"])
        if self.device.type == "cuda" and "cuda" in mine:
            torch.cuda.set_rng_state(mine["cuda"], self.device)
