"""The processes of one run, of training or evaluation, on top of ``torch.distributed``.

A single process needs no process group: ``world_size()`` is 1, and reductions return the value itself.
"""

from __future__ import annotations

import atexit
import gc
import itertools
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

# Optimisers import it too, and its functions have the group of all processes as a default argument. Imported once that
# group exists they keep it, with threads that abort the process where they still work when Python ends.
import torch.distributed.nn
import torch.distributed.run
from torch import Tensor
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from isegm.utils.cli import BAD_INPUT, choose_device
from isegm.utils.errors import InputError
from isegm.utils.log import logger
from isegm.utils.signals import Stopped

STARTED = "WORLD_SIZE"  # environment variable that torchrun and other launchers set in the processes they start
KILLED = 1  # exit code where a process was ended by a signal
FAILED = "isegm_failed"  # key of the number of failed processes in their common store
COUNTER = "isegm_counter"  # begins the keys of numbers that the processes count up together

T = TypeVar("T")
_stores: list[dist.Store] = []  # of the group of processes, while there is one
_series = itertools.count()  # of numbers that are handed out


def world_size() -> int:
    """Return the number of processes of this run."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return the number of this process over all machines, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_launched() -> bool:
    """Whether a launcher has started this process, and passes on the signals that it gets."""
    return STARTED in os.environ


def is_main() -> bool:
    """Whether this is the first process, which writes logs, images and checkpoints."""
    return rank() == 0


def launch(gpus: str = "", ngpus: int = 1, cpu: bool = False, command: Sequence[str] | None = None) -> None:
    """Start the same command once for each of several GPUs, as torchrun does, and end when all processes have ended.

    Return at once where one GPU is asked for, or a launcher has started this process. The exit code is that of the
    first process that failed.

    Args:
        gpus: comma-separated CUDA ids, a process for each; "" for 0, 1, ...
        ngpus: number of processes; ``gpus`` wins over it.
        cpu: let ``ngpus`` processes share the CPU.
        command: script and arguments, or ``-m``, module and arguments, that each process runs; default: ``sys.argv``.

    Raises:
        InputError: one of the GPUs is not there.
        SystemExit: all processes have ended.
    """
    ids = _listed(gpus)
    count = len(ids) or ngpus
    if count == 1 or STARTED in os.environ:
        return
    if not cpu:
        for name in ids or map(str, range(ngpus)):
            choose_device(name, elsewhere=True)
    for name in ("torch.distributed.elastic", "torch.distributed.run"):  # each process itself says why it ends
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        torch.distributed.run.main(["--standalone", f"--nproc_per_node={count}", *(command or sys.argv)])
    except ChildFailedError as error:
        code = error.get_first_failure()[1].exitcode
        sys.exit(code if code > 0 else KILLED)
    except SignalException as error:
        sys.exit(128 + error.sigval)
    sys.exit(0)


def _listed(gpus: str) -> list[str]:
    return [name.strip() for name in gpus.split(",") if name.strip()]


@contextmanager
def process_group(advice: str = "--resume-exp", patience: timedelta | None = None) -> Iterator[None]:
    """Join the other processes of a run while the block lasts; without a launcher, be the only process.

    Tensors on GPUs are sent by NCCL, those on the CPU by gloo. Only the first process logs below the level of errors.
    Of several processes that fail the first one says why: the others, which fail because of it, end silently with exit
    code 2.

    Args:
        advice: the option by which a stopped run goes on.
        patience: how long a process waits for another one that works alone; None for PyTorch's usual time. It bounds
            no process that ends, which ends the others.

    Raises:
        InputError: the processes do not find each other, or another process was killed.
    """
    if STARTED not in os.environ:
        yield
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    try:
        store, process, count = next(dist.rendezvous("env://"))
        dist.init_process_group(backend, timeout=patience, store=store, rank=process, world_size=count)
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"the processes of this run do not find each other ({_first_line(error)}): start it with torchrun, or "
            f"without {STARTED} in the environment."
        ) from error
    atexit.register(_leave)  # where a process fails, frames of the caller keep the group until then
    if not is_main():
        logger.setLevel(logging.ERROR)
    _stores[:] = [dist.PrefixStore(COUNTER, store)]
    try:
        yield
        all_gather(None)  # wait: the end of one process would end those that still write their files
    except BaseException as error:
        if not _is_first_failure(store):
            sys.exit(error.exit_code if isinstance(error, Stopped) else BAD_INPUT)
        if _is_connection_lost(error):
            raise InputError(
                f"another process of this run has ended or does not answer ({_first_line(error)}): see what it said, "
                f"then go on with {advice}."
            ) from error
        raise
    _leave()


def _leave() -> None:
    """End the process group, whose threads now and then abort a process that ends while they live."""
    _stores.clear()
    gc.collect()  # DistributedDataParallel, which knows the group, is part of reference cycles
    if dist.is_initialized():
        dist.destroy_process_group()


def _is_connection_lost(error: BaseException) -> bool:
    """Whether another process is gone: NCCL and stores raise ``DistError``, gloo raises plain ``RuntimeError``."""
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))


def _is_first_failure(store: dist.Store) -> bool:
    """Whether no other process has failed before; True where the process that keeps the store is gone."""
    try:
        return store.add(FAILED, 1) == 1
    except RuntimeError:
        return True


def device_of_process(gpus: str = "", ngpus: int = 1, cpu: bool = False, local_rank: int | None = None) -> torch.device:
    """Return the device of this process: one GPU for each process of a machine, or the CPU for all of them.

    Args:
        gpus: comma-separated CUDA ids; the n-th process of a machine takes the n-th id; "" for 0, 1, ...
        ngpus: number of GPUs of this machine; ``gpus`` wins over it.
        cpu: run on the CPU.
        local_rank: number of this process on its machine, for launchers that do not set LOCAL_RANK, which wins.

    Raises:
        InputError: there is no such device, or the numbers of GPUs and of processes on this machine differ.
    """
    if not dist.is_initialized():
        return choose_device(gpus or None, cpu)
    ids = _listed(gpus)
    wanted = len(ids) or ngpus
    processes = local_processes()
    if wanted != processes and (ids or ngpus > 1) and not cpu:
        raise InputError(
            f"{wanted} GPUs are asked for and {processes} processes run on this machine: name one GPU for each with "
            f"--gpus, or start this with torchrun --nproc_per_node={wanted}."
        )
    if cpu or not (ids or torch.cuda.is_available()):
        return choose_device(cpu=True)
    number = _number("LOCAL_RANK")
    number = (local_rank or 0) if number is None else number
    device = choose_device(ids[number] if ids else str(number))
    torch.cuda.set_device(device)
    return device


def local_processes() -> int:
    """Return the number of processes of this run on this machine."""
    return _number("LOCAL_WORLD_SIZE") or world_size()


def _number(variable: str) -> int | None:
    """Return the number that the launcher has set in the environment; None where it has not."""
    text = os.environ.get(variable)
    if not text:
        return None
    if not text.isdecimal():
        raise InputError(f"{variable} in the environment is {text!r}: it must be a whole number, as torchrun sets it.")
    return int(text)


def all_reduce(tensor: Tensor) -> Tensor:
    """Sum a tensor over all processes, in place, and return it."""
    if world_size() > 1:
        dist.all_reduce(tensor)
    return tensor


def largest(*numbers: int) -> list[int]:
    """Return, for each number, the largest that any process gives; they agree on it without asking a GPU."""
    if world_size() == 1:
        return list(numbers)
    tensor = torch.tensor(numbers)
    dist.all_reduce(tensor, dist.ReduceOp.MAX)
    return tensor.tolist()


def all_gather(value: T) -> list[T]:
    """Return the values of all processes by rank; no process passes this call before all have reached it."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value)
    return values


def gathered(value: T) -> list[T]:
    """Return the values of all processes by rank in the first process, and no value in the others."""
    if world_size() == 1:
        return [value]
    values: list[Any] | None = [None] * world_size() if is_main() else None
    dist.gather_object(value, values)
    return values or []


def of_main(value_of: Callable[[], T]) -> T:
    """Return what a function returns in the first process, which alone calls it, in all of them."""
    if world_size() == 1:
        return value_of()
    values: list[Any] = [value_of() if is_main() else None]
    dist.broadcast_object_list(values, src=0)
    return values[0]


def handed_out() -> Iterator[int]:
    """Return a series 0, 1, ... without end, of which each number goes to the process that asks for it first.

    Every process must call this as often as the others: the n-th calls of all of them are one series.
    """
    if world_size() == 1:
        return itertools.count()
    return _numbers_of(f"series{next(_series)}")


def _numbers_of(series: str) -> Iterator[int]:
    while True:
        yield _stores[0].add(series, 1) - 1


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
