"""The parts of a plain evaluation give the results of those that it is compared with."""

import numpy as np

from isegm.benchmarks import plain_loop
from isegm.benchmarks.plain_loop import PlainClicker
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
