"""The processes of one run, as torchrun starts them: who is who, and what they tell each other.

A run of one process needs nothing of this: ``count()`` is 1 and every sum over processes is the value itself.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist

# Optimisers import it too, and its functions have the group of all processes as a default argument. Imported once that
# group exists they keep it, with threads that abort the process where they still work when Python ends.
import torch.distributed.nn
import torch.distributed.run
from torch import Tensor
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from isegm.utils.cli import BAD_INPUT, INTERRUPTED, choose_device
from isegm.utils.errors import InputError
from isegm.utils.log import logger

STARTED = "WORLD_SIZE"  # in the environment of every process that torchrun, or another launcher, has started
KILLED = 1  # exit code where a process was ended by a signal
FAILED = "isegm_failed"  # counts in the processes' common store how many of them have failed


def world_size() -> int:
    """Number of processes of this run."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0, over all machines."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_main() -> bool:
    """Whether this process writes logs, images and checkpoints."""
    return rank() == 0


def launch(gpus: str = "", ngpus: int = 1, cpu: bool = False, command: Sequence[str] | None = None) -> None:
    """Where one process is asked to use several GPUs, start the same command once for each, as torchrun does.

    This process then does nothing but watch over them, and ends as the first of them that failed. With ``cpu``,
    ``ngpus`` processes share the CPU.

    Args:
        command: script and arguments, or ``-m``, module and arguments, that each process runs; default: ``sys.argv``.

    Raises:
        InputError: one of the GPUs is not there.
        SystemExit: all have ended.
    """
    ids = _listed(gpus)
    wanted = len(ids) or ngpus
    if wanted == 1 or STARTED in os.environ:
        return
    if not cpu:
        for name in ids or map(str, range(ngpus)):
            choose_device(name)
    for name in ("torch.distributed.elastic", "torch.distributed.run"):  # each process says itself why it ends
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        torch.distributed.run.main(["--standalone", f"--nproc_per_node={wanted}", *(command or sys.argv)])
    except ChildFailedError as error:
        code = error.get_first_failure()[1].exitcode
        sys.exit(code if code > 0 else KILLED)
    except SignalException:
        sys.exit(INTERRUPTED)
    sys.exit(0)


def _listed(gpus: str) -> list[str]:
    return [name.strip() for name in gpus.split(",") if name.strip()]


@contextmanager
def process_group() -> Iterator[None]:
    """Be one of the processes of a run while the block lasts; without a launcher, be the only one.

    The first process that fails is the one that says why: the others, which its end tears along, end silently with exit
    code 2 (where the first one kept the common store, they say that it does not answer). Only the first process logs
    below the level of errors. Tensors on GPUs go by NCCL, those on the CPU by gloo.

    Raises:
        InputError: the processes do not find each other.
    """
    if STARTED not in os.environ:
        yield
        return
    on_gpus = torch.cuda.is_available() and dist.is_nccl_available()
    try:
        store, place, world = next(dist.rendezvous("env://"))
        dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpus else "gloo", store=store, rank=place, world_size=world)
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"the processes of this run do not find each other ({_first_line(error)}): start it with torchrun, or "
            f"without {STARTED} in the environment."
        ) from error
    if not is_main():
        logger.setLevel(logging.ERROR)
    try:
        yield
    except BaseException:
        if _is_first_failure(store):
            raise
        sys.exit(BAD_INPUT)
    all_gather(None)  # the end of one process would end those that still write their files
    dist.destroy_process_group()


def _is_first_failure(store: dist.Store) -> bool:
    """Whether no other process has failed before; also where the process that keeps the count is gone."""
    try:
        return store.add(FAILED, 1) == 1
    except RuntimeError:
        return True


def training_device(gpus: str = "", ngpus: int = 1, cpu: bool = False, local_rank: int | None = None) -> torch.device:
    """The device of this process: one GPU for each process of a machine, or the CPU for all of them.

    Args:
        gpus: comma-separated CUDA ids, of which the n-th process of the machine takes the n-th; "" for 0, 1, ...
        ngpus: number of GPUs; ``gpus`` wins over it.
        cpu: train on the CPU.
        local_rank: number of this process on its machine, for launchers that set no LOCAL_RANK, which wins.

    Raises:
        InputError: there is no such device, or the number of GPUs is not that of the machine's processes.
    """
    ids = _listed(gpus)
    wanted = len(ids) or ngpus
    if not dist.is_initialized():
        return choose_device(gpus, cpu)
    here = _number("LOCAL_WORLD_SIZE") or world_size()
    if wanted != here and (ids or ngpus > 1) and not cpu:
        raise InputError(
            f"{wanted} GPUs are asked for and {here} processes run on this machine: name one GPU for each with --gpus, "
            f"or start this with torchrun --nproc_per_node={wanted}."
        )
    if cpu or not (ids or torch.cuda.is_available()):
        return choose_device(cpu=True)
    place = _number("LOCAL_RANK")
    place = (local_rank or 0) if place is None else place
    device = choose_device(ids[place] if ids else str(place))
    torch.cuda.set_device(device)
    return device


def _number(variable: str) -> int | None:
    """A number that the launcher has set in the environment, if it has."""
    text = os.environ.get(variable)
    if not text:
        return None
    if not text.isdecimal():
        raise InputError(f"{variable} in the environment is {text!r}: it must be a whole number, as torchrun sets it.")
    return int(text)


def all_reduce(tensor: Tensor) -> Tensor:
    """Sum a tensor over all processes, in place."""
    all_reduce_async(tensor)()
    return tensor


def all_reduce_async(tensor: Tensor) -> Callable[[], None]:
    """Begin to sum a tensor over all processes, in place; the call that is returned waits until it is done."""
    if world_size() == 1:
        return lambda: None
    with _answering():
        work = dist.all_reduce(tensor, async_op=True)

    def wait() -> None:
        with _answering():
            work.wait()

    return wait


def all_gather(value: Any) -> list[Any]:
    """The values that all processes hand in, by rank; none passes this point before all have reached it."""
    if world_size() == 1:
        return [value]
    values = [None] * world_size()
    with _answering():
        dist.all_gather_object(values, value)
    return values


def broadcast(tensors: Iterable[Tensor]) -> None:
    """Overwrite tensors with those of the first process."""
    if world_size() > 1:
        with _answering():
            for tensor in tensors:
                dist.broadcast(tensor, 0)


@contextmanager
def _answering() -> Iterator[None]:
    """Tell in a sentence that another process does not answer, which gloo and NCCL raise as RuntimeErrors."""
    try:
        yield
    except RuntimeError as error:
        raise InputError(
            f"another process of this run has ended or does not answer ({_first_line(error)}): see what it said, then "
            "go on with --resume-exp."
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
