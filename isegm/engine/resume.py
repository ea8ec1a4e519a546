"""The state that a checkpoint holds besides weights, so that a run goes on exactly where it stopped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isegm.data.on_device.train_set import DeviceTrainSet
from isegm.data.train_set import TrainSet
from isegm.engine.config import RunConfig, TrainConfig
from isegm.model.checkpoint import load_state, read_checkpoint
from isegm.model.click_model import ClickModel
from isegm.utils import distributed
from isegm.utils.errors import InputError
from isegm.utils.log import logger
from isegm.utils.schema import Anything, Fields, Flag, Instance, Items, Nothing, Number, Table, Text, Whole, check

RandomStates = dict[str, Tensor]  # of one process's generators, by device type


def _is_plain(value: Tensor, dtype: torch.dtype | None = None) -> bool:
    return (
        value.layout == torch.strided
        and not value.is_quantized
        and value.device.type == "cpu"
        and (value.dtype == dtype if dtype is not None else value.is_floating_point() and bool(value.isfinite().all()))
    )


NUMBERS = Instance(Tensor, "a tensor of finite floating-point numbers", _is_plain)
BYTES = Instance(Tensor, "a tensor of bytes", lambda value: _is_plain(value, torch.uint8))
COUNT = Instance(Tensor, "a number", lambda value: _is_plain(value, torch.int64))
GENERATORS = Fields({"cpu": BYTES}, {"cuda": BYTES})
SCALER = Fields(
    {
        "scale": Number(above=0),
        "growth_factor": Number(above=1),
        "backoff_factor": Number(above=0, most=1),
        "growth_interval": Whole(1),
        "_growth_tracker": Whole(0),
    }
)
TURNS = Fields(
    {
        "done": Whole(1),
        "batches": Items(Fields({"points": NUMBERS, "random": BYTES}, {"logits": NUMBERS})),
        "losses": Items(Table(Number())),
        "statistics": Items(Table(NUMBERS | COUNT)),
    }
)
STATE = Fields(
    {
        "epoch": Whole(0),
        "step_in_epoch": Whole(0),
        "global_step": Whole(0),
        "seed": Whole(0),
        "batch_size": Whole(1),
        "epoch_len": Whole(1),
        "epochs": Whole(1),
        "images": Whole(1),
        "amp": Text(("bf16", "fp16")) | Nothing(),
        "accumulate": Whole(1),
        "lr": Number(0),
        "clip_norm": Number(above=0) | Nothing(),
        "sync_bn": Flag(),
        "ema": Number(above=0) | Nothing(),
        "optimizer": Fields(
            {
                "state": Table(Fields({"step": NUMBERS, "exp_avg": NUMBERS, "exp_avg_sq": NUMBERS}), Whole(0)),
                "param_groups": Items(Fields({"params": Items(Whole(0)), "lr": Number(0)}, others=Anything())),
            }
        ),
        "scaler": SCALER | Fields({}),
        "metric": Fields({"iou_thresh": Number(), "ema_iou": Number(), "total": Number(), "batches": Whole(0)}),
        "random": Items(GENERATORS, least=1),
        "turns": TURNS | Nothing(),
    },
    optional={"weights": Table(NUMBERS | COUNT), "averaged": Whole(0)},  # where the network is averaged
)


def load_training(
    path: Path,
    model: ClickModel,
    optimizer: torch.optim.Optimizer,
    steps_per_epoch: int,
    options: Mapping[str, Any],
    start_epoch: int | None,
) -> dict[str, Any] | None:
    """Load a checkpoint's weights into a network, and return the training state that it holds.

    Args:
        path: the checkpoint.
        model: gets the weights.
        optimizer: of the run that goes on; it is left as it is.
        steps_per_epoch: of that run, too.
        options: of that run, see ``kept_options``.
        start_epoch: where to go on from weights alone; None where nobody says.

    Returns:
        the state, of the form ``STATE``; None where the file has weights alone.

    Raises:
        InputError: the file cannot be read, does not say where to go on, says it twice, or is of another run.
    """
    content = read_checkpoint(path)
    load_state(model, content["state_dict"], path)
    state = content.get("training")
    if state is None:
        if start_epoch is None:
            raise InputError(f"{path} holds weights without a training state: say with --start-epoch where to go on.")
        return None
    check(state, STATE, path, key="training")
    check_kept_options(state, options, path)
    check_belonging(state, path, steps_per_epoch, optimizer)
    if options["ema"] is not None and not {"weights", "averaged"} <= set(state):
        raise InputError(
            f"{path}: training has no weights beside their average: start a new run with --weights, or take another "
            "checkpoint."
        )
    if start_epoch is not None:
        raise InputError(f"{path} knows at which step its run stands: leave --start-epoch out.")
    return state


def kept_options(config: TrainConfig, run_config: RunConfig, train_set: TrainSet | DeviceTrainSet) -> dict[str, Any]:
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
        "ema": config.ema,
    }


def check_kept_options(saved: Mapping[str, Any], options: Mapping[str, Any], path: Path) -> None:
    """Compare the options of a stopped run with those of the run that resumes it.

    Args:
        saved: the training state in ``path``.
        options: see ``kept_options``.
        path: the checkpoint, for the message.

    Raises:
        InputError: an option differs.
    """
    for name, now in options.items():
        if saved[name] != now:
            raise InputError(
                f"{path} was trained with {name} {saved[name]}, not {now}: resume it with the same data and options."
            )


def check_belonging(
    state: Mapping[str, Any], path: Path, steps_per_epoch: int, optimizer: torch.optim.Optimizer
) -> None:
    """Check that a training state belongs to this network and to a step that this run reaches.

    Args:
        state: of the form ``STATE``.
        path: the checkpoint, for messages.
        steps_per_epoch: of the run that goes on.
        optimizer: that the state is for.

    Raises:
        InputError: it does not.
    """
    damaged = (
        f"{path}: training says epoch {state['epoch']}, step {state['step_in_epoch']}, which this run never reaches"
    )
    if state["epoch"] > state["epochs"] or state["step_in_epoch"] > steps_per_epoch:
        raise InputError(f"{damaged}: it is damaged.")
    if state["global_step"] != state["epoch"] * steps_per_epoch + state["step_in_epoch"]:
        raise InputError(f"{damaged} as step {state['global_step']} of all: it is damaged.")
    if state["amp"] == "fp16" and not state["scaler"]:
        raise InputError(f"{path}: training.scaler is empty, though amp is fp16: the file is damaged.")
    if state["turns"] is not None and state["step_in_epoch"] == steps_per_epoch:
        raise InputError(f"{path}: training.turns has batches behind the end of the epoch: the file is damaged.")
    if not _fits(state["optimizer"], optimizer):
        raise InputError(
            f"{path}: training.optimizer does not fit the parameters of this network: resume the run with the script "
            "and the options that it began with."
        )


def _fits(saved: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> bool:
    """Whether the saved moments have the numbers and shapes of the optimiser's parameters."""
    if [group["params"] for group in saved["param_groups"]] != [
        group["params"] for group in optimizer.state_dict()["param_groups"]
    ]:
        return False
    shapes = [parameter.shape for group in optimizer.param_groups for parameter in group["params"]]
    return all(
        index < len(shapes)
        and entry["exp_avg"].shape == entry["exp_avg_sq"].shape == shapes[index]
        and entry["step"].numel() == 1
        for index, entry in saved["state"].items()
    )


def restore_optimizer(optimizer: torch.optim.Optimizer, saved: Mapping[str, Any]) -> None:
    """Load the moments of all parameters and the learning rates; other settings of Adam stay those of the script."""
    own = optimizer.state_dict()["param_groups"]
    groups = [{**mine, "lr": group["lr"]} for mine, group in zip(own, saved["param_groups"], strict=True)]
    optimizer.load_state_dict({"state": saved["state"], "param_groups": groups})


def random_states(device: torch.device) -> list[RandomStates]:
    """Return the states of PyTorch's generators in all processes, by rank."""
    mine = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        mine["cuda"] = torch.cuda.get_rng_state(device)
    return distributed.all_gather(mine)


def restore_random_state(states: list[RandomStates], device: torch.device, path: Path) -> None:
    """Set this process's generators to their state among ``states``, a list by rank.

    Where another number of processes wrote them, say so and leave the generators as they are.

    Raises:
        InputError: they are no states of generators.
    """
    if len(states) != distributed.world_size():
        logger.warning(
            "%s was trained by %d processes, not %d: the run goes on, but not as if it had not been stopped",
            path,
            len(states),
            distributed.world_size(),
        )
        return
    mine = states[distributed.rank()]
    try:
        torch.set_rng_state(mine["cpu"])
        if device.type == "cuda" and "cuda" in mine:
            torch.cuda.set_rng_state(mine["cuda"], device)
    except (RuntimeError, TypeError) as error:
        raise InputError(f"{path}: training.random is no state of PyTorch's generators: it is damaged.") from error
