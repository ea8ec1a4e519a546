"""Several readers as one."""

import numpy as np
import pytest

from isegm.data.compose import ComposeDataset
from isegm.data.datasets.folder import FolderDataset
from tests.drawn import draw_folder


def test_ratios_decide_how_often_each_folder_is_drawn(tmp_path):
    readers = [FolderDataset(draw_folder(tmp_path / name, 4, seed=seed)) for seed, name in enumerate("ab")]
    combined = ComposeDataset(readers, [0.9, 0.1])
    rng = np.random.default_rng(0)
    drawn = np.array([combined.draw_index(rng) for _ in range(1000)])
    assert set(drawn) == set(range(8)) and (drawn < 4).mean() == pytest.approx(0.9, abs=0.04)
    assert [combined.get_sample(i).sample_id for i in (0, 3, 4, 7)] == ["00", "03", "00", "03"]
