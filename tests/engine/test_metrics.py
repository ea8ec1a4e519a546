"""Training metrics against vectors measured on the published code."""

import math

import numpy as np
import pytest
import torch

from isegm.engine.metrics import AdaptiveIoU, RunningIoU, batch_iou
from tests.golden import golden_json


def test_adaptive_iou_equals_the_published_one():
    expected = golden_json("protocol/adaptive_iou.json")
    metric = AdaptiveIoU()
    for step, (ema_iou, threshold) in enumerate(expected["per_step"]):
        truth = np.random.Generator(np.random.PCG64(500 + step)).random((2, 1, 16, 16)) > 0.5
        noise = np.random.Generator(np.random.PCG64(600 + step)).standard_normal((2, 1, 16, 16))
        logits = torch.from_numpy(noise + (truth - 0.5) * 2).float()
        metric.update(logits, torch.from_numpy(truth).float())
        assert (metric.ema_iou, metric.iou_thresh) == pytest.approx((ema_iou, threshold), abs=1e-6)
    assert metric.epoch_value == pytest.approx(expected["epoch_value"], abs=1e-6)


def test_ignored_pixels_do_not_count():
    logits = torch.tensor([[[[5.0, 5.0, -5.0, 5.0]]]])
    label = torch.tensor([[[[1.0, 0.0, 1.0, -1.0]]]])
    assert batch_iou(logits, label).item() == pytest.approx(1 / 3)


def test_batches_without_objects_are_passed_over():
    metric = AdaptiveIoU()
    metric.update(torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4))
    assert metric.batches == 0


def test_running_iou_begins_with_the_first_object_and_passes_over_batches_without_any():
    metric, nothing = RunningIoU(rate=0.25), torch.zeros(1, 1, 2, 2)
    half = torch.tensor([[[[5.0, 5.0], [-5.0, -5.0]]]])
    one = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])

    def after(label):
        metric.update({"a": half if label.any() else -torch.ones(1, 1, 2, 2)}, label, ["a"])
        return metric.log_state()["TrainMetrics/a_iou"]

    assert math.isnan(after(nothing))
    assert after(one) == 0.5  # the first value itself
    assert after(nothing) == 0.5
    assert after((half > 0).float()) == 0.5 + 0.25 * 0.5
