"""Batches that take turns: a run saves in the middle of them, and goes on from there as if unbroken."""

import pytest

from isegm.engine.schedule import WarmupDecay
from isegm.model.checkpoint import read_checkpoint
from isegm.utils.errors import InputError
from tests.drawn import draw_folder
from tests.engine.tiny import EVERY_CLICK, Stop, finished, tiny

OPTIONS = {"norm": True, "dropout": 0.3, "task": EVERY_CLICK, "epoch_len": 48, "save_every": 1}
TURNS = {"interleaved_batches": 4, "epochs": 1}  # of six batches the last two take turns by themselves


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return draw_folder(tmp_path_factory.mktemp("data") / "photos", 9)


def last_of(folder):
    return folder / "checkpoints" / "last_checkpoint.pth"


def stopped_at(images, folder, step, **more):
    """A run that is stopped right after an optimiser step; returns its checkpoint."""
    run, taken = tiny(images, folder, **{**OPTIONS, "config": TURNS, **more}), []
    after_step = run._after_step

    def stop(*arguments):
        after_step(*arguments)
        taken.append(None)
        if len(taken) == step:
            raise Stop

    run._after_step = stop
    with pytest.raises(Stop):
        run.run()
    return read_checkpoint(last_of(folder))["training"]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_run_that_stops_within_turns_goes_on_as_if_unbroken(accumulate, images, tmp_path):
    options = {**OPTIONS, "accumulate": accumulate}
    turns = {**TURNS, "interleaved_batches": 4 // accumulate}
    state = stopped_at(images, tmp_path / "run", 6 // accumulate, accumulate=accumulate, config=turns)
    assert state["step_in_epoch"] == 0 and 0 < state["turns"]["done"] <= 6 // accumulate
    whole = finished(tiny(images, tmp_path / "whole", config=turns, **options))
    resumed = finished(tiny(images, tmp_path / "run", config=turns, resume=last_of(tmp_path / "run"), **options))
    assert resumed == whole


@pytest.mark.parametrize("together", [1, 4, 6])
def test_the_learning_rate_follows_the_schedule_within_turns_too(together, images, tmp_path):
    schedule = WarmupDecay(end=2, warmup=0.5, decay_from=1)
    run = tiny(images, tmp_path, config={"interleaved_batches": together, "epochs": 2, "schedule": schedule}, **OPTIONS)
    rates, optimise = [], run._optimise

    def record():
        rates.append(run.optimizer.param_groups[0]["lr"] / run.optimizer.param_groups[0]["mult"] / run.config.lr)
        optimise()

    run._optimise = record
    run.run()
    count = len(rates)
    wanted = [schedule(2 * i / count) for i in range(count)]  # batches have two to four steps, hence the tolerance
    assert count >= 24 and rates == pytest.approx(wanted, abs=0.2)
    assert sum(rates) / count == pytest.approx(sum(wanted) / count, abs=0.02)


def test_a_run_with_another_rate_at_each_step_goes_on_as_if_unbroken(images, tmp_path):
    turns = {**TURNS, "schedule": WarmupDecay(end=1, warmup=0.5, decay_from=0.6)}
    stopped_at(images, tmp_path / "run", 6, config=turns)
    whole = finished(tiny(images, tmp_path / "whole", config=turns, **OPTIONS))
    assert finished(tiny(images, tmp_path / "run", config=turns, resume=last_of(tmp_path / "run"), **OPTIONS)) == whole


def test_save_every_acts_from_the_first_batch_on(images, tmp_path):
    run, done = tiny(images, tmp_path, config=TURNS, **OPTIONS), []
    save = run._save_last
    run._save_last = lambda: done.append(run._batches_done()) or save()
    run.run()
    within = [number for number in done if 0 < number < 4]
    assert [int(number) for number in within] == [1, 2, 3]


def test_turns_go_on_with_as_many_batches(images, tmp_path):
    stopped_at(images, tmp_path, 6)
    fewer = {**TURNS, "interleaved_batches": 3}
    with pytest.raises(InputError, match=r"while 4 batches took turns, and 3 do so here: resume it with the same"):
        tiny(images, tmp_path, config=fewer, resume=last_of(tmp_path), **OPTIONS).run()
