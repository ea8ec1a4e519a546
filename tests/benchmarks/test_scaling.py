"""The replay of an evaluation by several processes."""

import pytest

from isegm.benchmarks.scaling import replayed
from isegm.cli import benchmark
from isegm.evaluation.records import RecordWriter
from isegm.utils.errors import InputError
from tests.evaluation.fakes import record

# Two objects of the first image, one of each of the others.
RECORDS = [record([0.9], index, number, seconds=s) for index, number, s in ((0, 0, 1), (0, 1, 2), (1, 0, 2), (2, 0, 4))]


@pytest.mark.parametrize(
    ("processes", "seconds", "idle"),
    [(1, 9, 0), (2, 6, 0.25), (3, 4, 0.25), (9, 4, 0.75)],  # of 2: the images of 3 s; of 2 s and 4 s
)
def test_each_image_goes_to_the_process_that_is_free_first(processes, seconds, idle):
    replay = replayed(RECORDS, processes)
    assert (replay.objects, replay.seconds, replay.idle) == (4, seconds, pytest.approx(idle))
    assert replay.objects_per_second == 4 / seconds


def test_processes_without_a_wait_are_idle_for_no_less_than_nothing():
    replay = replayed([record([0.9], index, seconds=0.1) for index in range(16)], 8)  # whose sum is rounded up
    assert replay.idle >= 0


def test_images_come_again_until_there_are_enough_objects():
    replay = replayed(RECORDS, 1, objects=10)
    assert (replay.objects, replay.seconds) == (10, 9 + 9 + 3)
    assert replayed(RECORDS, 1, objects=1).objects == 2  # those of an image stay together
    with pytest.raises(InputError, match="hold no seconds"):
        replayed([], 2)


def test_the_command_prints_both_replays_and_draws_them(tmp_path, capsys):
    with RecordWriter(tmp_path / "records.jsonl", {"dataset": "Drawn"}) as writer:
        for one in RECORDS:
            writer.write(one)
    benchmark.main(["--scaling", str(tmp_path / "records.jsonl"), "--objects", "80", "--plot", f"{tmp_path}/s.png"])
    said = capsys.readouterr().out.splitlines()[1:]
    assert [line.split(":")[0] for line in said if ":" in line] == ["4 objects", "80 objects"]
    assert said[1].split() == ["1", "0.44", "1.00", "x", "0.00%"]
    assert said[2].split() == ["2", "0.67", "1.50", "x", "25.00%"]
    assert (tmp_path / "s.png").read_bytes()[:4] == b"\x89PNG"
