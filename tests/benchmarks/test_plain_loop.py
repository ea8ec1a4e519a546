"""The parts of a plain evaluation give the results of those that it is compared with."""

import numpy as np
import pytest
import torch

from isegm import Click, build_model
from isegm.benchmarks import plain_loop
from isegm.benchmarks.plain_loop import PlainClicker, PlainPredictor
from isegm.inference.clicker import Clicker


def test_the_plain_user_clicks_where_the_other_does():
    rng = np.random.default_rng(0)
    gt = (rng.random((40, 50)) > 0.4).astype(np.int32)
    plain, ours = PlainClicker(gt), Clicker(gt)
    for _ in range(12):
        mask = rng.random((40, 50)) > 0.5
        first, second = plain.make_next_click(mask), ours.make_next_click(mask)
        assert (first.coords, first.is_positive) == (second.coords, second.is_positive)


def test_the_plain_user_searches_the_larger_error_alone_as_published(monkeypatch):
    searched = []
    find = np.where
    monkeypatch.setattr(plain_loop.np, "where", lambda map: searched.append(map.shape) or find(map))
    gt = np.zeros((40, 50), np.int32)
    gt[5:30, 5:40] = 1
    PlainClicker(gt).make_next_click(np.roll(gt == 1, 3, axis=1))
    assert searched == [(40, 50)]


@pytest.mark.parametrize("name, joined", [("clickseg_pplcnet", 1), ("segnext_vit_tiny", 0)])
def test_an_image_that_is_encoded_once_is_not_joined_with_masks(monkeypatch, name, joined):
    sizes = []
    join = torch.cat
    monkeypatch.setattr(torch, "cat", lambda tensors, dim=0: sizes.append(tensors[0].shape) or join(tensors, dim=dim))
    predictor = PlainPredictor(build_model(name))
    session = predictor.start(np.zeros((50, 70, 3), np.uint8))
    predictor.step([session], [Click(True, (20, 30))])
    assert sizes.count((1, 3, 50, 70)) == joined
