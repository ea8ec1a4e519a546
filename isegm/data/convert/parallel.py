"""Work spread over processes, and the files that it leaves."""

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


def in_order(work: Callable[[Task], Result], tasks: Sequence[Task], n_jobs: int, title: str) -> Iterator[Result]:
    """Results of ``work``, a function of a module, in the order of ``tasks``, whatever the number of processes."""
    if n_jobs <= 1:
        yield from _watched(map(work, tasks), len(tasks), title)
        return
    with ProcessPoolExecutor(n_jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from _watched(pool.map(work, tasks, chunksize=8), len(tasks), title)


def _watched(results: Iterable[Result], count: int, title: str) -> Iterable[Result]:
    return tqdm(results, total=count, desc=title, ncols=100)


def write_pickle(path: Path, content: Any) -> None:
    """Write plain content as published code pickles it.

    Raises:
        InputError: the file cannot be written.
    """
    with atomic_write(path) as file:
        pickle.dump(content, file, protocol=4)
