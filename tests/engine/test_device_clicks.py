"""Clicks simulated on a device, training with mixed click numbers, averaged weights and runs of some minutes."""

import cv2
import numpy as np
import pytest
import torch

from isegm.data.datasets.folder import FolderDataset
from isegm.data.on_device.draws import Draws
from isegm.data.on_device.train_set import DeviceTrainSet
from isegm.data.train_set import CopyPaste, TrainSet
from isegm.engine.averaging import WeightAverage
from isegm.engine.config import RunConfig, TrainConfig
from isegm.engine.device_clicks import add_clicks_on_device
from isegm.engine.mixed_clicks import MixedClicks
from isegm.engine.schedule import WarmupDecay
from isegm.engine.tasks import IterativeClicks
from isegm.engine.trainer import Trainer
from isegm.model import build_model
from isegm.model.checkpoint import read_checkpoint
from isegm.recipes import light
from isegm.utils.errors import InputError
from tests.drawn import draw_folder
from tests.engine.tiny import TinyModel

CPU = torch.device("cpu")


def wrong_masks(seed, height=40, width=48):
    rng = np.random.default_rng(seed)
    truth, probs = (cv2.resize(rng.random((6, 6)).astype(np.float32), (width, height)) for _ in range(2))
    return (truth > 0.5).astype(np.float32), probs


def exact_candidates(probs, label):
    """The published rule with exact distances: whether the click is positive, and where it may lie."""
    missing, excess = (
        cv2.distanceTransform(np.pad(error.astype(np.uint8), 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
        for error in ((label > 0.5) & (probs < 0.49), (label <= 0.5) & (probs > 0.49))
    )
    is_positive = missing.max() > excess.max()
    depth = missing if is_positive else excess
    return is_positive, depth > max(missing.max(), excess.max()) / 2, depth > 0


@pytest.mark.parametrize("anywhere", [0.0, 1.0])
def test_clicks_lie_where_the_rule_with_exact_distances_says(anywhere):
    count = 60
    pairs = [wrong_masks(seed) for seed in range(count)]
    labels, probs = (torch.from_numpy(np.stack(each))[:, None] for each in zip(*pairs, strict=True))
    labels[0] = (probs[0] > 0.49).float()  # no error
    labels[1, :, :4] = -1  # ignored, which counts as background
    points = torch.full((count, 10, 3), -1.0)
    order = torch.arange(count) % 5 + 1
    add_clicks_on_device(points, probs, labels, order, Draws(CPU, 0), anywhere)
    assert (points[0] == -1).all()
    for sample in range(1, count):
        (row,) = np.flatnonzero(points[sample, :, 0] >= 0)
        is_positive, inner, error = exact_candidates(probs[sample, 0].numpy(), labels[sample, 0].numpy())
        y, x, number = points[sample, row].int().tolist()
        assert row == (5 if is_positive else 10) - number and number == order[sample]
        assert (error if anywhere else inner)[y, x]


def test_an_order_that_does_not_fit_leaves_the_clicks_as_they_are():
    truth, probs = (torch.from_numpy(each)[None, None] for each in wrong_masks(3))
    points = torch.full((1, 4, 3), -1.0)
    add_clicks_on_device(points, probs, truth, torch.tensor([3]), Draws(CPU, 0))
    assert (points == -1).all()


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return draw_folder(tmp_path_factory.mktemp("photos"))


def trainer(images, folder, task, epoch_len=12, epochs=1, ema=None, on_device=True, **more):
    torch.manual_seed(0)
    model = TinyModel(norm=True)
    samples = TrainSet(
        FolderDataset(images), light.views((32, 32))[0], light.SAMPLER, epoch_len=epoch_len, min_object_area=20,
        copy_paste=CopyPaste(),
    )  # fmt: skip
    config = TrainConfig(task, 4, epochs, WarmupDecay(epochs, 0.1, 0.7), lr=2e-3, ema=ema)
    run = RunConfig(folder / "checkpoints", folder / "vis", folder / "logs", workers=0, **more)
    return Trainer(model, DeviceTrainSet(samples, CPU, 96) if on_device else samples, None, config, run)


def run_for(run, passes):
    """Train until the network has run so often, as if the run's minutes were over then."""
    seen = []

    def count(*_):
        seen.append(1)
        if len(seen) == passes:
            run.clock.end = 0.0

    run.model.register_forward_hook(count)
    return run.run()


def trained(checkpoint):
    return read_checkpoint(checkpoint)["state_dict"]


def every_click(**more):
    return IterativeClicks(light.losses(aux=None), 2, train_every_click=True, on_device=True, **more)


def test_training_on_the_device_repeats_itself_and_goes_on_as_if_unbroken(images, tmp_path):
    for name in ("one", "two"):
        assert trainer(images, tmp_path / name, every_click(), epochs=2).run()
    one, two = (trained(tmp_path / name / "checkpoints" / "last_checkpoint.pth") for name in ("one", "two"))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    assert not run_for(trainer(images, tmp_path / "broken", every_click(), epochs=2, minutes=60), 4)
    last = tmp_path / "broken" / "checkpoints" / "last_checkpoint.pth"
    stands = read_checkpoint(last)["training"]
    assert (stands["epoch"], stands["step_in_epoch"], stands["turns"]["done"]) == (0, 1, 2)
    assert trainer(images, tmp_path / "broken", every_click(), epochs=2, resume=last).run()
    again = trained(last)
    assert all(torch.equal(one[name], again[name]) for name in one)


def test_mixed_clicks_keep_a_pool_of_all_click_numbers(images, tmp_path):
    task = MixedClicks(light.losses(aux=None), max_num_next_clicks=3)
    run = trainer(images, tmp_path, task, epoch_len=24)
    seen = []
    run.model.register_forward_hook(lambda module, given, output: seen.append(len(given[1])))
    run.run()
    assert seen == [16] * 6  # one step for each new batch of 4
    pool = task.pool
    assert pool.parts == [4] * 4 and pool.clicks.tolist() == [4] * 4 + [3] * 4 + [2] * 4 + [1] * 4
    simulated = ((pool.points[..., 2] > 0) & (pool.points[..., 2] < 100)).sum(1)
    assert (simulated <= pool.clicks).all() and simulated[:4].float().mean() > 2


def test_the_average_of_the_weights_is_what_users_get(images, tmp_path):
    run = trainer(images, tmp_path / "whole", every_click(), ema=0.9, epochs=2)
    run.run()
    last = tmp_path / "whole" / "checkpoints" / "last_checkpoint.pth"
    content = read_checkpoint(last)
    own, average = content["training"]["weights"], content["state_dict"]
    name = "last.weight"
    assert not torch.equal(own[name], average[name])
    assert torch.equal(own[name], run.model.state_dict()[name])
    assert torch.equal(average[name], run.trained.state_dict()[name])
    assert content["training"]["averaged"] == run.average.steps > 10
    run_for(trainer(images, tmp_path / "broken", every_click(), ema=0.9, epochs=2, minutes=60), 4)
    stopped = tmp_path / "broken" / "checkpoints" / "last_checkpoint.pth"
    trainer(images, tmp_path / "broken", every_click(), ema=0.9, epochs=2, resume=stopped).run()
    again = read_checkpoint(stopped)["state_dict"]
    assert all(torch.equal(average[key], again[key]) for key in average)
    with pytest.raises(InputError, match=r"was trained with ema 0\.9, not None"):
        trainer(images, tmp_path / "broken", every_click(), epochs=2, resume=stopped)
    for wrong, words in (({"weights": {}}, "does not fit the network"), ({}, "has no weights beside their average")):
        damaged = torch.load(stopped)
        for key in ("weights", "averaged") if not wrong else ():
            del damaged["training"][key]
        damaged["training"] |= wrong
        torch.save(damaged, tmp_path / "damaged.pth")
        with pytest.raises(InputError, match=words):
            trainer(images, tmp_path / "broken", every_click(), ema=0.9, epochs=2, resume=tmp_path / "damaged.pth")


def test_the_average_follows_closely_at_first_and_slowly_later():
    model = build_model("clickseg_mobilenetv2")
    average = WeightAverage(model, 0.5)
    parameter = next(model.parameters())
    values = []
    for value in (1.0, 2.0, 2.0, 2.0):
        torch.nn.init.constant_(parameter, value)
        average.update(model)
        values.append(float(next(average.model.parameters()).detach().flatten()[0]))
    assert values[0] == 1.0
    assert values[1] == pytest.approx(2 - 2 / 11) and values[2] == pytest.approx(2 - 2 / 11 * 3 / 12)
    assert all(torch.equal(a, b) for a, b in zip(average.model.buffers(), model.buffers(), strict=True))
