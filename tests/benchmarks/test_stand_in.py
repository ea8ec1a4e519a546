"""Answers of networks with random weights."""

import torch

from isegm import build_model
from isegm.benchmarks.stand_in import with_stand_in


def test_a_network_that_stands_in_answers_by_the_clicks():
    network = with_stand_in(build_model("clickseg_pplcnet").eval())
    points = torch.tensor([[[20.0, 30.0, 0.0], [50.0, 50.0, 1.0]]])
    with torch.no_grad():
        logits = network(torch.rand(1, 4, 64, 64), points)["instances"][0, 0]
    assert logits[20, 30] > 0 > logits[50, 50] and logits[0, 60] < 0
