"""EMC-Click's training: first clicks, the same number of simulated clicks for a batch, and what the step trains."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from isegm import InputError, build_model
from isegm.data.points_sampler import FirstPointSampler, generate_probs
from isegm.data.sample import DSample
from isegm.engine.corrected_clicks import CorrectedClicks
from isegm.engine.random import BatchRNG
from isegm.engine.simulated_clicks import add_clicks_of_random_sign
from isegm.engine.tasks import run_all_steps
from isegm.recipes import emcclick, training

SIDE = 64


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_model("emcclick_segformerb0")


@pytest.fixture
def batch():
    """Two images with a square each, and a click in its middle."""
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    masks = torch.zeros(2, 1, SIDE, SIDE)
    masks[0, :, 10:40, 10:40] = masks[1, :, 20:60, 5:30] = 1
    points = torch.full((2, 48, 3), -1.0)
    points[0, 0], points[1, 0] = torch.tensor([25.0, 25.0, 0.0]), torch.tensor([40.0, 17.0, 0.0])
    return {"images": images, "instances": masks, "points": points}


def rng(*key):
    return BatchRNG(*(key or (0,)), first=0, count=2)


def square(rows=slice(10, 40), columns=slice(10, 40)):
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[rows, columns] = True
    return mask


# --- first clicks


def sampled(seed, merge=0.0):
    layer = square() * np.int32(1) + square(slice(45, 60), slice(45, 60)) * np.int32(2)
    sample = DSample.flat(np.zeros((SIDE, SIDE, 3), np.uint8), layer, [1, 2])
    sampler = FirstPointSampler(max_num_points=24, merge_objects_prob=merge)
    return sampler.sample(sample, np.random.default_rng(seed))


def test_a_sample_starts_with_one_centred_click_of_order_0():
    for seed in range(20):
        mask, points = sampled(seed)
        used = points[points[:, 2] >= 0]
        assert points.shape == (48, 3) and len(used) == 1 and used[0, 2] == 0 and points[0, 2] == 0
        row, column = used[0, :2].astype(int)
        rows, columns = np.nonzero(mask == 1)
        inside = min(row - rows.min(), rows.max() - row, column - columns.min(), columns.max() - column)
        assert inside >= 0.3 * (np.ptp(rows) + 1) / 2


def test_merged_objects_get_a_first_click_each():
    masks_and_points = [sampled(seed, merge=1.0) for seed in range(5)]
    for mask, points in masks_and_points:
        used = points[points[:, 2] >= 0]
        assert (used[:, 2] == 0).all() and len(used) == 2 and (points[24:] == -1).all()
        assert all(mask[int(row), int(column)] == 1 for row, column, _ in used)


# --- simulated clicks


def test_the_number_of_simulated_clicks_follows_the_published_distribution(network, batch):
    task = CorrectedClicks({}, max_num_next_clicks=23)
    drawn = np.array([task.begin(network, batch, rng(seed)).rounds - 1 for seed in range(2000)])
    assert drawn.min() == 0 and 15 < drawn.max() <= 23
    expected = generate_probs(24, 0.8)
    assert expected[1] / expected[0] == pytest.approx(0.8)
    found = np.bincount(drawn, minlength=24) / len(drawn)
    assert np.abs(found - expected).max() < 0.03


def error(missed=None, wrong=None):
    """Probabilities (1, 1, H, W) and a label (1, H, W) that differ in these regions."""
    label, probs = square(slice(0, 64), slice(0, 32)).astype(np.float32), np.zeros((SIDE, SIDE), np.float32)
    probs[:, :32] = 1
    if missed is not None:
        probs[missed] = 0
    if wrong is not None:
        probs[wrong] = 1
    return torch.from_numpy(probs)[None, None], label[None]


def add(points, probs, label, seed):
    add_clicks_of_random_sign(points, probs, label, [np.random.default_rng(seed)])


def test_the_sign_is_drawn_by_the_depths_of_both_kinds_of_errors():
    probs, label = error(missed=(slice(8, 20), slice(8, 20)), wrong=(slice(30, 42), slice(40, 52)))
    signs = []
    for seed in range(200):
        points = torch.full((1, 48, 3), -1.0)
        add(points, probs, label, seed)
        (used,) = np.nonzero(points[0, :, 2].numpy() == 1)
        assert used in ([23], [47])  # the last row of its half
        signs.append(used[0] == 23)
    assert 70 < sum(signs) < 130
    shallow, label = error(missed=(slice(8, 20), slice(8, 20)), wrong=(slice(30, 33), slice(40, 43)))
    drawn = []
    for seed in range(100):
        points = torch.full((1, 48, 3), -1.0)
        add(points, shallow, label, seed)
        drawn.append(int((points[0, :, 2] == 1).sum()))
    assert 0 < drawn.count(0) < 50  # where no pixel of the drawn sign is half as deep as the deepest of all


def test_clicks_are_numbered_by_sign_and_the_other_sign_follows_a_full_half():
    probs, label = error(wrong=(slice(30, 42), slice(40, 52)))
    points = torch.full((1, 6, 3), -1.0)  # three rows for each sign
    for seed in range(5):
        add(points, probs, label, seed)
    assert points[0, 3:, 2].tolist() == [3.0, 2.0, 1.0] and (points[0, :3] == -1).all()
    probs, label = error(missed=(slice(8, 20), slice(8, 20)))
    points = torch.full((1, 6, 3), -1.0)
    for seed in range(5):
        add(points, probs, label, seed)
    assert points[0, :3, 2].tolist() == [-1.0, 2.0, 1.0]  # the first row is left to the first click


def test_without_errors_there_is_no_click():
    points = torch.full((1, 6, 3), -1.0)
    add(points, *error(), 0)
    assert (points == -1).all()


# --- steps


def counted(network, name):
    calls = []
    hook = network.get_submodule(name).register_forward_hook(lambda module, *_: calls.append(module.training))
    return calls, hook


def test_the_backbone_runs_once_for_the_simulation_and_once_for_the_step(network, batch):
    task = CorrectedClicks(emcclick.losses(aux=None), max_num_next_clicks=4)
    network.train()
    steps = next(s for s in (task.begin(network, batch, rng(seed)) for seed in range(50)) if s.rounds == 4)
    (backbone, first), (correction, second) = counted(network, "feature_extractor"), counted(network, "refiner")
    try:
        run_all_steps(steps, lambda *arguments: task.forward(network, *arguments))
    finally:
        first.remove()
        second.remove()
    assert backbone == [False, True] and correction == [False, False, False, True]
    assert network.training


def test_the_step_corrects_the_last_simulated_mask(network, batch):
    task = CorrectedClicks(emcclick.losses(aux=None), max_num_next_clicks=4)
    seen = []

    def forward(given, prev_mask, points):
        seen.append((given.get("logits"), points))
        return task.forward(network, given, prev_mask, points)

    runs = {}
    for seed in range(30):
        steps = task.begin(network, batch, rng(seed))
        if steps.rounds not in runs:
            runs[steps.rounds] = run_all_steps(steps, forward)
            logits, points = seen[-1]
            assert (logits is None) == (steps.rounds == 1)
            assert logits is None or (logits.shape == (2, 1, 16, 16) and not logits.requires_grad)
            assert int((points[..., 2] > 0).sum()) <= 2 * (steps.rounds - 1)
    assert {1, 2, 3} <= set(runs)


def test_the_recipe_trains_the_first_pass_and_the_correction(network, batch):
    task = training._task(network, emcclick.recipe(lr=1e-3, aux=None))
    assert isinstance(task, CorrectedClicks) and (task.max_num_next_clicks, task.ratio) == (23, 0.8)
    network.train().zero_grad()
    step = run_all_steps(task.begin(network, batch, rng(3)), lambda *arguments: task.forward(network, *arguments))
    assert step.losses.keys() == {"instance_loss", "instance_refine_loss"}
    step.loss.backward()
    without = [name for name, value in network.named_parameters() if value.grad is None]
    assert without == ["feature_extractor.backbone.norm_add.weight", "feature_extractor.backbone.norm_add.bias"]
    assert set(task.log_states()) > {"TrainMetrics/instances_coarse_iou", "TrainMetrics/instances_iou"}


def test_half_precision_reaches_the_network(network, batch):
    task = CorrectedClicks(emcclick.losses(aux=None), max_num_next_clicks=2)
    kinds = []
    hook = network.refiner.fusion1.register_forward_hook(lambda *arguments: kinds.append(arguments[-1].dtype))
    try:
        with torch.autocast("cpu", torch.bfloat16):
            step = run_all_steps(task.begin(network, batch, rng(5)), lambda *given: task.forward(network, *given))
    finally:
        hook.remove()
    assert set(kinds) == {torch.bfloat16} and torch.isfinite(step.loss)


@pytest.mark.parametrize(
    "field",
    [dict(train_every_click=True), dict(mixed_clicks=True), dict(appended_clicks=True), dict(click_weights=[1.0] * 23)],
)
def test_other_ways_to_simulate_clicks_are_refused(network, field):
    with pytest.raises(InputError, match="leave train_every_click, mixed_clicks, appended_clicks and click_weights"):
        training._task(network, replace(emcclick.recipe(lr=1e-3, aux=None), **field))


def test_the_ratio_is_for_these_networks_alone():
    with pytest.raises(InputError, match="clicks_ratio is for networks that correct masks"):
        training._task(build_model("clickseg_mobilenetv2"), emcclick.recipe(lr=1e-3, aux=None))
