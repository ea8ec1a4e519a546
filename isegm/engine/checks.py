"""Checks of a training run before it starts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from isegm.engine.batchnorm import batchnorm_layers
from isegm.engine.config import RunConfig, TrainConfig
from isegm.model.click_model import ClickModel
from isegm.utils import distributed
from isegm.utils.errors import InputError


def check_batch_size(config: TrainConfig, run_config: RunConfig, model: ClickModel, epoch_len: int) -> None:
    """Check that batches of the configured size can be trained.

    Raises:
        InputError: the batch cannot be divided by the processes, is too small for BatchNorm that is not frozen, or is
            larger than an epoch; or gradients are to be computed in parts, and BatchNorm is not frozen or the network
            encodes the images of a step at once.
    """
    size, count = config.batch_size, distributed.world_size()
    if size % count:
        raise InputError(
            f"a batch of {size} cannot be divided by {count} processes: give --batch-size a multiple of {count}."
        )
    normalises = bool(batchnorm_layers(model)) and not config.freeze_batchnorm  # by the statistics of the batch
    if (config.micro_batch or config.cpu_micro_batch) and normalises:
        raise InputError(
            "--micro-batch would change what BatchNorm learns from: leave it out, lower --batch-size, or take a script "
            "whose BatchNorm is frozen, such as models/light/mobilenetv2_finetune.py."
        )
    if model.encodes_once and (config.micro_batch or config.cpu_micro_batch):
        raise InputError(
            f"--micro-batch does not fit {type(model).__name__}, which encodes the images of a step at once: give a "
            "smaller --batch-size with --accumulate-grad instead."
        )
    smallest = 2 if run_config.sync_batchnorm else 2 * count  # samples that BatchNorm needs
    if size < smallest and normalises:
        raise InputError(f"a batch of {size} is too small for BatchNorm: give --batch-size {smallest} or more.")
    if epoch_len < size:
        raise InputError(f"an epoch of {epoch_len} samples is shorter than a batch of {size}: lower --batch-size.")


def first_epoch(config: TrainConfig, run_config: RunConfig) -> int:
    """Return the epoch in which a run begins that has no training state to go on from.

    Raises:
        InputError: the run has no such epoch.
    """
    epoch = run_config.start_epoch or 0
    if epoch >= config.epochs > 0:
        raise InputError(
            f"--start-epoch {epoch} is behind the last of {config.epochs} epochs, which are counted from 0: give a "
            "smaller one, or more --epochs."
        )
    return epoch


def check_agreement(images: Sequence[int], global_step: int) -> None:
    """Check that all processes, whose machines may read different disks, start alike.

    Args:
        images: number of images of each data set.
        global_step: number of batches trained so far.

    Raises:
        InputError: another process has other numbers.
    """
    mine = (list(images), global_step)
    if any(other != mine for other in distributed.all_gather(mine)):
        raise InputError(
            "the processes of this run see different numbers of images or different checkpoints: give every machine "
            "the same files."
        )


def check_loss(loss: float, epoch: int, step: int, amp: str | None) -> None:
    """Check the loss of a training step.

    Args:
        loss: sum over all losses.
        epoch, step: where the run stands, for the message.
        amp: dtype of mixed precision; None for float32.

    Raises:
        InputError: it is infinite or NaN.
    """
    if not math.isfinite(loss):
        hint = "train without --amp" if amp else "lower the learning rate with --lr"
        raise InputError(f"the loss is {loss} in epoch {epoch}, step {step}: {hint}.")
