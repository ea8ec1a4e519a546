"""Sampling weights, and random draws that depend on (seed, epoch, index) alone."""

import pickle

import numpy as np
import pytest

from isegm import InputError
from isegm.data.compose import ComposeDataset
from isegm.data.datasets.base import RandomReader
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.sample import DSample
from isegm.data.sample_weights import sample_weights
from isegm.data.train_set import TrainSet


class Numbered(RandomReader):
    """Images whose red is their index and whose green is drawn."""

    name = "numbered"

    def __len__(self):
        return 4

    def draw_sample(self, index, rng):
        image = np.zeros((8, 8, 3), np.uint8)
        image[..., 0], image[..., 1] = index, rng.integers(200)
        return DSample.flat(image, np.ones((8, 8), np.uint8), [1])


def unchanged(image, masks, rng):
    return image, masks


def scores(path, rows):
    path.write_bytes(pickle.dumps(rows))
    return path


def test_weights_follow_scores_by_index(tmp_path):
    rows = [(2, "a", np.float32(0.5)), (0, "b", 0.0), (1, "c", 1.0)]
    weights = sample_weights(scores(tmp_path / "x.pkl", rows), 4, gamma=2)
    assert weights == pytest.approx([0.8, 0, 0.2, 0])


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([(4, "a", 0.5)], "scores 5 samples, the data set has 4"),
        ([(0, "a", 1.0)], "so that none would be drawn"),
        ([(0, "a", 1.5)], "does not hold rows of"),
        ([(0, "a")], "does not hold rows of"),
        ([], "does not hold rows of"),
        (3, "does not hold rows of"),
        ([("x", "a", 0.5)], "does not hold rows of"),
    ],
)
def test_foreign_scores(tmp_path, rows, words):
    with pytest.raises(InputError, match=words):
        sample_weights(scores(tmp_path / "x.pkl", rows), 4)


def test_a_training_set_draws_by_weight():
    weights = np.array([0, 0.75, 0, 0.25])
    train_set = TrainSet(Numbered(), unchanged, MultiPointSampler(2), weights=weights)
    drawn = []
    for train_set.epoch in range(100):
        drawn += [round(float(train_set[index]["images"][0, 0, 0]) * 255) for index in range(len(train_set))]
    assert set(drawn) == {1, 3} and drawn.count(1) == pytest.approx(300, abs=30)


def test_what_is_random_about_a_sample_depends_on_seed_epoch_and_index():
    def greens(epoch, seed=0, order=range(4)):
        train_set = TrainSet(ComposeDataset([Numbered()]), unchanged, MultiPointSampler(2), seed=seed)
        train_set.epoch = epoch
        return {index: float(train_set[index]["images"][1, 0, 0]) for index in order}

    assert greens(0) == greens(0, order=[3, 1, 0, 2])
    assert len({*greens(0).values(), *greens(1).values(), *greens(0, seed=1).values()}) > 6
