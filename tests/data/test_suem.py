"""CFR-ICL's copy-paste between views, and its numbered clicks."""

from collections import Counter

import numpy as np
import pytest
import torch

from isegm import InputError
from isegm.clicks import split_points, used
from isegm.data.datasets.folder import FolderDataset
from isegm.data.on_device.train_set import DeviceTrainSet
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.sample import DSample
from isegm.data.suem import SuemCopyPaste
from isegm.data.train_set import TrainSet
from isegm.data.transforms import RandomView
from tests.drawn import draw_folder

SAMPLER = MultiPointSampler(6)
OWN, GROUND, FOREIGN = 10, 110, 210  # grey levels


def square(level, *boxes, ignored=()):
    """A grey view of 40 x 40 pixels whose boxes (rows and columns from, to) are objects 1, 2, ..."""
    masks = np.zeros((40, 40), np.int32)
    for number, (first, last) in enumerate(boxes, 1):
        masks[first:last, first:last] = number
    if ignored:
        masks[slice(*ignored)] = 9
    return DSample.flat(np.full((40, 40, 3), level, np.uint8), masks, range(1, len(boxes) + 1), [9] if ignored else [])


def box(first, last):
    mask = np.zeros((40, 40), bool)
    mask[first:last, first:last] = True
    return mask


def combined(rule, view, others, seed):
    """The result, and how many other views were drawn; the last of ``others`` comes again and again."""
    calls = []

    def another():
        calls.append(0)
        return others[min(len(calls), len(others)) - 1]

    return rule(view, another, SAMPLER, np.random.default_rng(seed)), len(calls)


def shares(image, own, other):
    """The share of the level ``own`` in pixels between it and ``other``."""
    return np.unique((image.astype(float) - other) / (own - other))


def test_without_luck_a_view_stays_itself():
    view = square(OWN, (5, 20))
    assert combined(SuemCopyPaste(0, 0), view, [square(FOREIGN)], 0) == (view, 0)


def test_mixing_blends_the_whole_image_and_keeps_the_masks():
    found = []
    for seed in range(40):
        view = square(OWN, (5, 20), (22, 30))
        mixed, calls = combined(SuemCopyPaste(0, 1), view, [square(FOREIGN, (0, 40))], seed)
        (share,) = shares(mixed.image, OWN, FOREIGN)
        found.append(share)
        assert calls == 1 and mixed.objects == view.objects and (mixed.encoded_masks == view.encoded_masks).all()
    assert 0.495 <= min(found) < 0.6 and 0.9 < max(found) <= 1


def test_an_object_is_blended_onto_another_view_and_meets_a_foreign_one_in_three_ways():
    own, foreign = box(5, 20), box(15, 30)
    seen = Counter()
    for seed in range(90):
        view = square(OWN, (5, 20), ignored=(36, 40))
        result, calls = combined(SuemCopyPaste(1, 0), view, [square(GROUND, (30, 39)), square(FOREIGN, (15, 30))], seed)
        assert calls == 2 and len(result.objects) == 1
        mask = result.gt_mask
        assert set(np.unique(mask)) == {0, 1}  # neither the ground's object nor the view's ignored pixels
        assert (result.image[~(own | foreign)] == GROUND).all()
        (share,) = shares(result.image[own & ~foreign], OWN, GROUND)
        assert 0.49 < share <= 1
        covered = (result.image[foreign] == FOREIGN).all()
        if ((mask == 1) == (own & ~foreign)).all():
            mode, pasted = "exclusion", True
        elif ((mask == 1) == (own | foreign)).all():
            mode, pasted = "union", True
        else:
            assert ((mask == 1) == own).all()
            mode, pasted = "mixed", False
            (share,) = shares(result.image[foreign & ~own], GROUND, FOREIGN)
            assert 0.49 < share <= 1
        assert covered == pasted
        seen[mode] += 1
    assert set(seen) == {"exclusion", "union", "mixed"} and min(seen.values()) > 15


def test_ignored_pixels_stay_ignored_but_where_something_is_pasted():
    view, other = square(OWN, (5, 20), ignored=(18, 40)), square(FOREIGN, (10, 38))
    before, pasted, modes = view.gt_mask, box(10, 38), set()
    for seed in range(80):
        result, calls = combined(SuemCopyPaste(0.5, 0), view, [other], seed)
        if calls != 1 or (result.image[0, 0] == FOREIGN).all():
            continue  # the second step did not happen, or not alone
        mask = result.gt_mask
        assert (mask[~pasted] == before[~pasted]).all()
        kept = (mask[pasted] == before[pasted]).all()
        modes.add("mixed" if kept else int(mask[pasted].max()))
        assert kept or len(np.unique(mask[pasted])) == 1
    assert modes == {"mixed", 0, 1}


def test_an_object_that_each_foreign_one_would_hide_stays_as_it_is_after_five_tries():
    view = square(OWN, (5, 20))
    hiding = square(FOREIGN, (5, 39))
    result, calls = combined(SuemCopyPaste(1, 0), view, [square(GROUND), hiding], 0)
    assert calls == 1 + 5 and (result.image[~box(5, 20)] == GROUND).all()
    enough = square(FOREIGN, (6, 39))  # leaves the 29 pixels of two edges
    assert combined(SuemCopyPaste(1, 0), view, [square(GROUND), enough], 0)[1] == 2
    result, calls = combined(SuemCopyPaste(1, 0), view, [square(GROUND), square(FOREIGN)], 0)  # nothing to paste
    assert calls == 6 and (result.gt_mask == box(5, 20)).all()


def test_a_view_without_objects_is_only_mixed():
    view = square(OWN)
    result, calls = combined(SuemCopyPaste(1, 1), view, [square(FOREIGN, (5, 20))], 0)
    assert calls == 1 and not result.objects and (result.image != OWN).all()


def test_training_samples_repeat_themselves_and_show_combined_views(tmp_path):
    reader = FolderDataset(draw_folder(tmp_path, 4))
    options = {"epoch_len": 20, "min_object_area": 20}
    plain, with_suem, again = (
        TrainSet(reader, RandomView((40, 48)), MultiPointSampler(6), suem=suem, **options)
        for suem in (None, SuemCopyPaste(), SuemCopyPaste())
    )
    changed = 0
    for index in range(20):
        sample = with_suem[index]
        assert sample["images"].shape == (3, 40, 48) and 0 <= sample["images"].min() <= sample["images"].max() <= 1
        assert set(sample["instances"].unique().tolist()) <= {0, 1} and (sample["instances"] == 1).sum() >= 10
        positive, _ = split_points(sample["points"][None])
        for row, column, _ in positive[used(positive)].tolist():
            assert sample["instances"][0, int(row), int(column)] == 1
        assert all(torch.equal(value, again[index][name]) for name, value in sample.items())
        changed += not torch.equal(sample["images"], plain[index]["images"])
    assert changed > 10  # of 20, seven in eight by chance
    samples = TrainSet(reader, RandomView((40, 48)), MultiPointSampler(6), suem=SuemCopyPaste(1, 1), epoch_len=4)
    samples.min_object_area = 100_000
    samples.allow_background = True
    assert not samples[0]["instances"].any()  # where no view shows an object, others are taken without


def test_what_the_device_cannot_compute_is_told(tmp_path):
    reader = FolderDataset(draw_folder(tmp_path, 4))
    for more, sampler in (({"suem": SuemCopyPaste()}, SAMPLER), ({}, MultiPointSampler(6, click_orders=True))):
        samples = TrainSet(reader, RandomView((40, 48)), sampler, epoch_len=4, **more)
        with pytest.raises(InputError, match="train without --data-on-device"):
            DeviceTrainSet(samples, torch.device("cpu"), 96)


def test_arguments_of_other_kinds_are_told(tmp_path):
    with pytest.raises(InputError, match="paste_prob of SuemCopyPaste"):
        SuemCopyPaste(2)
    with pytest.raises(InputError, match="suem of TrainSet must be"):
        TrainSet(FolderDataset(draw_folder(tmp_path, 4)), RandomView((40, 48)), SAMPLER, suem=0.5)


@pytest.mark.parametrize("centred", [False, True])
def test_clicks_can_be_numbered_in_a_random_order(centred):
    sampler = MultiPointSampler(8, prob_gamma=0.9, first_click_center=centred, click_orders=True)
    orders_of_first = set()
    for seed in range(30):
        _, points = sampler.sample(square(OWN, (5, 30)), np.random.default_rng(seed))
        orders = points[points[:, 0] >= 0, 2].tolist()
        first = [1.0] if centred else []
        assert sorted(orders) == first + [2.0 + number for number in range(len(orders) - len(first))]
        orders_of_first.add(orders[0])
    assert orders_of_first == {1.0} if centred else len(orders_of_first) > 3
