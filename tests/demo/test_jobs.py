"""Work that waits its turn beside the interface's thread."""

import threading
import time

import pytest

from isegm.demo.jobs import Job, Jobs


class Desk:
    """Jobs that note what happens to them; work waits for ``gate``."""

    def __init__(self, background):
        self.seen, self.dropped = [], []
        self.gate = threading.Event()
        self.jobs = Jobs(background, lambda job: self.dropped.append(job.description))

    def job(self, name, work=None, begin=None, end=None):
        def run():
            assert self.gate.wait(10)
            return work() if work else name

        def ended(got):
            self.seen.append(got)
            if end is not None:
                end()

        return Job(name, begin or (lambda: run), ended)

    def add(self, name, **parts):
        job = self.job(name, **parts)
        self.jobs.add(job)
        return job

    def wait(self):
        self.gate.set()
        end = time.monotonic() + 120
        while self.jobs.unfinished:
            assert time.monotonic() < end
            if not self.jobs.poll():
                time.sleep(0.001)


@pytest.fixture
def desk():
    desk = Desk(background=True)
    yield desk
    desk.gate.set()
    desk.jobs.close()


def fail():
    raise RuntimeError("no answer")


def test_jobs_are_done_in_order_and_end_where_they_are_polled(desk):
    jobs = [desk.add(name) for name in "abc"]
    assert desk.jobs.unfinished == jobs and not desk.jobs.poll() and desk.seen == []
    desk.wait()
    assert desk.seen == ["a", "b", "c"] and not desk.jobs.poll()


def test_a_job_begins_when_its_turn_has_come(desk):
    begun = []
    desk.add("a", end=lambda: begun.append("end of a"))
    desk.add("b", begin=lambda: begun.append("b"))
    assert begun == []
    desk.wait()
    assert begun == ["end of a", "b"] and desk.seen == ["a", None]


def test_without_a_thread_a_job_is_done_at_once():
    desk = Desk(background=False)
    desk.gate.set()
    desk.add("a")
    assert desk.seen == ["a"] and desk.jobs.unfinished == [] and not desk.jobs.poll()
    with pytest.raises(RuntimeError, match="no answer"):
        desk.add("b", work=fail)
    desk.add("c")
    assert desk.seen == ["a", "c"] and desk.dropped == ["b"]


def test_what_is_taken_back_is_not_used_and_the_others_go_on(desk):
    running, waiting, last = (desk.add(name) for name in "abc")
    desk.jobs.take_back(waiting)
    desk.jobs.take_back(running)  # its answer comes, for nobody
    assert desk.jobs.unfinished == [last]
    desk.wait()
    assert desk.seen == ["c"] and desk.dropped == []


def test_a_failure_drops_all_that_wait_and_nothing_that_comes_later(desk):
    desk.add("a")
    desk.add("b", work=fail)
    desk.add("c")
    with pytest.raises(RuntimeError, match="no answer"):
        desk.wait()
    assert desk.seen == ["a"] and desk.dropped == ["b", "c"] and desk.jobs.unfinished == []
    desk.add("d")
    desk.wait()
    assert desk.seen == ["a", "d"]


@pytest.mark.parametrize("background", [False, True])
def test_a_failure_of_what_a_finished_job_has_added_is_not_its_own(background):
    desk = Desk(background)
    desk.gate.set()
    with pytest.raises(RuntimeError, match="no answer"):
        desk.add("a", end=lambda: desk.add("b", begin=fail))
        desk.wait()
    assert desk.seen == ["a"] and desk.dropped == ["b"]
    desk.jobs.close()


def test_closing_forgets_all(desk):
    desk.add("a")
    desk.add("b")
    threading.Timer(0.05, desk.gate.set).start()
    desk.jobs.close()  # waits for what runs
    assert desk.gate.is_set() and desk.jobs.unfinished == [] and not desk.jobs.poll()
    assert desk.seen == [] and desk.dropped == []
