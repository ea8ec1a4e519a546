"""Click maps against the published ones and against their definition."""

import numpy as np
import pytest
import torch

from isegm.click_maps import DistMaps, GroupedDistMaps, split_by_order
from isegm.clicks import points_tensor
from isegm.utils.errors import InputError
from tests.golden import golden, golden_json

UNUSED = [-1.0, -1.0, -1.0]


def golden_maps(kind: str) -> list[str]:
    sets = ("one_pos", "pos_neg", "pads", "fraction", "border", "none", "outside")
    radii = {"disk": (2, 3, 5, 24), "tanh": (5, 260)}[kind]
    return [f"{points}|{kind}|{radius}|torch" for points in sets for radius in radii]


def draw(key: str) -> tuple[np.ndarray, np.ndarray]:
    """Maps of a golden point set, and the ones that the published code drew."""
    points, kind, radius, _ = key.split("|")
    spec = golden_json("protocol/dist_maps.json")
    expected = np.load(golden("protocol/dist_maps.npz"))[key]
    maps = DistMaps(float(radius), use_disks=kind == "disk")(
        torch.tensor([spec["point_sets"][points]], dtype=torch.float32), tuple(spec["grid"])
    )
    return maps[0].numpy(), expected


@pytest.mark.parametrize("key", golden_maps("disk"))
def test_disks_equal_the_published_ones(key):
    maps, expected = draw(key)
    assert maps.dtype == np.float32
    np.testing.assert_array_equal(maps, expected)


@pytest.mark.parametrize("key", golden_maps("tanh"))
def test_distance_maps_equal_the_published_ones(key):
    maps, expected = draw(key)
    np.testing.assert_allclose(maps, expected, rtol=0, atol=1e-6)


def test_disks_at_half_resolution_are_disks_of_scaled_points_and_radius():
    points = torch.tensor([golden_json("protocol/dist_maps.json")["point_sets"]["pads"]], dtype=torch.float32)
    expected = np.load(golden("protocol/dist_maps.npz"))["pads|disk|5|torch|scale0.5"]
    np.testing.assert_array_equal(DistMaps(2.5, use_disks=True)(points * 0.5, expected.shape[1:])[0].numpy(), expected)


TWO_POINTS = torch.tensor([[[5.3, 7.6, 0.0], [18.0, 22.0, 1.0]]])


def test_a_disk_is_clipped_by_the_border():
    maps = DistMaps(5, use_disks=True)(TWO_POINTS, (20, 24))
    assert maps.sum(dim=(2, 3)).tolist() == [[80, 37]]


@pytest.mark.parametrize(("radius", "sums"), [(5, (464.08765, 470.08664)), (260, (35.82351, 54.93986))])
def test_distance_maps_have_the_published_sums(radius, sums):
    maps = DistMaps(radius)(TWO_POINTS, (20, 24))
    assert maps.double().sum(dim=(2, 3))[0].tolist() == pytest.approx(sums, rel=1e-6)


def test_distance_map_near_and_far():
    positive = DistMaps(5)(TWO_POINTS, (20, 24))[0, 0]
    assert [positive[5, 7].item(), positive[0, 0].item()] == pytest.approx([0.2620685, 0.9987933], abs=1e-6)


def test_a_click_above_the_crop_leaves_its_disk_and_one_beyond_the_corner_does_not():
    points = torch.tensor([[[-2.0, 3.0, 0.0], [-3.0, -3.0, 1.0], UNUSED, UNUSED]])
    positive, negative = DistMaps(5, use_disks=True)(points, (20, 24))[0]
    assert positive.sum() == 24 and negative.sum() == 0
    assert positive[0].nonzero().flatten().tolist() == list(range(8))


def test_without_clicks_disks_are_empty_and_distances_full():
    points = points_tensor([[]])
    assert not DistMaps(5, use_disks=True)(points, (6, 7)).any()
    assert (DistMaps(260)(points, (6, 7)) == 1).all()


@pytest.mark.parametrize("use_disks", [True, False])
def test_maps_of_a_batch_are_those_of_its_samples(use_disks):
    torch.manual_seed(0)
    points = torch.rand(3, 8, 3) * 60 - 10
    maps = DistMaps(5, use_disks)
    together = maps(points, (32, 40))
    assert torch.equal(together, torch.cat([maps(points[i : i + 1], (32, 40)) for i in range(3)]))


def test_disks_equal_their_definition_for_many_places_and_radii():
    rng = np.random.default_rng(0)
    grid = torch.stack(torch.meshgrid(torch.arange(25.0), torch.arange(31.0), indexing="ij"))
    for radius in (1, 2.5, 5, 7.3, 40):
        points = torch.from_numpy(rng.uniform(-12, 45, (4, 6, 3)).astype(np.float32))
        points[0, :, :2] = points[0, :, :2].round()
        squared = ((grid - points[..., :2, None, None]) ** 2).sum(dim=2)  # (4, 6, 25, 31)
        inside = (squared <= radius**2) & (points[..., :2].amax(dim=-1) >= 0)[..., None, None]
        expected = inside.view(4, 2, 3, 25, 31).any(dim=2).float()
        assert torch.equal(DistMaps(radius, use_disks=True)(points, (25, 31)), expected)


def test_clicks_are_split_by_their_order():
    rows = [(1, 1, 0), (2, 2, 1), (3, 3, 2), (4, 4, 100), (5, 5, 0), (6, 6, 1), (7, 7, -1), (-1, -1, -1)]
    points = torch.tensor([rows], dtype=torch.float32)
    parts = split_by_order(points, 3)
    kept = [[int(y) for y in part[0, :, 0] if y >= 0] for part in parts]
    assert kept == [[1], [2, 6], [3, 4, 5, 7]]  # the negative first click (5) is not in the first group
    for part in parts:
        unused = part[..., 0] < 0
        assert torch.equal(part[~unused], points[~unused]) and (part[unused] == -1).all()


@pytest.mark.parametrize("use_disks", [True, False])
def test_each_group_of_clicks_has_maps_of_its_radius(use_disks):
    points = torch.tensor([[(9.0, 8.0, 0.0), (20.0, 21.0, 2.0), (5.0, 25.0, 1.0), (-1.0, -1.0, -1.0)]])
    maps = GroupedDistMaps((2, 5), use_disks)
    assert maps.channels == 4
    grouped = maps(points, (32, 40))
    first, later = points.clone(), points.clone()
    first[0, 1:] = later[0, 0] = -1
    assert torch.equal(grouped[:, :2], DistMaps(2, use_disks)(first, (32, 40)))
    assert torch.equal(grouped[:, 2:], DistMaps(5, use_disks)(later, (32, 40)))


@pytest.mark.parametrize("radius", [0, -5, float("nan"), "5", (5,), None])
def test_a_radius_that_is_no_length_is_refused(radius):
    with pytest.raises(InputError, match="the radius of clicks must be a number of pixels above 0"):
        DistMaps(radius)
