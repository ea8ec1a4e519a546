"""Losses against vectors measured on the published code."""

import numpy as np
import pytest
import torch

from isegm.model.losses import FocalLoss, NormalizedFocalLoss, SigmoidBinaryCrossEntropyLoss, SoftIoU
from tests.golden import golden, golden_json


def golden_case(case: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Predictions and labels of a golden case, as tests/golden.py's README describes them."""

    def pcg(seed):
        return np.random.Generator(np.random.PCG64(seed))

    pred = 2 * pcg(22).standard_normal((2, 1, 24, 32))
    label = (pcg(21).random((2, 1, 24, 32)) > 0.6).astype(np.float64)
    if case == "ignore":
        label[:, :, 5:9, 10:20] = -1
        label[1, :, :, 28:] = -1
    elif case == "saturated":
        pred[:, :, 0:6] = 30
        pred[:, :, 6:12] = -30
    elif case == "empty_label":
        label[:] = 0
    elif case == "near_perfect":
        pred = (label - 0.5) * 16
    return torch.tensor(pred, dtype=torch.float32, requires_grad=True), torch.tensor(label, dtype=torch.float32)


CRITERIA = {
    "NFL_a0.5_g2": NormalizedFocalLoss(alpha=0.5, gamma=2),
    "NFL_default_a0.25": NormalizedFocalLoss(),
    "NFL_maxmult4": NormalizedFocalLoss(alpha=0.5, gamma=2, max_mult=4),
    "NFL_nodetach": NormalizedFocalLoss(alpha=0.5, gamma=2, detach_normalizer=False),
    "NFL_sum": NormalizedFocalLoss(alpha=0.5, gamma=2, size_average=False),
    "Focal_a0.5": FocalLoss(alpha=0.5, gamma=2),
    "Focal_default": FocalLoss(),
    "SoftIoU": SoftIoU(),
    "BCE": SigmoidBinaryCrossEntropyLoss(),
}


def test_running_values_follow_the_published_ones():
    rows, columns, samples = np.mgrid[:8, :10, :3]
    pred = 3 * np.sin(0.7 * columns + 0.3 * rows) + 0.2 * samples
    label = (columns + rows + samples) % 3 == 0
    pred, label = (torch.tensor(np.moveaxis(a, -1, 0)[:, None], dtype=torch.float32) for a in (pred, label))
    loss = NormalizedFocalLoss(alpha=0.5, gamma=2)
    np.testing.assert_allclose(loss(pred, label), [1.079616, 1.145479, 1.212872], atol=1e-6)
    assert loss.log_state() == pytest.approx({"k": 0.248981, "m": 0.459241}, abs=1e-5)
    before = loss.log_state()
    label[:, :, 0] = -1
    loss(pred, label)
    assert loss.log_state() == before  # samples with ignored pixels do not count


def test_values_and_gradients_equal_the_published_ones():
    values = golden_json("protocol/losses_ritm.json")
    gradients = np.load(golden("protocol/losses_ritm.npz"))
    compared = 0
    for key, expected in values.items():
        name, case = key.split("|")
        pred, label = golden_case(case)
        loss = CRITERIA[name](pred, label)
        np.testing.assert_allclose(loss.detach().numpy().ravel(), np.ravel(expected), rtol=2e-5, atol=1e-7, err_msg=key)
        loss.mean().backward()
        np.testing.assert_allclose(pred.grad.numpy(), gradients[key], rtol=1e-3, atol=1e-8, err_msg=key)
        compared += 1
    assert compared == len(values) > 20
