"""Checks of a training run before it starts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from isegm.engine.batchnorm import batchnorm_layers
from isegm.engine.config import RunConfig, TrainConfig
from isegm.model.click_model import ClickModel
from isegm.utils import distributed
from isegm.utils.errors import InputError
from isegm.utils.log import logger


def check_batch_size(config: TrainConfig, run_config: RunConfig, model: ClickModel, epoch_len: int) -> None:
    """Check that a network can be trained in batches of the configured size.

    Raises:
        InputError: the network has no weights to train; the batch cannot be divided by the processes, is too small for
            BatchNorm that is not frozen, or is larger than an epoch; or gradients are to be computed in parts, and
            BatchNorm is not frozen or the network encodes the images of a step at once.
    """
    if not model.runs_in_torch:
        raise InputError("a network that runs from an ONNX file cannot be trained: give the .pth file of the network.")
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


def check_start(config: TrainConfig, run_config: RunConfig) -> None:
    """Check that a run that is told in which epoch to begin has such an epoch, and tell which ones it leaves out.

    Raises:
        InputError: it has no such epoch.
    """
    epoch = run_config.start_epoch
    if epoch is not None and epoch >= config.epochs:
        raise InputError(
            f"--start-epoch {epoch} is behind the last of {config.epochs} epochs, which are counted from 0: give a "
            "smaller one, or more --epochs."
        )
    if epoch and run_config.resume is None:
        logger.warning(
            "--start-epoch %d: this new run leaves out the epochs before, and begins with the learning rate and the "
            "crop of epoch %d of %d, counted from 0",
            epoch, epoch, config.epochs,
        )  # fmt: skip


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
        raise InputError(f"the loss is {loss} in epoch {epoch}, step {step}: {_hint(amp)}.")


def check_weights(model: nn.Module, epoch: int, step: int, amp: str | None) -> None:
    """Check the weights before they are saved, as a loss that is finite may have a gradient that is not.

    Args:
        model: the network.
        epoch, step, amp: see ``check_loss``.

    Raises:
        InputError: one is infinite or NaN.
    """
    for name, weight in model.named_parameters():
        if not bool(weight.detach().isfinite().all()):
            raise InputError(
                f"the weight {name} is no longer finite in epoch {epoch}, step {step}, and is not saved: {_hint(amp)}."
            )


def _hint(amp: str | None) -> str:
    return "train without --amp" if amp else "lower the learning rate with --lr"
