"""CFR-ICL's training clicks and its iterative click loss, against vectors measured on the published code."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from isegm.clicks import append_simulated_clicks, split_points, used
from isegm.engine.iterative_click_loss import AppendedClicks, IterativeClickLoss
from isegm.engine.random import BatchRNG
from isegm.engine.simulated_clicks import append_clicks
from isegm.engine.tasks import LossTerm, Step
from isegm.model import build_model
from isegm.model.losses import NormalizedFocalLoss, SigmoidBinaryCrossEntropyLoss
from isegm.recipes import Recipe, light
from isegm.recipes.training import _task
from isegm.utils.errors import InputError
from tests.drawn import draw_folder
from tests.engine.focal import TinyFocal
from tests.engine.test_simulated_clicks import Chooser
from tests.engine.test_tasks import Recorder, steps_of
from tests.engine.tiny import ICL, TERMS, TinyModel, finished, stopped_and_resumed, tiny
from tests.golden import golden, golden_json


class Answers(nn.Module):
    """Answers with the golden logits of each pass in turn."""

    with_prev_mask = True

    def __init__(self, passes):
        super().__init__()
        outputs = [np.random.Generator(np.random.PCG64(30 + k)).standard_normal((2, 1, 24, 32)) for k in range(passes)]
        self.outputs = nn.ParameterList([torch.tensor(2 * each, dtype=torch.float32) for each in outputs])
        self.calls = []

    def forward(self, image, points):
        self.calls.append((image[:, 3:].clone(), points.clone()))
        return {"instances": self.outputs[len(self.calls) - 1]}


@pytest.mark.parametrize("passes", [1, 3])
def test_values_and_gradients_of_the_loss_equal_the_published_ones(passes):
    label = (np.random.Generator(np.random.PCG64(21)).random((2, 1, 24, 32)) > 0.6).astype(np.float32)
    label[:, :, 5:9, 10:20] = -1
    label[1, :, :, 28:] = -1
    points = torch.full((2, 12, 3), -1.0)
    batch = {"images": torch.rand(2, 3, 24, 32), "instances": torch.from_numpy(label), "points": points}
    task = IterativeClickLoss({"instance_loss": LossTerm(NormalizedFocalLoss(alpha=0.5, gamma=2))}, 3)
    for seed in range(20):
        model = Answers(3)
        (step,) = steps_of(task, model, batch, BatchRNG(seed, first=0, count=2))
        if len(model.calls) == passes:
            break
    assert list(step.losses) == ["instance_loss_0_1", "instance_loss_1_2", "instance_loss_2_3"][:passes]
    expected = golden_json("protocol/losses_cfr.json")[f"ICL_K{passes}"]
    assert step.loss.item() == pytest.approx(expected, rel=1e-5)
    step.loss.backward()
    gradients = np.load(golden("protocol/losses_cfr.npz"))
    for number in range(passes):
        published = gradients[f"ICL_K{passes}/grad{number}"]
        np.testing.assert_allclose(model.outputs[number].grad.numpy(), published, rtol=1e-3, atol=1e-8)
    for number, (prev_mask, _) in enumerate(model.calls[1:]):
        assert torch.equal(prev_mask, model.outputs[number].detach().sigmoid())


def run(task, batch, seed, training=True):
    model = Recorder().train(training)
    return model, steps_of(task, model, batch, BatchRNG(seed, first=0, count=4))


def test_one_step_trains_1_to_3_passes_with_gradients_and_a_click_more_each(batch):
    before, numbers = batch["points"].clone(), set()
    for seed in range(30):
        model, (step,) = run(replace(ICL, prev_mask_drop_prob=0.0), batch, seed)
        numbers.add(len(model.calls))
        answer = model.bias.sigmoid().item()
        for number, (training, gradients, prev_mask, points) in enumerate(model.calls):
            assert training and gradients
            assert torch.allclose(prev_mask, torch.full_like(prev_mask, answer if number else 0.0))
            assert used(points).sum() == 4 * (number + 1)
        assert torch.equal(step.points, model.calls[-1][3]) and isinstance(step, Step)
        assert torch.equal(batch["points"], before)
    assert numbers == {1, 2, 3}


def test_each_term_looks_at_its_own_output(batch):
    term = LossTerm(SigmoidBinaryCrossEntropyLoss(), 0.4, "instances_aux")
    task = IterativeClickLoss({"instance_aux_loss": term}, 2, weights=(1, 0.5))
    model, (step,) = next(found for found in (run(task, batch, seed) for seed in range(9)) if len(found[0].calls) == 2)
    labels = batch["instances"]
    expected = 0.4 * SigmoidBinaryCrossEntropyLoss()(2 * model.bias.expand_as(labels), labels).mean().item()
    assert step.losses["instance_aux_loss_0_1"].item() == pytest.approx(expected)
    assert step.losses["instance_aux_loss_1_0.5"].item() == pytest.approx(expected / 2)


def test_previous_masks_can_be_dropped_before_each_pass(batch):
    task = replace(ICL, prev_mask_drop_prob=1.0)
    model = next(m for m, _ in (run(task, batch, seed) for seed in range(20)) if len(m.calls) == 3)
    assert not any(prev_mask.any() for _, _, prev_mask, _ in model.calls)


def test_validation_logs_the_losses_of_the_last_click_without_weights(batch):
    for seed in range(6):
        with torch.no_grad():
            model, (step,) = run(ICL, batch, seed, training=False)
        assert list(step.losses) == list(TERMS) and 1 <= len(model.calls) <= 3


def test_without_the_loss_one_click_or_more_is_simulated_without_gradients(batch):
    numbers = set()
    for seed in range(30):
        model, (step,) = run(AppendedClicks(TERMS, 3), batch, seed)
        numbers.add(len(model.calls))
        assert [gradients for _, gradients, _, _ in model.calls] == [False] * (len(model.calls) - 1) + [True]
        assert list(step.losses) == list(TERMS)
    assert numbers == {2, 3, 4}


@pytest.mark.parametrize("on_device", [False, True])
def test_training_can_start_from_one_simulated_click(on_device, batch):
    for task in (ICL, AppendedClicks(TERMS, 3)):
        model, _ = run(replace(task, sampled_clicks=False, on_device=on_device), batch, 0)
        points = model.calls[0][3]
        assert used(points).sum(1).tolist() == [1] * 4
        assert (points[:, 0, 2] == 1).all() and (points[:, 0, :2] != torch.tensor([8.0, 10.0])).any()


def test_clicks_go_into_free_rows_and_into_the_last_row_when_there_is_none():
    points = torch.full((5, 6, 3), -1.0)
    points[1, 0, 2] = points[1, 3, 2] = 4  # a positive and a negative click
    points[2, :3, 2] = torch.tensor([2.0, 3.0, 5.0])
    points[3] = points[1]
    before = points.clone()
    is_positive = torch.tensor([True, False, True, True, False])
    there = torch.tensor([True, True, True, False, True])
    append_simulated_clicks(points, is_positive, torch.arange(10).reshape(5, 2) + 7, there)
    changed = (points != before).any(2)
    assert changed.nonzero().tolist() == [[0, 0], [1, 4], [2, 2], [4, 3]]
    assert points[changed].tolist() == [[7, 8, 1], [9, 10, 5], [11, 12, 6], [15, 16, 1]]


def test_clicks_are_the_published_ones_in_other_rows():
    masks = np.load(golden("protocol/clicker_masks.npz"))
    for result in golden_json("protocol/next_points_train.json")["results"]:
        label = masks[f"{result['mask']}/gt"].astype(np.float32)[None]
        probs = torch.from_numpy(masks[f"{result['mask']}/pred"].astype(np.float32))[None, None]
        points = torch.full((1, 48, 3), -1.0)
        append_clicks(points, probs, label, [Chooser(result["choice"])])
        found = [half[0, 0].tolist() for half in split_points(points) if used(half).any()]
        assert found == [row[1:] for row in result["changed_rows"]], result


@pytest.mark.parametrize("network", [TinyModel, lambda *_: build_model("clickseg_mobilenetv2")], ids=["tiny", "light"])
def test_a_run_stopped_within_its_turns_goes_on_as_if_unbroken(network, tmp_path):
    images = draw_folder(tmp_path / "photos", 9)
    options = {"network": network, "task": ICL, "config": {"interleaved_batches": 2}, "batch_size": 4, "epoch_len": 8}
    whole = tiny(images, tmp_path / "whole", save_every=1, **options)
    save, kept = whole._save_last, []
    last = tmp_path / "whole" / "checkpoints" / "last_checkpoint.pth"
    whole._save_last = lambda: (save(), kept.append(last.read_bytes()))
    weights = finished(whole)["weights"]
    (tmp_path / "early.pth").write_bytes(kept[0])
    turns = torch.load(tmp_path / "early.pth")["training"]["turns"]
    assert turns["done"] == 1 and len(turns["batches"]) == 2
    resumed = tiny(images, tmp_path / "resumed", resume=tmp_path / "early.pth", **options)
    assert finished(resumed)["weights"] == weights


def test_a_run_stopped_anywhere_and_gone_on_with_from_another_checkpoint(tmp_path):
    images = draw_folder(tmp_path / "photos", 9)
    resumed, whole = stopped_and_resumed(images, tmp_path, 5, task=ICL)
    assert 0 < resumed["went_on_at"] <= 5 and resumed["weights"] == whole["weights"]


def test_micro_batches_and_accumulated_gradients_learn_the_same(tmp_path):
    images = draw_folder(tmp_path / "photos", 9)
    task = IterativeClickLoss(TERMS, 2, weights=(1, 2))
    options = ({}, {"config": {"micro_batch": 3}}, {"batch_size": 4, "accumulate": 2})
    runs = [tiny(images, tmp_path / str(i), task=task, epoch_len=16, **more) for i, more in enumerate(options)]
    first, *others = (finished(run)["weights"] for run in runs)
    for other in others:
        for name, values in first.items():
            np.testing.assert_allclose(other[name], values, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("amp", [None, "bf16"])
def test_gradients_are_computed_pass_by_pass_for_one_optimiser_step(amp, tmp_path):
    run = tiny(draw_folder(tmp_path / "photos", 9), tmp_path, task=ICL, epoch_len=24, amp=amp)
    events, backward, optimise = [], run._backward, run._optimise
    run.model.register_forward_hook(lambda *_: events.append("pass") if torch.is_grad_enabled() else None)
    run._backward = lambda step: (events.append("gradients"), backward(step))
    run._optimise = lambda: (events.append("step"), optimise())
    before = run.model.last.weight.clone()
    run.run()
    steps = " ".join(events).split(" step")[:-1]
    assert len(steps) == 6 and {step.strip() for step in steps} <= {" ".join(["pass gradients"] * n) for n in (1, 2, 3)}
    assert len(set(steps)) > 1 and not torch.equal(before, run.model.last.weight)


def test_clicks_on_the_device_train_and_go_on_as_if_unbroken(tmp_path):
    images = draw_folder(tmp_path / "photos", 9)
    resumed, whole = stopped_and_resumed(images, tmp_path, 5, task=replace(ICL, on_device=True))
    assert 0 < resumed["went_on_at"] <= 5 and resumed["weights"] == whole["weights"]


RECIPE = Recipe(
    data=light.folders(epoch_len=8), crop=(64, 64), sampler=light.SAMPLER, clicks=3, losses=light.losses(aux=0.4),
    batch_size=2, lr=1e-3, epochs=4, click_weights=(1, 2, 3),
)  # fmt: skip


def test_recipes_choose_the_task():
    network = build_model("clickseg_mobilenetv2")
    task = _task(network, RECIPE)
    assert task == IterativeClickLoss(RECIPE.losses, 3, weights=(1, 2, 3))
    other = replace(RECIPE, click_weights=None, appended_clicks=True, sampled_clicks=False)
    assert _task(network, other) == AppendedClicks(RECIPE.losses, 3, sampled_clicks=False)
    with pytest.raises(InputError, match="train no refiner"):
        _task(TinyFocal(), RECIPE)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"clicks": 4}, "3 numbers for 4 clicks"),
        ({"clicks": 0}, "3 numbers for 0 clicks"),
        ({"train_every_click": True}, "leave out train_every_click"),
        ({"mixed_clicks": True}, "leave out train_every_click and mixed_clicks"),
        ({"click_weights": None, "appended_clicks": True, "clicks": 0}, "one click or more"),
        ({"click_weights": None, "mixed_clicks": True, "interleaved_batches": 2}, "leave out interleaved_batches"),
        ({"click_weights": None, "sampled_clicks": False}, "sampled_clicks goes with"),
        ({"click_weights": (1, -2, 3)}, r"click_weights of Recipe.1. must be"),
        ({"click_weights": ()}, "click_weights of Recipe must be"),
    ],
    ids=str,
)
def test_numbers_that_contradict_each_other_are_told(changed, words):
    with pytest.raises(ValueError, match=words):
        replace(RECIPE, **changed)
    with pytest.raises(ValueError, match="for 3 clicks"):
        IterativeClickLoss(TERMS, 3, weights=(1, 2))
