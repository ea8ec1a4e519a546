"""The curves of a training run bear the published names."""

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.drawn import draw_folder
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
