"""The time of stages."""

import threading

from isegm.benchmarks import stopwatch
from isegm.benchmarks.stopwatch import Stopwatch


def test_a_stage_is_timed_without_those_within_it(monkeypatch):
    times = iter((0.0, 1.0, 3.0, 7.0))
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: next(times))
    watch = Stopwatch()
    with watch.stage("outer"), watch.stage("inner"):
        pass
    assert watch.seconds() == {"outer": 1.0 + 4.0, "inner": 2.0}


def test_threads_add_up_and_do_not_mix():
    watch, both = Stopwatch(), threading.Barrier(2)

    def work(name):
        with watch.stage(name), watch.stage("shared"):
            both.wait()

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert watch.seconds().keys() == {"a", "b", "shared"}
    watch.reset()
    assert watch.seconds() == {}


class Doubling:
    def twice(self, number):
        return self.once(number) + self.once(number)

    def once(self, number):
        return number


def test_methods_are_timed_also_where_the_object_calls_them(monkeypatch):
    times = iter(range(100))
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: float(next(times)))
    watch, thing = Stopwatch(), Doubling()
    watch.time_methods(thing, "outer", "twice")
    watch.time_methods(thing, "inner", "once")
    assert thing.twice(3) == 6
    assert watch.seconds() == {"outer": 3.0, "inner": 2.0}  # around the two calls, and within them
    assert Doubling().twice(3) == 6 and watch.seconds()["inner"] == 2.0
