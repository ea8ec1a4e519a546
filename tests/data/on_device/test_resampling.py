"""Both ways of reading images at other positions agree, and neighbourhoods and counts are what they are called."""

import math

import pytest
import torch
import torch.nn.functional as F

from isegm.data.on_device.resampling import counts_of_ids, extreme_around, resampled


def some_ids(seed, count=3, height=37, width=50):
    coarse = torch.randint(0, 5, (count, height // 6 + 1, width // 6 + 1), generator=torch.manual_seed(seed))
    fine = coarse.repeat_interleave(6, 1).repeat_interleave(6, 2)[:, :height, :width].to(torch.uint8)
    return torch.where(fine == 4, 255, fine)


def turned(angle, factor, x, y):
    """Positions that turn by an angle, scale by a factor and move."""
    along, across = factor * math.cos(angle), factor * math.sin(angle)
    return [[along, -across, x], [across, along, y]]


POSITIONS = torch.tensor([turned(0, 1, 0, 0), turned(0.4, 0.7, 3.25, -2.5), turned(-2, 1.5, 30, 40)])


def test_both_ways_of_reading_at_other_positions_agree():
    smooth = F.interpolate(torch.rand(3, 4, 5, 7, generator=torch.manual_seed(0)), (40, 56), mode="bicubic")
    planes = (255 * smooth.clamp(0, 1)).to(torch.uint8)
    ways = [resampled(planes, POSITIONS, (30, 44), method=method) for method in ("opencv", "torch")]
    assert ways[0].shape == (3, 4, 30, 44) and ways[0].dtype == ways[1].dtype == torch.float32
    assert torch.equal(ways[0][0], planes[0, :, :30, :44].float())
    apart = (ways[0] - ways[1]).abs()
    assert apart.mean() < 0.4 and (apart > 2).float().mean() < 0.01  # more only where the planes end
    assert (ways[0] == 0).all(1).any(), "some positions lie beyond the planes"


def test_both_ways_of_reading_the_nearest_pixel_agree():
    ids = some_ids(1)[:, None]
    ways = [resampled(ids, POSITIONS, (30, 44), nearest=True, method=method) for method in ("opencv", "torch")]
    assert (ways[0] != ways[1]).float().mean() < 0.005
    assert set(ways[0].unique().tolist()) <= {0, *ids.unique().tolist()}


@pytest.mark.parametrize("reach", [0, 1, 3, 4, 10])
def test_extremes_are_those_of_pooling(reach):
    ids = some_ids(2)
    pooled = [F.max_pool2d(sign * ids.float(), 2 * reach + 1, 1, reach) * sign for sign in (1, -1)]
    assert torch.equal(extreme_around(ids, reach, largest=True).float(), pooled[0])
    assert torch.equal(extreme_around(ids, reach, largest=False).float(), pooled[1])


@pytest.mark.parametrize("method", [None, "bincount", "scatter"])
def test_pixels_are_counted_by_id(method):
    ids = some_ids(3)
    counts = counts_of_ids(ids, method)
    assert counts.dtype == torch.float32 and counts[:, 0].eq(0).all() and counts[:, 255].eq(0).all()
    for row, image in zip(counts, ids, strict=True):
        assert row[1:5].tolist() == [float((image == value).sum()) for value in range(1, 5)]
