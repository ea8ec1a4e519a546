"""Parallel conversion, and pickled results."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from isegm.utils.files import atomic_write

Task = TypeVar("Task")
Result = TypeVar("Result")


def map_in_order(work: Callable[[Task], Result], tasks: Sequence[Task], n_jobs: int, title: str) -> Iterator[Result]:
    """Apply a function to tasks in several processes, with a progress bar; results come in the order of the tasks.

    Args:
        work: function at the top level of a module, so that other processes can import it.
        tasks: its arguments.
        n_jobs: number of processes; 1 or less runs in this one.
        title: of the progress bar.
    """
    if n_jobs <= 1:
        yield from _with_progress(map(work, tasks), len(tasks), title)
        return
    with ProcessPoolExecutor(n_jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from _with_progress(pool.map(work, tasks, chunksize=8), len(tasks), title)


def _with_progress(results: Iterable[Result], count: int, title: str) -> Iterable[Result]:
    return tqdm(results, total=count, desc=title, ncols=100)


def write_pickle(path: Path, content: Any) -> None:
    """Write plain data as a pickle of protocol 4, like published code.

    Raises:
        InputError: the file cannot be written.
    """
    with atomic_write(path) as file:
        pickle.dump(content, file, protocol=4)
