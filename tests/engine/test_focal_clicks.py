"""FocalClick's training: the refiner's step, its terms, samples that start from a mask, several processes."""

import pytest
import torch

from isegm.clicks import points_in_boxes, used
from isegm.engine.random import BatchRNG
from isegm.engine.tasks import FocalClicks, IterativeClicks, LossTerm
from isegm.model.losses import SigmoidBinaryCrossEntropyLoss, WeightedNormalizedFocalLoss
from tests.drawn import draw_folder
from tests.engine.focal import FOCAL, FOCAL_EVERY_CLICK, STEPS, TERMS, TinyFocal
from tests.engine.test_tasks import Recorder, steps_of
from tests.engine.tiny import finished, tiny


@pytest.fixture
def batch():
    torch.manual_seed(0)
    labels = torch.zeros(3, 1, 32, 40)
    labels[:, :, 8:24, 10:30] = 1
    points = torch.full((3, 8, 3), -1.0)
    points[:, 0] = torch.tensor([16.0, 20.0, 0.0])
    rois = torch.tensor([[6.0, 4.0, 26.0, 28.0], [0.0, 0.0, 40.0, 32.0], [20.0, 8.0, 36.0, 24.0]])
    focus = (torch.rand(3, 1, 16, 16) > 0.5).float()
    return {
        "images": torch.rand(3, 3, 32, 40),
        "instances": labels,
        "points": points,
        "images_focus": torch.rand(3, 3, 16, 16),
        "instances_focus": focus,
        "trimap_focus": focus.roll(3, -1),
        "rois": rois,
    }


def test_points_are_mapped_into_each_samples_box():
    points = torch.tensor([[[10.0, 20.0, 5.0], [-1, -1, -1], [2.0, 50.0, 100.0], [-1, -1, -1]]] * 2)
    boxes = torch.tensor([[10.0, 0.0, 30.0, 40.0], [0.0, 0.0, 256.0, 256.0]])
    found = points_in_boxes(points, boxes, (80, 100))
    assert found[0, 0].tolist() == [20, 50, 5] and found[0, 2].tolist() == [4, 200, 100]  # outside stays a click
    assert torch.equal(used(found), used(points))
    assert torch.allclose(points_in_boxes(points, boxes, (256, 256))[1, 0], points[1, 0])


def test_the_refiner_sees_the_clicks_of_its_own_crop_and_its_gradients_reach_the_coarse_part(batch):
    model = TinyFocal()
    seen = []
    refine = model.refine
    model.refine = lambda *parts: (seen.append(parts), refine(*parts))[1]
    task = FocalClicks({"refine_loss": TERMS["refine_loss"]}, max_num_next_clicks=3)
    (step,) = steps_of(task, model, batch, BatchRNG(3, first=0, count=3))
    image, clicks, _, logits, boxes = seen[0]
    assert len(seen) == 1 and torch.equal(image, batch["images_focus"]) and torch.equal(step.logits, logits)
    assert used(step.points).sum() > used(batch["points"]).sum()  # simulated clicks are mapped as well
    assert torch.equal(clicks, points_in_boxes(step.points, batch["rois"], (16, 16)))
    assert boxes.tolist() == [[number, *roi] for number, roi in enumerate(batch["rois"].tolist())]
    step.losses["refine_loss"].backward()
    assert model.first.weight.grad.abs().sum() > 0 and model.details.weight.grad.abs().sum() > 0


def test_terms_look_at_their_own_output_target_and_weights(batch):
    model = TinyFocal()
    (step,) = steps_of(FocalClicks(TERMS, 0), model, batch, BatchRNG(0, first=0, count=3))
    outputs = FocalClicks(TERMS, 0)._outputs(model, batch, torch.zeros_like(batch["instances"]), batch["points"])
    focus, detail = batch["instances_focus"], batch["trimap_focus"]
    wanted = {
        "refine_loss": WeightedNormalizedFocalLoss(alpha=0.5, gamma=2)(outputs["instances_refined"], focus, detail),
        "trimap_loss": SigmoidBinaryCrossEntropyLoss()(outputs["trimap"], detail),
    }
    for name, value in wanted.items():
        torch.testing.assert_close(step.losses[name], value.mean())
    half = LossTerm(SigmoidBinaryCrossEntropyLoss(), 0.5, "trimap", "trimap_focus")
    torch.testing.assert_close(half(outputs, batch), 0.5 * wanted["trimap_loss"].mean())


def test_the_iou_in_the_crops_is_logged_before_and_after_refinement(batch):
    task = FocalClicks(TERMS, 0)
    assert "TrainMetrics/instances_refined_iou" not in task.log_states()
    steps_of(task, TinyFocal(), batch, BatchRNG(0, first=0, count=3))
    states = task.log_states()
    ious = {"TrainMetrics/instances_coarse_iou", "TrainMetrics/instances_refined_iou"}
    assert {*ious, "TrainLosses/instance_loss_k"} <= set(states)
    assert 0 <= states["TrainMetrics/instances_refined_iou"] <= 1


def test_validation_and_measurements_of_batchnorm_leave_the_logged_iou_alone(batch):
    task, model = FocalClicks(TERMS, 0), TinyFocal()

    def run():
        steps_of(task, model, batch, BatchRNG(0, first=0, count=3))
        return task.crop_ious.log_state()

    with torch.no_grad():
        assert run() == {}
    model.eval()
    assert run() == {}
    model.train()
    assert set(run()) == {"TrainMetrics/instances_coarse_iou", "TrainMetrics/instances_refined_iou"}


def test_a_sample_that_starts_from_a_mask_starts_with_a_click_on_its_error(batch):
    starts = torch.zeros_like(batch["instances"])
    starts[0, :, 8:24, 10:20] = 1  # the right half is missing
    starts[1] = batch["instances"][1]
    starts[1, :, 26:31, 30:40] = 1  # a piece of background
    model = Recorder().train()
    task = IterativeClicks({}, max_num_next_clicks=0)
    (step,) = steps_of(task, model, batch | {"start_masks": starts}, BatchRNG(1, first=0, count=3))
    assert torch.equal(model.calls[0][2], starts)
    points = step.points
    assert used(points).sum(1).tolist() == [1, 1, 1] and torch.equal(points[2], batch["points"][2])
    row, column, order = points[0, 0].tolist()
    assert 8 <= row < 24 and 20 <= column < 30 and order == 0
    row, column, order = points[1, 4].tolist()  # negative
    assert 26 <= row < 31 and 30 <= column < 40 and order == 0


def test_a_right_or_empty_start_keeps_the_sampled_clicks(batch):
    starts = batch["instances"].clone()
    starts[0] = 0
    task = IterativeClicks({}, max_num_next_clicks=0)
    (step,) = steps_of(task, Recorder(), batch | {"start_masks": starts}, BatchRNG(1, first=0, count=3))
    assert torch.equal(step.points, batch["points"])


@pytest.mark.parametrize("task", [FOCAL, FOCAL_EVERY_CLICK], ids=["published", "every click"])
def test_a_stopped_run_of_the_refiner_goes_on_as_if_unbroken(task, tmp_path):
    images = draw_folder(tmp_path / "photos")
    options = {"network": TinyFocal, "steps": STEPS, "task": task, "norm": True, "epoch_len": 16, "save_every": 1}
    start = TinyFocal().details.weight
    whole = tiny(images, tmp_path / "whole", **options)
    save, kept = whole._save_last, []
    whole._save_last = lambda: (
        save(),
        kept.append((whole.run_config.checkpoints / "last_checkpoint.pth").read_bytes()),
    )
    weights = finished(whole)["weights"]
    (tmp_path / "early.pth").write_bytes(kept[0])
    resumed = tiny(images, tmp_path / "resumed", resume=tmp_path / "early.pth", **options)
    assert resumed.global_step == 1 and finished(resumed)["weights"] == weights
    assert weights["details.weight"] != start.flatten().tolist()


@pytest.mark.parametrize("options", [{"amp": "bf16"}, {"accumulate": 2}], ids=str)
def test_mixed_precision_and_accumulated_gradients(options, tmp_path):
    images = draw_folder(tmp_path / "photos")
    run = tiny(images, tmp_path / "run", network=TinyFocal, steps=STEPS, task=FOCAL, batch_size=4, **options)
    curves = finished(run)["curves"]
    assert all(0 < value < 10 for value in curves)
