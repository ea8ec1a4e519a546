"""A queue of jobs that run in a worker thread, one after the other.

All methods are called in the interface's thread, which polls for results every few milliseconds (``poll``); only the
function that ``Job.begin`` returns runs in the worker thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Any


@dataclass(frozen=True, eq=False)
class Job:
    """One job.

    Attributes:
        description: the present activity, for the status line.
        begin: called when the job is next; returns the function for the worker thread, or None if there is none.
        end: called with the result of that function, or with None.
        token: identifies the job for its owner.
        lasting: run the job even if an earlier one fails.
        cancelled: set when the result is no longer wanted; long work checks it.
        failed: called if this job fails, after the later ones are dropped.
    """

    description: str
    begin: Callable[[], Callable[[], Any] | None]
    end: Callable[[Any], None]
    token: Any = None
    lasting: bool = False
    cancelled: Event = field(default_factory=Event)
    failed: Callable[[], None] = lambda: None


class Jobs:
    """Runs jobs one after the other, in the order of ``add``.

    Args:
        background: run work in a worker thread; else ``add`` returns when it is done.
        dropped: called with the job that failed and with each later one that is dropped for it; lasting jobs still
            run.
    """

    def __init__(self, background: bool, dropped: Callable[[Job], None]) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1) if background else None
        self._waiting: deque[Job] = deque()
        self._running: tuple[Job, Future] | None = None
        self._dropped = dropped
        self._within = False  # whether a job is beginning or ending; what it adds waits until it is done

    @property
    def unfinished(self) -> list[Job]:
        """The running job and the waiting ones, in order."""
        return [*([self._running[0]] if self._running else []), *self._waiting]

    def add(self, job: Job) -> None:
        """Run a job after all earlier ones; raises the error of a job that runs immediately."""
        self._waiting.append(job)
        self._advance()

    def poll(self) -> bool:
        """Apply the result of the running job if it is done; raises its error if it failed.

        Returns:
            whether there was a result.
        """
        if self._running is None:
            left = bool(self._waiting)  # lasting jobs remain after a failure
            self._advance()
            return left
        if not self._running[1].done():
            return False
        (job, future), self._running = self._running, None
        with self._dropping(job):
            job.end(future.result())
        self._advance()
        return True

    def take_back(self, job: Job) -> None:
        """Remove an unfinished job; if it runs already, its result is discarded."""
        job.cancelled.set()
        if self._running is not None and self._running[0] is job:
            self._running[1].cancel()
            self._running = None
            self._advance()
        else:
            self._waiting.remove(job)

    def release(self, owned: list[Any]) -> None:
        """Drop the only references to large objects in the worker thread, because freeing them is slow."""
        if self._pool is None:
            owned.clear()
        else:
            self._pool.submit(owned.clear)

    def close(self) -> Any:
        """Remove all jobs, and end the worker thread after its running job.

        Returns:
            the result of that job; None if there was none or it has failed.
        """
        for job in self.unfinished:
            job.cancelled.set()
        self._waiting.clear()
        running, self._running = self._running, None
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        if running is None or running[1].cancelled() or running[1].exception() is not None:
            return None
        return running[1].result()

    def _advance(self) -> None:
        while self._waiting and self._running is None and not self._within:
            job = self._waiting.popleft()
            with self._dropping(job):
                work = job.begin()
                if work is None:
                    job.end(None)
                elif self._pool is None:
                    job.end(work())
                else:
                    self._running = job, self._pool.submit(work)

    @contextmanager
    def _dropping(self, job: Job) -> Iterator[None]:
        """If the job fails, drop the waiting jobs, which depend on its result."""
        self._within = True
        try:
            yield
        except Exception:
            dropped = [job, *(waiting for waiting in self._waiting if not waiting.lasting)]
            self._waiting = deque(waiting for waiting in self._waiting if waiting.lasting)
            for each in dropped:
                self._dropped(each)
            job.failed()
            raise
        finally:
            self._within = False
