"""The state that a checkpoint holds besides weights, so that a run goes on exactly where it stopped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isegm.data.train_set import TrainSet
from isegm.engine.config import RunConfig, TrainConfig
from isegm.utils import distributed
from isegm.utils.errors import InputError
from isegm.utils.log import logger

RandomStates = dict[str, Tensor]  # of one process's generators, by device type


def kept_options(config: TrainConfig, run_config: RunConfig, train_set: TrainSet) -> dict[str, Any]:
    """Return the options that a resumed run must share with the stopped one, by their names in checkpoints."""
    return {
        "seed": run_config.seed,
        "batch_size": config.batch_size,
        "epoch_len": len(train_set),
        "epochs": config.epochs,
        "images": len(train_set.reader),
        "amp": run_config.amp,
        "accumulate": run_config.accumulate,
        "lr": config.lr,
        "clip_norm": config.clip_norm,
        "sync_bn": run_config.sync_batchnorm,
    }


OLD_NAMES = {"images": "photos"}  # of options in older checkpoints


def check_kept_options(saved: Mapping[str, Any], options: Mapping[str, Any], path: Path) -> None:
    """Compare the options of a stopped run with those of the run that resumes it.

    Args:
        saved: the training state in ``path``; older files lack the last four options of ``kept_options``.
        options: see ``kept_options``.
        path: the checkpoint, for the message.

    Raises:
        InputError: an option differs.
    """
    for name, now in options.items():
        before = saved.get(OLD_NAMES.get(name, name), 1 if name == "accumulate" else now)
        before = saved.get(name, before)
        if before != now:
            raise InputError(
                f"{path} was trained with {name} {before}, not {now}: resume it with the same data and options."
            )


def random_states(device: torch.device) -> list[RandomStates]:
    """Return the states of PyTorch's generators in all processes, by rank."""
    mine = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        mine["cuda"] = torch.cuda.get_rng_state(device)
    return distributed.all_gather(mine)


def restore_random_state(states: list[RandomStates] | RandomStates, device: torch.device, path: Path) -> None:
    """Set this process's generators to their state among ``states``, a list by rank or, in older files, one state.

    Where another number of processes wrote them, say so and leave the generators as they are.
    """
    if isinstance(states, dict):
        states = [states]
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
    if device.type == "cuda" and "cuda" in mine:
        torch.cuda.set_rng_state(mine["cuda"], device)
