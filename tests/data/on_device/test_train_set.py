"""Samples made on a device: the same distributions as those of the data loader, and one seed gives one batch."""

import cv2
import numpy as np
import pytest
import torch

from isegm.data.compose import ComposeDataset
from isegm.data.datasets.base import RandomReader
from isegm.data.datasets.folder import FolderDataset
from isegm.data.on_device.draws import Draws
from isegm.data.on_device.resident import ResidentImages
from isegm.data.on_device.targets import choose_targets
from isegm.data.on_device.train_set import DeviceTrainSet
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.refiner_crops import FocusCrops
from isegm.data.sample import DSample
from isegm.data.train_set import CopyPaste, TrainSet
from isegm.data.transforms import (
    Compose,
    PadIfNeeded,
    RandomBrightnessContrast,
    RandomCrop,
    RandomFlip,
    RandomRotate90,
    RandomView,
    RGBShift,
    ShiftRotate,
    UniformRandomResize,
)
from isegm.recipes import light
from isegm.utils.errors import InputError
from isegm.utils.files import write_image
from tests.drawn import draw_folder

CPU = torch.device("cpu")
COUNT = 250  # samples of each kind
FAR = 3.5  # standard errors between two means
PUBLISHED = Compose(
    (
        UniformRandomResize((0.75, 1.4)),
        RandomFlip(),
        RandomRotate90(),
        ShiftRotate(),
        PadIfNeeded((64, 64)),
        RandomCrop((64, 64)),
        RandomBrightnessContrast(),
        RGBShift(),
    )
)
SAMPLERS = {
    "light": light.SAMPLER,
    "many clicks": MultiPointSampler(12, prob_gamma=0.7, merge_objects_prob=0.5),
    "neighbours": MultiPointSampler(12, prob_gamma=0.5, merge_objects_prob=0.7, merge_neighbours=True),
    "centred, once": MultiPointSampler(
        24, prob_gamma=0.5, merge_all_prob=0.5, first_click_center=True, only_one_first_click=True
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of up to three objects that touch, with a band of ignored pixels around some."""
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for number in range(24):
        mask = np.zeros((72, 96), np.uint8)
        for label in range(1, 2 + number % 3):
            centre = (int(rng.integers(25, 70)), int(rng.integers(20, 50)))
            axes = (int(rng.integers(10, 22)), int(rng.integers(8, 18)))
            if number % 4 == 0:
                cv2.ellipse(mask, centre, (axes[0] + 2, axes[1] + 2), 0, 0, 360, 255, -1)
            cv2.ellipse(mask, centre, axes, 0, 0, 360, label, -1)
        image = rng.integers(0, 90, (72, 96, 3)).astype(np.uint8)
        image[(mask > 0) & (mask < 255)] += rng.integers(60, 160, 3).astype(np.uint8)
        write_image(root / "images" / f"{number:02d}.png", image)
        write_image(root / "masks" / f"{number:02d}.png", mask)
    return root


def facts(sample):
    """Numbers of a sample whose means two ways of making samples must share."""
    image, label, points = (sample[name].numpy() for name in ("images", "instances", "points"))
    label, slots = label[0], len(points) // 2
    used = points[:, 0] >= 0
    positive, negative = points[:slots][used[:slots]], points[slots:][used[slots:]]
    on_target = (label == 1).astype(np.uint8)
    inside = cv2.distanceTransform(np.pad(on_target, 1), cv2.DIST_L2, 0)[1:-1, 1:-1]
    outside = cv2.distanceTransform(1 - on_target, cv2.DIST_L2, 0)
    at = [(int(y), int(x)) for y, x, _ in positive], [(int(y), int(x)) for y, x, _ in negative]
    assert all(label[place] == 1 for place in at[0])
    assert all(label[place] == 0 for place in at[1])
    return {
        "target": on_target.mean(),
        "ignored": (label == -1).mean(),
        "row of the target": np.nonzero(on_target)[0].mean(),
        "brightness": image.mean(),
        "contrast": image.std(),
        "red less blue": image[0].mean() - image[2].mean(),
        "beyond the image": (image.max(0) == 0).mean(),
        "grey": float(np.ptp(image, axis=0).max() < 0.02),
        "positive clicks": len(positive),
        "negative clicks": len(negative),
        "centred clicks": (positive[:, 2] == 0).sum(),
        "depth of the first click": inside[at[0][0]] / inside.max(),
        "distance of negative clicks": np.mean([outside[place] for place in at[1]]) if at[1] else np.nan,
    }


AUGMENTS = {"views": light.views((64, 64))[0], "published": PUBLISHED}
DEFAULT = {("views", "light"), ("views", "centred, once"), ("published", "neighbours")}


@pytest.mark.parametrize(
    ("augment", "sampler"),
    [
        pytest.param(augment, sampler, marks=() if (view, name) in DEFAULT else pytest.mark.long, id=f"{name}-{view}")
        for view, augment in AUGMENTS.items()
        for name, sampler in SAMPLERS.items()
    ],
)
def test_samples_have_the_statistics_of_those_of_the_loader(folder, augment, sampler):
    paste = CopyPaste() if augment is not PUBLISHED else None
    samples = TrainSet(
        FolderDataset(folder), augment, sampler, epoch_len=COUNT, min_object_area=60, copy_paste=paste, seed=3
    )
    loaded = [facts(samples[index]) for index in range(COUNT)]
    on_device = DeviceTrainSet(samples, CPU, 96)
    made = []
    for number in range(COUNT // 50):
        batch = on_device.batch(50, 11, number)
        made += [facts({name: value[index] for name, value in batch.items()}) for index in range(50)]
    for name in loaded[0]:
        one, other = (np.array([sample[name] for sample in each], float) for each in (loaded, made))
        one, other = one[~np.isnan(one)], other[~np.isnan(other)]
        error = np.sqrt(one.var() / len(one) + other.var() / len(other))
        assert abs(one.mean() - other.mean()) <= FAR * error + 1e-9, (name, one.mean(), other.mean(), error)


def test_a_key_gives_one_batch_and_another_key_another(folder):
    samples = TrainSet(FolderDataset(folder), light.views((48, 48))[0], light.SAMPLER, epoch_len=8, min_object_area=20)
    on_device = DeviceTrainSet(samples, CPU, 96)
    first, again, other = on_device.batch(4, 1, 2), on_device.batch(4, 1, 2), on_device.batch(4, 1, 3)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["images"], other["images"])
    assert first["images"].shape == (4, 3, 48, 48) and first["instances"].unique().tolist()[-1] == 1
    one, two = on_device.batches([[3, 1], [5]])
    assert len(one["images"]) == 2 and len(two["images"]) == 1


def test_shares_decide_how_often_images_are_drawn(folder, tmp_path):
    other = draw_folder(tmp_path / "other", 3)
    reader = ComposeDataset([FolderDataset(folder), FolderDataset(other)], [1, 9])
    resident = ResidentImages.load(reader, CPU, 64)
    assert resident.shares[:24].sum() == pytest.approx(0.1) and resident.shares[24:].sum() == pytest.approx(0.9)
    assert resident.side == 64 and resident.sizes[0].tolist() == [48, 64]
    assert resident.ids[0].unique().tolist() == [0, 1, 255]


def test_ignored_pixels_of_a_reader_may_be_minus_1():
    class Reader:
        name = "own"

        def __len__(self):
            return 1

        def get_sample(self, index):
            mask = np.zeros((40, 60), np.int32)
            mask[:20, :30], mask[20:] = 7, -1
            return DSample.flat(np.zeros((40, 60, 3), np.uint8), mask, [7], [-1])

    for side, scale in ((60, 1), (30, 2)):
        ids = ResidentImages.load(Reader(), CPU, side).ids[0, : 40 // scale, : 60 // scale]
        assert [(ids == value).sum() * scale**2 for value in (0, 1, 255)] == [600, 600, 1200]


def test_every_image_is_shown_once_where_the_samples_are_not_drawn(folder):
    view = RandomView((72, 96), p_whole=1.0, rotation=0, aspect=1.0, p_flip=0.0)
    on_device = DeviceTrainSet(TrainSet(FolderDataset(folder), view, light.SAMPLER), CPU, 96)
    (batch,) = on_device.batches([[5, 0, 9]])
    for number, image in zip((5, 0, 9), batch["images"], strict=True):
        shown = (image * 255).round().byte()
        assert (shown[:, 1:-1, 1:-1] == on_device.resident.images[number, :, 1:71, 1:95]).float().mean() > 0.99
    weighted = TrainSet(FolderDataset(folder), view, light.SAMPLER, weights=np.arange(24) == 7)
    assert DeviceTrainSet(weighted, CPU, 96).resident.shares.nonzero().flatten().tolist() == [7]


def test_what_cannot_be_done_on_a_device_is_one_sentence(folder, tmp_path):
    view = light.views((48, 48))[0]

    def sample(augment=view, sampler=light.SAMPLER, **more):
        return TrainSet(FolderDataset(folder), augment, sampler, epoch_len=8, **more)

    class Sharpen:
        def __call__(self, image, masks, rng):
            return image, masks

    for wrong, words in (
        (sample(Compose((view, Sharpen()))), "Sharpen has no version for data on the device"),
        (sample(sampler=MultiPointSampler(use_hierarchy=True)), "parts of objects are no targets on the device"),
        (sample(retry_image=True), "are not drawn again from one image"),
        (sample(steps=(FocusCrops(),)), "FocusCrops cannot be computed on the device"),
    ):
        with pytest.raises(InputError, match=words):
            DeviceTrainSet(wrong, CPU, 96)

    class Moody(RandomReader):
        name = "Moody"

        def __len__(self):
            return 1

        def draw_sample(self, index, rng):
            return FolderDataset(folder).get_sample(0)

    with pytest.raises(InputError, match="Moody draws what its images show"):
        ResidentImages.load(ComposeDataset([FolderDataset(folder), Moody()]), CPU, 64)
    ends_open = DeviceTrainSet(sample(UniformRandomResize()), CPU, 96)
    with pytest.raises(InputError, match="views of different sizes: end it with a crop"):
        ends_open.batch(2, 0)


def test_only_neighbours_are_merged_where_the_sampler_says_so():
    stripes = torch.arange(1, 5, dtype=torch.uint8).repeat_interleave(20).expand(80, 40, 80)
    sampler = MultiPointSampler(merge_objects_prob=1.0, max_num_merged_objects=3, merge_neighbours=True)
    targets = choose_targets(stripes, 1, sampler, Draws(torch.device("cpu"), 0))
    on_target = targets.on_target(stripes)
    seen = {tuple(ids[chosen].unique().tolist()) for ids, chosen in zip(stripes, on_target, strict=True)}
    assert seen == {(1, 2), (2, 3), (3, 4), (1, 2, 3), (2, 3, 4)} and targets.with_others.all()
