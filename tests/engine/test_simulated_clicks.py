"""Simulated training clicks."""

import numpy as np
import pytest
import torch

from isegm.clicks import split_points, used
from isegm.engine.simulated_clicks import add_simulated_clicks, click_candidates
from tests.golden import golden, golden_json


class Chooser:
    """Stands for a random generator that always picks the first, middle or last candidate."""

    def __init__(self, choice):
        self.choice = choice

    def integers(self, count):
        return {"first": 0, "middle": count // 2, "last": count - 1}[self.choice]


def test_candidates_and_rows_equal_the_published_ones():
    masks = np.load(golden("protocol/clicker_masks.npz"))
    results = golden_json("protocol/next_points_train.json")["results"]
    for result in results:
        label = torch.from_numpy(masks[f"{result['mask']}/gt"].astype(np.float32))[None, None]
        probs = torch.from_numpy(masks[f"{result['mask']}/pred"].astype(np.float32))[None, None]
        points = torch.full((1, 48, 3), -1.0)
        before = points.clone()
        add_simulated_clicks(points, probs, label[:, 0].numpy(), 1, [Chooser(result["choice"])])
        changed = (points != before).any(dim=2)[0].nonzero().flatten().tolist()
        assert [[row, *points[0, row].tolist()] for row in changed] == result["changed_rows"], result
        _, candidates = click_candidates(probs[0, 0].numpy(), label[0, 0].numpy())
        assert len(candidates) == result["candidates"], result
    assert len(results) > 50


@pytest.mark.parametrize("is_positive", [True, False])
def test_a_click_falls_inside_the_error_and_has_its_sign(is_positive):
    label = torch.zeros(1, 1, 40, 50)
    probs = torch.zeros(1, 1, 40, 50)
    (label if is_positive else probs)[..., 10:20, 15:35] = 1
    points = torch.full((1, 6, 3), -1.0)
    add_simulated_clicks(points, probs, label[:, 0].numpy(), 2, [np.random.default_rng(0)])
    half = split_points(points)[0 if is_positive else 1]
    (click,) = half[used(half)].tolist()
    assert 10 <= click[0] < 20 and 15 <= click[1] < 35 and click[2] == 2
    assert used(points).sum() == 1


def test_a_perfect_answer_gets_no_click():
    label = torch.ones(1, 1, 8, 8)
    points = torch.full((1, 4, 3), -1.0)
    add_simulated_clicks(points, label, label[:, 0].numpy(), 1, [np.random.default_rng(0)])
    assert not used(points).any()
