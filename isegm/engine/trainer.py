"""The training loop of all methods."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from tqdm import tqdm

from isegm.data.on_device.train_set import DeviceTrainSet
from isegm.data.train_set import TrainSet
from isegm.engine.averaging import WeightAverage
from isegm.engine.batchnorm import average_statistics, batchnorm_layers, measure_statistics, synchronise_batchnorm
from isegm.engine.checks import check_agreement, check_batch_size, check_loss, check_start, check_weights
from isegm.engine.config import RunConfig, TrainConfig
from isegm.engine.loading import EpochBatches, load_epoch, telling_of_dead_workers
from isegm.engine.logs import TrainingLog
from isegm.engine.metrics import METRICS, AdaptiveIoU
from isegm.engine.optimizer import adam
from isegm.engine.pace import Pace, epoch_bar, tell_epoch
from isegm.engine.random import BatchRNG, seed_further_process
from isegm.engine.resume import kept_options, load_training, random_states, restore_optimizer, restore_random_state
from isegm.engine.save_clock import SaveClock, TimeIsOver
from isegm.engine.step_numbers import Place, StepNumbers
from isegm.engine.tasks import Batch, Losses, Step
from isegm.engine.training_step import TrainingStep, forward_backward, mixed_precision, parallelize
from isegm.engine.turns import Turns
from isegm.engine.validation import validate
from isegm.model.checkpoint import load_state, save_checkpoint, start_from
from isegm.model.click_model import ClickModel
from isegm.model.compilation import compile_network
from isegm.model.recomputation import set_recomputation
from isegm.utils import distributed
from isegm.utils.errors import InputError
from isegm.utils.log import logger
from isegm.utils.signals import WORDS, Stopped, StopRequest, noted_signals

TRAINING = 1  # in the key of random numbers, apart from validation and precise BatchNorm


class Trainer:
    """Trains a network; a run that was killed at any moment resumes from its last checkpoint as if unbroken.

    On the CPU that holds to the last bit, on GPUs up to the order in which their kernels add.

    Args:
        model: the network.
        train_set: training samples.
        val_set: validation samples; None for no validation.
        config: what is learnt, and how.
        run_config: where the run happens, and what it starts from.

    Raises:
        InputError: the batch size, the devices or the checkpoint to start from do not fit.
    """

    def __init__(
        self,
        model: ClickModel,
        train_set: TrainSet | DeviceTrainSet,
        val_set: TrainSet | None,
        config: TrainConfig,
        run_config: RunConfig,
    ) -> None:
        self.config, self.run_config, self.device = run_config.applied_to(config), run_config, run_config.device
        self.train_set, self.val_set = train_set, val_set
        check_batch_size(self.config, run_config, model, len(train_set))
        self.metric = AdaptiveIoU()
        self.clock = SaveClock(run_config.save_every, run_config.save_seconds, run_config.minutes)
        self.stop_request = StopRequest()
        self.steps_per_epoch = len(train_set) // config.batch_size
        self.epoch, self.step_in_epoch = run_config.start_epoch or 0, 0
        self.turns: Turns | None = None  # of the batches that are being trained
        self._resumed_turns: tuple[dict[str, Any], Path] | None = None  # until their batches are loaded
        self.global_step = self.epoch * self.steps_per_epoch
        if run_config.init_from is not None:
            start_from(model, run_config.init_from)
            logger.info("weights from %s", run_config.init_from)
        if run_config.sync_batchnorm:
            model = synchronise_batchnorm(model, self.device)
        self.model = model.to(self.device).to(memory_format=torch.channels_last)
        self.average = None if self.config.ema is None else WeightAverage(self.model, self.config.ema)
        self.optimizer = adam(self.model, self.config)
        self.autocast, self.scaler = mixed_precision(run_config.amp, self.device)
        seed_further_process(run_config.seed)
        if run_config.resume is not None:
            self._resume(run_config.resume)
        check_start(config, run_config)
        check_agreement(
            [len(dataset.reader) for dataset in (train_set, val_set) if dataset is not None], self.global_step
        )
        if run_config.compile:
            compile_network(self.model, self.device)
        self.training_step = TrainingStep(self.model, self.config.task)
        self.parallel_step = parallelize(self.training_step)

    def run(self) -> bool:
        """Train from the current epoch and step to the end of the last epoch, or until the run's minutes are over.

        An interrupt or SIGTERM lets the step under way end and writes the checkpoint from which to resume.

        Returns:
            whether the last epoch has ended.

        Raises:
            Stopped: after such a signal.
            InputError: an image cannot be read, a process that loads them was killed, a loss is not finite, or a file
                cannot be written.
        """
        purge = self.global_step + 1 if self.global_step else None  # points of a killed run after its last checkpoint
        promise = "saving after the step under way ..." if distributed.is_main() else ""
        self.pace = Pace(self.config.epochs * self.steps_per_epoch)
        self.log = TrainingLog(self.run_config.logs, self.run_config.images, purge)
        self.numbers = StepNumbers(self.log, self.config.task.log_states, self.run_config.amp)
        self.clock.restart(self.global_step)
        signals = noted_signals(promise, patient=distributed.is_launched())
        with closing(self.log), telling_of_dead_workers(), suppress(TimeIsOver), signals as self.stop_request:
            while self.epoch < self.config.epochs:
                if self.step_in_epoch < self.steps_per_epoch:  # else the run stopped behind them
                    self._train_epoch()
                self._measure()
                self.epoch, self.step_in_epoch = self.epoch + 1, 0
                self._save()
        return self.epoch >= self.config.epochs

    def _load(
        self, dataset: TrainSet | DeviceTrainSet, epoch: int, first: int = 0, whole: bool = True
    ) -> tuple[EpochBatches, Iterator[Batch]]:
        """Return this process's parts of an epoch's batches from batch ``first`` on, and their samples."""
        size, seed = self.config.batch_size, self.run_config.seed
        return load_epoch(dataset, size, seed, epoch, first, whole, self.run_config.workers, self.device)

    def _next_group(self, batches: Iterator[Batch]) -> list[Batch]:
        """Load the batches that are trained in turn, fewer at the end of an epoch; a failure costs no training."""
        group: list[Batch] = []
        try:
            for batch in islice(batches, self.config.interleaved_batches * self.run_config.accumulate):
                group.append(batch)
                self._save_if_due()
        except InputError:
            if distributed.world_size() == 1:  # else the others wait elsewhere
                self._save_last()
            raise
        return group

    def _train_epoch(self) -> None:
        if self.step_in_epoch == 0:
            self.metric.reset()
        self.model.train()
        if self.config.freeze_batchnorm:
            for layer in batchnorm_layers(self.model):
                layer.eval()
        parts, batches = self._load(self.train_set, self.epoch, self.step_in_epoch)
        self._position = float(self.step_in_epoch)
        progress = epoch_bar(self.epoch, self.step_in_epoch, self.steps_per_epoch)
        started = time.perf_counter()
        while group := self._next_group(batches):
            steps, learning_rate = self._train_in_turn(group, progress)
            for batch, step in zip(group, steps, strict=True):
                self.metric.update(step.logits.float(), batch["instances"])
                self.global_step += 1
                self.step_in_epoch += 1
                self._log_step(step, batch, learning_rate)
            progress.set_postfix(loss=f"{self.numbers.loss:.3f}", iou=f"{self.numbers.iou:.3f}", refresh=False)
            self._after_step(progress)
        progress.close()
        self._check()
        seconds = time.perf_counter() - started
        tell_epoch(self.epoch, self.metric.epoch_value, seconds, len(parts) * self.config.batch_size)
        self.log.values({f"{METRICS}AdaptiveIoU": self.metric.epoch_value}, self.epoch)
        self.log.flush()  # a checkpoint of all steps says that this is written
        self._save_if_due()

    def _train_in_turn(self, batches: Sequence[Batch], progress: tqdm) -> tuple[list[Step], float]:
        """Train the first step of each batch, then the second of each, and so on; return the last step of each, and the
        learning rate of the last.

        Batches whose gradients are accumulated share one optimiser step and have the same number of steps.
        """
        begun = [self.training_step.task.begin(self.model, b, self._batch_rng(b, i)) for i, b in enumerate(batches)]
        turns = self.turns = Turns(begun, self.run_config.accumulate, self.model)
        if self._resumed_turns is not None:
            turns.load_state(*self._resumed_turns)
            self._resumed_turns = None
        for index, group in turns.order[turns.done :]:
            self.optimizer.zero_grad(set_to_none=True)
            for position in group:
                forward = partial(self._forward_backward, synchronise=position == group[-1])
                with self.autocast:
                    turns.last[position] = begun[position].step(index, forward)
            learning_rate = self._set_learning_rate()
            self._optimise()
            turns.done += 1
            self.pace.note(turns.last[group[-1]], self.epoch * self.steps_per_epoch + self._batches_done())
            if not turns.finished:
                self._after_step(progress)
        self.turns = None
        if not (self.config.freeze_batchnorm or self.run_config.sync_batchnorm):
            average_statistics(self.model)
        return [turns.last[position] for position in range(len(batches))], learning_rate

    def _after_step(self, progress: tqdm) -> None:
        """Show how far the epoch is, and save if it is time, unless it ends; called after every optimiser step."""
        before, self._position = self._position, self._batches_done()
        progress.update(self._position - before)
        if self.step_in_epoch < self.steps_per_epoch:
            self._save_if_due()

    @property
    def epochs_done(self) -> float:
        """Epochs that have been trained, a fraction within one, see ``_batches_done``."""
        return self.epoch + self._batches_done() / self.steps_per_epoch

    def _batches_done(self) -> float:
        """Batches of the epoch that have been trained; those that take turns count by the share of their steps."""
        return self.step_in_epoch + (0.0 if self.turns is None else self.turns.batches_done)

    def _forward_backward(
        self, batch: Batch, prev_mask: Tensor, points: Tensor, *, synchronise: bool
    ) -> tuple[Losses, Tensor]:
        """Compute losses and gradients of a batch, ``micro_batch`` samples at a time, see ``forward_backward``."""
        count = len(points)
        size = self.config.micro_batch_on(self.device) or count
        above = self.config.recompute_above if self.device.type == "cpu" else None
        pixels = batch["images"].shape[-2:].numel() * min(size, count)
        set_recomputation(self.model, above is not None and pixels > above)
        return forward_backward(
            self.parallel_step, self._backward, batch, prev_mask, points, size=size, synchronise=synchronise
        )

    def _batch_rng(self, batch: Batch, position: int) -> BatchRNG:
        """Return the random numbers of this process's part of the batch ``position`` batches from now."""
        number, turn = divmod(self.step_in_epoch + position, self.run_config.accumulate)
        first = turn * self.config.batch_size + distributed.rank() * len(batch["instances"])
        return BatchRNG(self.run_config.seed, self.epoch, number, TRAINING, first=first, count=len(batch["instances"]))

    def _backward(self, step: Step) -> None:
        self.scaler.scale(step.loss / self.run_config.accumulate).backward()

    def _optimise(self) -> None:
        if self.config.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None:
            self.average.update(self.model)
            if not (self.config.freeze_batchnorm or self.run_config.sync_batchnorm):
                average_statistics(self.average.model)  # after each step, so that no result depends on when one saves

    @property
    def trained(self) -> ClickModel:
        """The network to use: with averaged weights where the run averages them."""
        return self.model if self.average is None else self.average.model

    def _set_learning_rate(self) -> float:
        rate = self.config.lr * self.config.schedule(self.epochs_done)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["mult"]
        return rate

    def _log_step(self, step: Step, batch: Batch, learning_rate: float) -> None:
        iou_thresh, ema_iou, *_ = self.metric.numbers
        place = Place(self.epoch, self.step_in_epoch, self.global_step, learning_rate)
        self.numbers.add(step, ema_iou, iou_thresh, place)
        interval = self.config.image_dump_interval
        if interval and self.global_step % interval == 0:
            self.log.image(batch, step, self.global_step)

    def _measure(self) -> None:
        """Measure BatchNorm's statistics, and validate, where the run does; a failure costs no training."""
        if self.config.precise_bn_batches or self.val_set is not None:
            self._write_last()
        if self.config.precise_bn_batches:
            self._precise_batchnorm()
        self._validate()

    def _precise_batchnorm(self) -> None:
        """Measure BatchNorm's statistics of the network to use, over all clicks of the epoch's first batches."""
        step = self._step_of_trained()
        step.model.train()
        parts, batches = self._load(self.train_set, self.epoch)
        first = self._heeding_stops(islice(batches, self.config.precise_bn_batches))
        measure_statistics(step, parts, first, self.run_config.seed, self.autocast)
        average_statistics(step.model)

    def _step_of_trained(self) -> TrainingStep:
        return self.training_step if self.average is None else TrainingStep(self.trained, self.config.task)

    def _validate(self) -> None:
        """Log losses and IoU on validation samples, if there are any, that are the same in every epoch."""
        if self.val_set is None:
            return
        step = self._step_of_trained()
        step.model.eval()
        parts, batches = self._load(self.val_set, epoch=0, whole=False)
        losses, iou = validate(step, parts, batches, self.run_config.seed, self.autocast, self._end_if_stopped)
        self.log.values({f"ValLosses/{name}": loss for name, loss in losses.items()}, self.epoch)
        self.log.values({"ValMetrics/AdaptiveIoU": iou}, self.epoch)
        logger.info("epoch %d: validation IoU %.4f", self.epoch, iou)

    def _heeding_stops(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Pass batches on, as many in all processes, until a signal ends the run."""
        for batch in batches:
            self._end_if_stopped()
            yield batch

    def _save_if_due(self) -> None:
        """Write the checkpoint to resume from if it is time, or if a signal ends the run; all processes together."""
        is_due = self.step_in_epoch < self.steps_per_epoch and self.clock.is_due(self._steps_done())
        number, over, due = distributed.largest(self.stop_request.number, self.clock.is_over, is_due)
        if number or over or due:
            self._save_last()
        if number:
            self._end(number)
        if over:
            raise TimeIsOver

    def _steps_done(self) -> int:
        return self.epoch * self.steps_per_epoch + int(self._batches_done())

    def _end_if_stopped(self) -> None:
        """End the run if a process got a signal, when all that is learnt is in the checkpoint."""
        (number,) = distributed.largest(self.stop_request.number)
        if number:
            self._end(number)

    def _end(self, number: int) -> NoReturn:
        path = self._last_checkpoint
        within = f" with {self._batches_done():.1f} of {self.steps_per_epoch} batches" if self.turns else ""
        raise Stopped(
            number,
            f"{WORDS[number]} in epoch {self.epoch}, step {self.step_in_epoch}: {path} is written{within}; go on with "
            f"the same options and --resume-exp {path.parent.parent.name}.",
        )

    @property
    def _last_checkpoint(self) -> Path:
        return self.run_config.checkpoints / "last_checkpoint.pth"

    def _check(self, losses: Sequence[Mapping[str, float]] = ()) -> None:
        """Check that the losses of all steps, those given of batches in turn and all weights are finite."""
        self.numbers.read()
        for each in losses:
            check_loss(sum(each.values()), self.epoch, self.step_in_epoch, self.run_config.amp)
        check_weights(self.model, self.epoch, self.step_in_epoch, self.run_config.amp)

    def _save_last(self) -> None:
        """Check, and write the checkpoint from which to resume, also between two updates of batches in turn."""
        turns = None if self._resumed_turns is None else self._resumed_turns[0]
        if self.turns is not None:
            turns = self.turns.state()
        self._check(() if turns is None else turns["losses"])
        self._write_last(turns)

    def _write_last(self, turns: dict[str, Any] | None = None) -> None:
        state = {
            "epoch": self.epoch,
            "step_in_epoch": self.step_in_epoch,
            "global_step": self.global_step,
            **kept_options(self.config, self.run_config, self.train_set),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "metric": self.metric.state(),
            "random": random_states(self.device),
            "turns": turns,
        }
        if self.average is not None:
            state |= {"weights": self.model.state_dict(), "averaged": self.average.steps}
        if distributed.is_main():
            save_checkpoint(self.trained, self._last_checkpoint, training=state)
        self.clock.restart(self._steps_done())

    def _save(self) -> None:
        """Write the checkpoints at the end of an epoch; the one to resume from last, as it says that all is written."""
        done = self.epoch - 1
        if distributed.is_main() and self.config.keeps_checkpoint(done):
            save_checkpoint(self.trained, self.run_config.checkpoints / f"{done:03d}.pth")
        self._write_last()

    def _resume(self, path: Path) -> None:
        """Load weights, and the training state where the file has one."""
        own = kept_options(self.config, self.run_config, self.train_set)
        state = load_training(path, self.model, self.optimizer, self.steps_per_epoch, own, self.run_config.start_epoch)
        if state is None:
            logger.info("weights from %s, starting at epoch %d", path, self.epoch)
            return
        if self.average is not None:
            self.average.load(self.model.state_dict(), state["averaged"])
            load_state(self.model, state["weights"], path)
        self.epoch, self.step_in_epoch, self.global_step = (state[k] for k in ("epoch", "step_in_epoch", "global_step"))
        restore_optimizer(self.optimizer, state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.metric.load_state(state["metric"])
        restore_random_state(state["random"], self.device, path)
        if state["turns"] is not None:
            self._resumed_turns = (state["turns"], path)
        logger.info("going on from %s: epoch %d, step %d", path, self.epoch, self.step_in_epoch)
