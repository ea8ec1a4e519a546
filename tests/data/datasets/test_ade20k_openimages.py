"""ADE20k and OpenImages in their published layouts."""

import pickle

import numpy as np
import pytest

from isegm import InputError
from isegm.data.datasets.ade20k import Ade20kDataset
from isegm.data.datasets.openimages import OpenImagesDataset
from tests import miniatures


def drawn(dataset, index, draws=40):
    """The distinct tuples of areas of many draws of one sample."""
    samples = (dataset.draw_sample(index, np.random.default_rng(seed)) for seed in range(draws))
    return {tuple(sample.areas().values()) for sample in samples}


@pytest.mark.parametrize("inside", ["", "ADE20K_2016_07_26"])
def test_ade20k_draws_a_layer_and_leaves_stuff_out(tmp_path, inside):
    root = miniatures.ade20k(tmp_path) / inside
    for index in tmp_path.glob("*.pkl"):
        index.rename(root / index.name)
    dataset = Ade20kDataset(root)
    assert (len(dataset), len(Ade20kDataset(root, "val"))) == (2, 1)
    assert drawn(dataset, 0) == {(625, 800), (100,)}
    assert drawn(Ade20kDataset(root, stuff_prob=1), 0) == {(625, 1200, 800), (100,)}
    assert dataset.get_sample(0).background_mask[40, 55] and dataset.get_sample(1).sample_id == "ADE_train_00000002"
    assert pickle.loads(pickle.dumps(dataset)).items == dataset.items


def test_openimages_draws_an_object_at_the_smaller_size(tmp_path):
    dataset = OpenImagesDataset(miniatures.openimages(tmp_path))
    assert len(dataset) == 2
    assert len(drawn(dataset, 0)) == 1 and len(drawn(dataset, 1)) == 2
    sample = dataset.get_sample(0)  # the mask, 120 by 120 for an image of 60 by 80
    assert sample.image.shape == (60, 80, 3) and sample.encoded_masks.shape == (60, 80, 1)
    assert sample.pixels(0)[5:30, 8:40].all() and sample.areas() == {0: 25 * 33}


@pytest.mark.parametrize(
    ("make", "reader", "index"),
    [
        (miniatures.ade20k, Ade20kDataset, "train-annotations-object-segmentation.pkl"),
        (miniatures.openimages, OpenImagesDataset, "train/train-annotations-object-segmentation_clean.pkl"),
    ],
)
def test_broken_foreign_and_stale_indexes(tmp_path, caplog, make, reader, index):
    path = make(tmp_path) / index
    honest = path.read_bytes()
    huge = {10**5000: {"folder": 1, "layers": [{"mask_name": "a", "stuff_instances": ()}]}}  # too long to be printed
    huge |= {"image_id_to_masks": {10**5000: ["a"]}, "dataset_samples": [10**5000]}
    for content in ({}, [], 3, {"a": {"folder": 1, "layers": []}}, {"a": {"folder": 1, "layers": [{}]}}, huge):
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(InputError, match="does not hold an index of"):
            reader(tmp_path)
    content = pickle.loads(honest)
    if reader is Ade20kDataset:
        content |= {"broken": {"folder": 1}, 10**5000: []}
    else:
        content["dataset_samples"] = [*content["dataset_samples"], "broken", 10**5000]
    path.write_bytes(pickle.dumps(content))
    assert len(reader(tmp_path)) == len(content.get("dataset_samples", content)) - 2
    assert "records cannot be read and are left out: broken, a number of more than 64 bits" in caplog.text
    path.write_bytes(honest)
    next(tmp_path.rglob("*1.jpg")).unlink()
    with pytest.raises(InputError, match="names 1 files that are not there"):
        reader(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match="there is no annotation file"):
        reader(tmp_path)
