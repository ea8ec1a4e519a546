"""Work in a process of its own, so that neither its time nor its memory depend on what ran before."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from isegm.utils.errors import InputError

Wanted = TypeVar("Wanted")
Result = TypeVar("Result")


def in_own_process(
    work: Callable[[Wanted], Result], wanted: Wanted, name: str, prepare: Callable[[Wanted], None] | None = None
) -> Result:
    """Return ``work(wanted)``, computed in a new process.

    Args:
        work: a function of a module.
        wanted: its argument, which pickle can write.
        name: of what is measured, for messages.
        prepare: called first in that process; None for nothing.

    Raises:
        InputError: the process is killed, such as for lack of memory.
    """
    with ProcessPoolExecutor(
        max_workers=1,
        mp_context=get_context("spawn"),
        initializer=prepare,
        initargs=() if prepare is None else (wanted,),
    ) as pool:
        try:
            return pool.submit(work, wanted).result()
        except BrokenProcessPool:
            raise InputError(
                f"{name} could not be measured, as its process was ended: look whether there is enough memory, and "
                "measure something smaller."
            ) from None
