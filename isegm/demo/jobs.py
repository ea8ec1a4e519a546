"""Work that waits its turn, and runs beside the interface's own thread.

Everything here is called in the interface's thread, which looks every few milliseconds whether an answer has come
(``poll``); only what ``Job.begin`` returns runs elsewhere.
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
    """One piece of work.

    Attributes:
        what: what the program is doing meanwhile, for people.
        begin: called when its turn has come; gives what is to run elsewhere, or None if there is nothing to wait for.
        end: called with what that returned, or with None.
        token: whatever the owner knows it by.
        lasting: whether it is carried out even if one before it fails.
        given_up: set when nobody wants its answer any more, for long work to look at.
    """

    what: str
    begin: Callable[[], Callable[[], Any] | None]
    end: Callable[[Any], None]
    token: Any = None
    lasting: bool = False
    given_up: Event = field(default_factory=Event)


class Jobs:
    """Carries out jobs one after the other, in the order in which they come.

    Args:
        background: whether work runs in a thread of its own; else ``add`` returns when it is done.
        dropped: called with each job that will not be carried out because one before it has failed, that one included;
            lasting jobs are carried out all the same.
    """

    def __init__(self, background: bool, dropped: Callable[[Job], None]) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1) if background else None
        self._waiting: deque[Job] = deque()
        self._running: tuple[Job, Future] | None = None
        self._dropped = dropped
        self._within = False  # whether a job is beginning or ending; what it adds waits until it is done

    @property
    def unfinished(self) -> list[Job]:
        """The running job and those that wait, in order."""
        return [*([self._running[0]] if self._running else []), *self._waiting]

    def add(self, job: Job) -> None:
        """Carry out a job when all earlier ones are done; raises what a job raises that is carried out at once."""
        self._waiting.append(job)
        self._advance()

    def poll(self) -> bool:
        """Take over what has been done meanwhile; raises what went wrong in it.

        Returns:
            whether something was.
        """
        if self._running is None:
            left = bool(self._waiting)  # what lasts when a job before it has failed
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
        """Forget an unfinished job; its answer, if it runs already, is not used."""
        job.given_up.set()
        if self._running is not None and self._running[0] is job:
            self._running[1].cancel()
            self._running = None
            self._advance()
        else:
            self._waiting.remove(job)

    def release(self, owned: list[Any]) -> None:
        """Let go of the only references to large things in the thread that works, for that takes its time."""
        if self._pool is None:
            owned.clear()
        else:
            self._pool.submit(owned.clear)

    def close(self) -> Any:
        """Forget all jobs, and end the thread when it is done with what it does.

        Returns:
            what that was, None if it was nothing or has failed.
        """
        for job in self.unfinished:
            job.given_up.set()
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
        """Where a job fails those that wait are dropped, for they were meant for what it would have made."""
        self._within = True
        try:
            yield
        except Exception:
            dropped = [job, *(waiting for waiting in self._waiting if not waiting.lasting)]
            self._waiting = deque(waiting for waiting in self._waiting if waiting.lasting)
            for each in dropped:
                self._dropped(each)
            raise
        finally:
            self._within = False
