"""How a batch becomes optimiser steps."""

import pytest
import torch
from torch import nn

from isegm import InputError
from isegm.clicks import used
from isegm.engine.random import BatchRNG
from isegm.engine.tasks import IterativeClicks, LossTerm
from isegm.engine.training_step import TrainingStep
from isegm.model.click_model import ClickModel
from isegm.model.losses import NormalizedFocalLoss, SigmoidBinaryCrossEntropyLoss, SoftIoU
from tests.analytic import TinyModel


class Recorder(nn.Module):
    """Answers with a learnt constant and notes how it was called."""

    with_prev_mask = True
    encodes_once = False

    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.tensor(0.3))
        self.calls = []

    def forward(self, image, points):
        self.calls.append((self.training, torch.is_grad_enabled(), image[:, 3:].clone(), points.clone()))
        logits = self.bias.expand(len(image), 1, *image.shape[2:])
        return {"instances": logits, "instances_aux": 2 * logits}


class EncodeOnceRecorder(ClickModel):
    """Answers with a learnt constant times the image's mean, and notes how often it encodes and decodes."""

    encodes_once = True

    def __init__(self):
        super().__init__()
        self.scale, self.bias = nn.Parameter(torch.tensor(0.2)), nn.Parameter(torch.tensor(0.3))
        self.encoded, self.decoded = [], []

    def encode(self, image):
        self.encoded.append((self.training, torch.is_grad_enabled(), len(image)))
        return {"mean": self.scale * image.mean(dim=1, keepdim=True)}

    def decode(self, features, points, prev_mask=None, cache=None):
        self.decoded.append((self.training, torch.is_grad_enabled(), len(points)))
        return {"instances": self.bias + features["mean"] + 0.1 * prev_mask}


TERMS = {
    "instance_loss": LossTerm(NormalizedFocalLoss(0.5, 2)),
    "instance_aux_loss": LossTerm(SigmoidBinaryCrossEntropyLoss(), 0.4, "instances_aux"),
}


def steps_of(task, model, batch, batch_rng):
    """All steps of a batch."""
    steps = task.begin(model, batch, batch_rng)
    forward = TrainingStep(model, task)
    return [steps.step(index, forward) for index in range(steps.number_of_steps)]


def run(task, batch, seed):
    model = Recorder().train()
    return model, steps_of(task, model, batch, BatchRNG(seed, first=0, count=4))


def test_the_published_scheme_simulates_0_to_3_clicks_without_gradients_and_steps_once(batch):
    rounds = set()
    for seed in range(40):
        model, steps = run(IterativeClicks(TERMS, 3), batch, seed)
        assert len(steps) == 1 and model.training
        rounds.add(len(model.calls))
        for training, gradients, prev_mask, _ in model.calls[:-1]:
            assert not training and not gradients
            assert prev_mask.shape == (4, 1, 16, 20)
        training, gradients, prev_mask, points = model.calls[-1]
        assert training and gradients
        expected = torch.sigmoid(model.bias).item() if len(model.calls) > 1 else 0
        assert torch.allclose(prev_mask, torch.full_like(prev_mask, expected))
        assert used(points).sum() == 4 * len(model.calls)  # one more click for each simulated round
        assert torch.equal(steps[0].points, points)
    assert rounds == {1, 2, 3, 4}


def test_a_loss_of_an_output_that_the_network_lacks_names_both(batch):
    with pytest.raises(InputError, match="compares instances_refined, and the network returns instances,"):
        run(IterativeClicks({"refine_loss": LossTerm(SoftIoU(), output="instances_refined")}, 0), batch, 0)


def test_losses_are_weighted_and_have_gradients(batch):
    model, (step,) = run(IterativeClicks(TERMS, 0), batch, 0)
    labels = batch["instances"]
    expected = 0.4 * SigmoidBinaryCrossEntropyLoss()(2 * model.bias.expand_as(labels), labels).mean()
    assert step.losses["instance_aux_loss"].item() == pytest.approx(expected.item())
    sum(step.losses.values()).backward()
    assert model.bias.grad.abs() > 0


def test_previous_masks_can_be_dropped(batch):
    for probability, kept in ((0.0, 4), (1.0, 0)):
        task = IterativeClicks(TERMS, 3, prev_mask_drop_prob=probability)
        model = next(m for m, _ in (run(task, batch, seed) for seed in range(20)) if len(m.calls) > 1)
        assert (model.calls[-1][2].flatten(1).amax(1) > 0).sum() == kept


def test_every_click_can_be_a_step(batch):
    numbers = set()
    for seed in range(40):
        model, steps = run(IterativeClicks(TERMS, 3, train_every_click=True), batch, seed)
        assert len(steps) == len(model.calls) and all(call[0] and call[1] for call in model.calls)
        numbers.add(len(steps))
    assert numbers == {2, 3, 4}


def test_the_batch_is_left_as_it_was(batch):
    before = batch["points"].clone()
    run(IterativeClicks(TERMS, 3, train_every_click=True), batch, 1)
    assert torch.equal(batch["points"], before)


def test_running_values_are_named_for_the_log(batch):
    task = IterativeClicks(TERMS, 0)
    run(task, batch, 0)
    states = task.log_states()
    assert set(states) == {"TrainLosses/instance_loss_k", "TrainLosses/instance_loss_m"}
    assert states["TrainLosses/instance_loss_k"] > 0


def test_a_loss_that_reads_what_a_batch_lacks_is_told_in_a_sentence(batch):
    term = LossTerm(lambda prediction, target, *more: prediction.mean(), target="mask", inputs=("instances", "edges"))
    with pytest.raises(InputError, match="a loss of the recipe reads edges, mask, and a batch has images, instances"):
        term({"instances": torch.zeros(1, 1, 4, 4)}, batch)


def test_a_network_that_encodes_once_does_so_once_in_a_step_and_with_gradients(batch):
    task = IterativeClicks({"instance_loss": TERMS["instance_loss"]}, 3)
    decoded = set()
    for seed in range(20):
        model = EncodeOnceRecorder().train()
        (step,) = steps_of(task, model, batch, BatchRNG(seed, first=0, count=4))
        assert model.encoded == [(True, True, 4)] and model.training
        assert model.decoded == [(False, False, 4)] * (len(model.decoded) - 1) + [(True, True, 4)]
        decoded.add(len(model.decoded))
        step.loss.backward()
        assert model.scale.grad.abs() > 0 and model.bias.grad.abs() > 0
    assert decoded == {1, 2, 3, 4}


def test_encoding_once_changes_nothing_that_is_learnt(batch):
    task = IterativeClicks({"instance_loss": TERMS["instance_loss"]}, 3)
    results = []
    for once in (True, False):
        model = EncodeOnceRecorder().train()
        model.encodes_once = once
        (step,) = steps_of(task, model, batch, BatchRNG(5, first=0, count=4))
        step.loss.backward()
        results.append((len(model.encoded), step, model.scale.grad))
    (mine, step, grad), (others, other, expected) = results
    assert mine == 1 and others > 2
    assert torch.equal(step.points, other.points) and torch.equal(step.logits, other.logits)
    assert torch.equal(grad, expected)


def test_validation_of_a_network_that_encodes_once_keeps_no_gradients(batch):
    task = IterativeClicks({"instance_loss": TERMS["instance_loss"]}, 3)
    model = EncodeOnceRecorder().eval()
    with torch.no_grad():
        (step,) = steps_of(task, model, batch, BatchRNG(5, first=0, count=4))
    assert model.encoded == [(False, False, 4)] and not step.loss.requires_grad


def test_strokes_of_a_batch_reach_networks_that_read_them_and_no_others():
    seen = []

    class Reading(TinyModel):
        def decode(self, features, points, prev_mask=None, cache=None, **further):
            seen.append(further.get("strokes"))
            return super().decode(features, points, prev_mask, cache, **further)

    strokes = torch.zeros(2, 2, 32, 32)
    batch = {
        "images": torch.rand(2, 3, 32, 32),
        "points": torch.full((2, 4, 3), -1.0),
        "instances": torch.ones(2, 1, 32, 32),
        "strokes": strokes,
    }
    task = IterativeClicks({"instance_loss": LossTerm(SigmoidBinaryCrossEntropyLoss())}, max_num_next_clicks=0)
    for reads in (True, False):
        task.forward(Reading(strokes=reads), batch, torch.zeros(2, 1, 32, 32), batch["points"])
    assert seen[0] is strokes and seen[1] is None
