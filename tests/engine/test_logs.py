"""The curves of a training run bear the published names."""

import signal

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from isegm.utils.signals import Stopped
from tests.drawn import draw_folder
from tests.engine.test_stopping import last_of, stopped_after
from tests.engine.tiny import NO_CLICKS, tiny

LOSSES = ("instance_loss", "instance_bce_loss")


def test_curves_have_the_published_names(tmp_path):
    tiny(draw_folder(tmp_path / "photos"), tmp_path, task=NO_CLICKS, batch_size=2, epoch_len=26).run()
    events = EventAccumulator(str(tmp_path / "logs")).Reload()
    named = {
        "TrainLosses": (*LOSSES, "overall", "instance_loss_k", "instance_loss_m"),
        "TrainStates": ("learning_rate",),
        "TrainMetrics": ("AdaptiveIoU", "AdaptiveIoU_ema_iou", "AdaptiveIoU_iou_thresh"),
        "ValLosses": LOSSES,
        "ValMetrics": ("AdaptiveIoU",),
    }
    assert set(events.Tags()["scalars"]) == {f"{kind}/{name}" for kind, names in named.items() for name in names}
    assert [point.step for point in events.Scalars("TrainLosses/overall")] == [25]
    assert [point.step for point in events.Scalars("ValMetrics/AdaptiveIoU")] == [0, 1]


@pytest.mark.parametrize("where", ["last step", "validation"])
def test_a_run_stopped_at_the_end_of_an_epoch_tells_its_training_iou_once(tmp_path, caplog, where):
    caplog.set_level("INFO", logger="isegm")
    images = draw_folder(tmp_path / "photos")
    options = {"task": NO_CLICKS, "epoch_len": 16, "config": {"epochs": 1}}
    whole = tiny(images, tmp_path / "whole", **options)
    whole.run()
    (told,) = (text for text in caplog.messages if "training IoU" in text)
    caplog.clear()
    run = tiny(images, tmp_path / "run", **options)
    if where == "last step":
        stopped_after(run, 2)
    else:
        validate = run._validate
        run._validate = lambda: signal.raise_signal(signal.SIGTERM) or validate()
        with pytest.raises(Stopped):
            run.run()
    resumed = tiny(images, tmp_path / "run", resume=last_of(run), **options)
    assert (resumed.epoch, resumed.step_in_epoch) == (0, 2)
    assert resumed.run()
    (again,) = (text for text in caplog.messages if "training IoU" in text)
    assert again.split(",")[0] == told.split(",")[0]
    points = [
        EventAccumulator(str(tmp_path / name / "logs")).Reload().Scalars("TrainMetrics/AdaptiveIoU")
        for name in ("whole", "run")
    ]
    assert [[(each.step, each.value) for each in curve] for curve in points] == [[(0, points[0][0].value)]] * 2


def test_the_training_iou_is_on_the_disk_before_a_checkpoint_says_that_the_epoch_is_trained(tmp_path):
    run = tiny(draw_folder(tmp_path / "photos"), tmp_path, task=NO_CLICKS, epoch_len=16, config={"epochs": 1})
    validate, seen = run._validate, []

    def look():  # what a run that is killed here leaves behind
        assert last_of(run).exists()
        seen.extend(EventAccumulator(str(tmp_path / "logs")).Reload().Tags()["scalars"])
        validate()

    run._validate = look
    run.run()
    assert "TrainMetrics/AdaptiveIoU" in seen
