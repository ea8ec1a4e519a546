"""The batches of an epoch, and each process's part of them."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from isegm.data.on_device.train_set import DeviceTrainSet
from isegm.data.train_set import TrainSet
from isegm.utils import distributed
from isegm.utils.errors import InputError
from isegm.utils.signals import quiet_children
from isegm.utils.threads import set_threads, usable_cpus

MOST_WORKERS = 4  # where nobody says how many
DEAD_WORKER = "DataLoader worker (pid"  # in PyTorch's message
KILLED_WORKER = (
    "a process that loads images was killed, as systems do when memory or /dev/shm is full: give fewer --workers or a "
    "smaller --batch-size, and go on with --resume-exp."
)
WORKER_PREFIX = f"{InputError.__module__}.{InputError.__qualname__}: "


class EpochBatches(Sampler[list[int]]):
    """One process's parts of an epoch's batches, in an order that depends on seed and epoch alone.

    The parts of all processes, one after the other, are the batch that a single process would see. Their sizes differ
    by one sample at most.

    Args:
        length: number of samples of the epoch, each of which occurs once.
        batch_size: samples of a batch, all processes' parts together.
        seed, epoch: seed of the order.
        first: number of batches to skip.
        whole: leave out a last batch with fewer samples.
        rank: number of this process.
        count: number of processes.

    Attributes:
        parts: sample indices of this process's part of each batch; the part of a small last batch may be empty.
        starts: position of each part's first sample in its batch.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int,
        epoch: int,
        first: int = 0,
        whole: bool = True,
        rank: int = 0,
        count: int = 1,
    ) -> None:
        order = np.random.default_rng((seed, epoch)).permutation(length)
        end = length - length % batch_size if whole else length
        batches = [order[start : min(start + batch_size, end)] for start in range(first * batch_size, end, batch_size)]
        shares = [np.array_split(batch, count) for batch in batches]
        self.parts = [share[rank].tolist() for share in shares]
        self.starts = [sum(map(len, share[:rank])) for share in shares]

    def __iter__(self) -> Iterator[list[int]]:
        return (part for part in self.parts if part)

    def __len__(self) -> int:
        return sum(map(bool, self.parts))


def default_workers(processes: int = 1) -> int:
    """Return how many processes load data where nobody says: one for each usable CPU, at most ``MOST_WORKERS``.

    Args:
        processes: training processes on this machine, each of which has so many.
    """
    return max(1, min(MOST_WORKERS, usable_cpus() // processes))


def load_batches(
    dataset: Dataset, batches: EpochBatches, workers: int, device: torch.device
) -> Iterator[dict[str, Tensor]]:
    """Load the samples of the parts that are not empty, and copy them to the device.

    Interrupts of a terminal reach this process alone, not the workers.

    Raises:
        InputError: a sample cannot be read; the message is the same whether this process or a worker reads it. Or a
            worker was killed, or cannot get the data set.
    """
    loader = DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        pin_memory=device.type == "cuda",
        worker_init_fn=_become_worker,
        generator=torch.Generator(),  # so that loading takes no numbers from the generator of dropout
    )
    if workers and multiprocessing.get_start_method() != "fork":
        _require_sendable(dataset)
    try:
        with telling_of_dead_workers():
            with quiet_children(), _one_opencv_thread():
                samples = iter(loader)
            for batch in samples:
                yield {key: value.to(device, non_blocking=True) for key, value in batch.items()}
    except InputError as error:
        raise InputError(str(error).strip().splitlines()[-1].removeprefix(WORKER_PREFIX)) from error
    except (EOFError, ConnectionError) as error:  # it was killed while it handed over a sample
        if str(error).startswith("Caught "):
            raise
        raise InputError(KILLED_WORKER) from error


@contextmanager
def telling_of_dead_workers() -> Iterator[None]:
    """Turn the error of a killed worker into one sentence.

    PyTorch raises it from a signal handler: it may come at any moment, also while nothing is loaded.

    Raises:
        InputError: a process that loads data was killed.
    """
    try:
        yield
    except RuntimeError as error:
        if DEAD_WORKER not in str(error) or str(error).startswith("Caught "):
            raise
        raise InputError(KILLED_WORKER) from error


def load_epoch(
    dataset: TrainSet | DeviceTrainSet,
    batch_size: int,
    seed: int,
    epoch: int,
    first: int,
    whole: bool,
    workers: int,
    device: torch.device,
) -> tuple[EpochBatches, Iterator[dict[str, Tensor]]]:
    """Return this process's parts of an epoch's batches, and an iterator over their samples.

    Args:
        dataset: its samples are those of ``epoch`` from here on.
        batch_size, seed, epoch, first, whole: see ``EpochBatches``.
        workers, device: see ``load_batches``.
    """
    dataset.epoch = epoch
    parts = EpochBatches(
        len(dataset), batch_size, seed, epoch, first, whole, distributed.rank(), distributed.world_size()
    )
    if isinstance(dataset, DeviceTrainSet):
        return parts, dataset.batches(parts)
    return parts, load_batches(dataset, parts, workers, device)


def _require_sendable(dataset: Dataset) -> None:
    """Check that processes that begin without this one's memory, as on Windows and Macs, can get a data set.

    Raises:
        InputError: they cannot, such as what an experiment script defines, which nobody can import.
    """
    try:
        with open(os.devnull, "wb") as nowhere:
            pickle.dump(dataset, nowhere)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise InputError(
            f"the samples cannot be sent to the processes that load them ({str(error).splitlines()[0]}): put what the "
            "experiment script defines for them into a module that can be imported, or give --workers 0."
        ) from error


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """Let OpenCV end its threads while the block lasts: a forked process would wait for threads it does not have."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _become_worker(_: int) -> None:
    """Let a process that loads data compute with one thread, as there are several of them, and ignore interrupts."""
    set_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
