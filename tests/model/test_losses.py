"""Losses against vectors measured on the published code."""

import numpy as np
import pytest
import torch

from isegm.model.losses import (
    ClickLoss,
    DiversityLoss,
    FocalLoss,
    NormalizedFocalLoss,
    SigmoidBinaryCrossEntropyLoss,
    SoftIoU,
    WeightedNormalizedFocalLoss,
)
from tests.golden import golden, golden_json


def pcg(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def golden_case(case: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Predictions and labels of a golden case, as tests/golden.py's README describes them."""
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
    label[0] = 0
    loss(pred, label)  # where one has none, the largest weight is that of all samples
    weights = [NormalizedFocalLoss(alpha=0.5, gamma=2) for _ in range(3)]
    largest = [one.modulate(*_modulated(pred[i : i + 1], label[i : i + 1])).max() for i, one in enumerate(weights)]
    assert loss.log_state()["m"] == pytest.approx(0.8 * before["m"] + 0.2 * float(sum(largest) / 3), rel=1e-5)


def _modulated(pred, label):
    """Error to the power of gamma, and valid pixels, as the loss computes them."""
    valid = (label != -1).float()
    right = torch.where(label != -1, 1 - (label - pred.sigmoid()).abs(), 1.0)
    return (1 - right) ** 2, valid


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


def clicksegs_losses() -> dict:
    """ClickSEG's losses by their golden names: functions of predictions and labels."""
    weight = torch.tensor(pcg(23).random((2, 1, 24, 32), dtype=np.float32))
    clicks = torch.tensor(pcg(24).random((2, 2, 24, 32)) > 0.97).float()
    wfnl, click, diversity = WeightedNormalizedFocalLoss(alpha=0.5, gamma=2), ClickLoss(), DiversityLoss()
    return {
        "WFNL_w0.5_noweight": wfnl,
        "WFNL_w0.5_weight": lambda pred, label: wfnl(pred, label, weight),
        "ClickLoss": lambda pred, label: click(pred, label, clicks),
        "DiversityLoss": lambda pred, label: diversity(pred, label, clicks),
        "NFL_from_sigmoid": NormalizedFocalLoss(alpha=0.5, gamma=2, from_sigmoid=True),
    }


@pytest.mark.parametrize("name", clicksegs_losses())
@pytest.mark.parametrize("case", ["plain", "ignore", "saturated", "empty_label", "near_perfect"])
def test_clicksegs_values_and_gradients_equal_the_published_ones(name, case):
    expected = golden_json("protocol/losses_clickseg.json")[f"{name}|{case}"]
    gradient = np.load(golden("protocol/losses_clickseg.npz"))[f"{name}|{case}"]
    pred, label = golden_case(case)
    if name == "DiversityLoss":
        pred = torch.tensor(2 * pcg(25).standard_normal((2, 4, 24, 32)), dtype=torch.float32, requires_grad=True)
    elif name == "NFL_from_sigmoid":
        pred = pred.detach().sigmoid().requires_grad_()
    loss = clicksegs_losses()[name](pred, label)
    assert loss.shape == (2,)  # published values that are one number for the batch are the mean of ours
    found = loss.detach().numpy() if len(expected) == 2 else loss.detach().mean(0, keepdim=True).numpy()
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-7)
    loss.mean().backward()
    np.testing.assert_allclose(pred.grad.numpy(), gradient, rtol=1e-3, atol=1e-8)


def test_a_weight_map_of_one_value_changes_nothing_but_the_average_over_the_batch():
    pred, label = golden_case("plain")
    criterion = WeightedNormalizedFocalLoss(alpha=0.5, gamma=2, weight_share=0.3)
    weighted = criterion(pred, label, torch.full_like(label, 0.7))
    torch.testing.assert_close(weighted, criterion(pred, label))


def test_the_worst_latent_answers_pay_for_the_clicks_only():
    label = torch.zeros(1, 1, 16, 16)
    label[:, :, 4:12, 4:12] = 1
    clicks = torch.zeros(1, 2, 16, 16)
    clicks[:, 0, 6:9, 6:9] = 1
    good = (label - 0.5) * 12
    bad_at_the_border = torch.where(clicks[:, :1] > 0, good, -good)
    bad_at_the_click = torch.where(clicks[:, :1] > 0, -good, good)
    loss = DiversityLoss()
    assert loss(torch.cat((good, good), 1), label, clicks) < 0.01
    border = loss(torch.cat((good, bad_at_the_border), 1), label, clicks)
    click = loss(torch.cat((good, bad_at_the_click), 1), label, clicks)
    assert 2 * border < click
