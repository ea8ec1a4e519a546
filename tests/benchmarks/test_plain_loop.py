"""The parts of a plain evaluation give the results of those that it is compared with."""

import numpy as np

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
