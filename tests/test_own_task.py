"""An experiment script that trains by a task of its own."""

from dataclasses import replace

import pytest

from isegm.cli.train import main
from isegm.engine.corrected_clicks import CorrectedClicks
from isegm.engine.mixed_clicks import MixedClicks
from isegm.engine.tasks import LossTerm
from isegm.model.checkpoint import read_checkpoint
from isegm.model.losses import SigmoidBinaryCrossEntropyLoss
from isegm.recipes import Recipe, light
from isegm.recipes.training import _task
from isegm.utils.errors import InputError
from tests.drawn import draw_folder

SCRIPT = """
import torch

from isegm.engine.tasks import Step
from isegm.recipes import Recipe, light, train


class FirstClicks:
    '''Trains the clicks of the samples, and simulates none.'''

    number_of_steps = 1

    def __init__(self, losses, clicks):
        self.losses = losses
        print(f"a task of {clicks} clicks")

    def begin(self, model, batch, batch_rng):
        self.batch = batch
        return self

    def step(self, index, forward):
        points = self.batch["points"]
        losses, logits = forward(self.batch, torch.zeros_like(self.batch["instances"]), points)
        return Step(losses, logits.detach(), points)

    def state(self):
        return {}

    def load_state(self, state, losses):
        return None

    def forward(self, model, batch, prev_mask, points):
        outputs = model(torch.cat((batch["images"], prev_mask), dim=1), points)
        return {f"own_{name}": term(outputs, batch) for name, term in self.losses.items()}, outputs["instances"]

    def log_states(self):
        return {}


RECIPE = Recipe(
    data=light.folders(epoch_len=8), crop=(48, 48), sampler=light.SAMPLER, batch_size=4, lr=1e-3, epochs=1,
    clicks=7, losses=light.losses(aux=0.4), task=FirstClicks,
)


def main(cfg):
    train(light.mobilenetv2(cfg), cfg, RECIPE)
"""
RECIPE = Recipe(
    data=light.folders(epoch_len=8), crop=(48, 48), sampler=light.SAMPLER, clicks=3, batch_size=2, lr=1e-3, epochs=1,
    losses={"instance_loss": LossTerm(SigmoidBinaryCrossEntropyLoss())}, task=MixedClicks,
)  # fmt: skip


@pytest.mark.parametrize("place", [(), ("--data-on-device",)], ids=str)
def test_a_script_trains_by_its_own_task_wherever_its_images_are(place, tmp_path, monkeypatch, caplog, capsys):
    caplog.set_level("INFO", logger="isegm")
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "models" / "own" / "first.py"
    script.parent.mkdir(parents=True)
    script.write_text(SCRIPT)
    images = draw_folder(tmp_path / "photos", 8)
    main(["models/own/first.py", "--data", str(images), "--cpu", "--workers=0", *place])
    assert "a task of 7 clicks" in capsys.readouterr().out
    assert ("FirstClicks does not simulate clicks there" in caplog.text) == bool(place)
    (last,) = tmp_path.rglob("last_checkpoint.pth")
    assert read_checkpoint(last)["training"]["global_step"] == 2


def test_a_class_of_the_library_is_a_task_too():
    assert _task(None, RECIPE) == MixedClicks(RECIPE.losses, 3)
    assert (
        _task(None, replace(RECIPE, task=lambda losses, clicks: CorrectedClicks(losses, clicks, ratio=0.5))).ratio
        == 0.5
    )


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"mixed_clicks": True, "clicks_anywhere": 0.1}, "leave out mixed_clicks and clicks_anywhere"),
        ({"click_weights": (1, 2, 3)}, "task says how clicks are trained: leave out click_weights"),
        ({"clicks_ratio": 0.8}, "leave out clicks_ratio"),
        ({"task": 3}, "task of Recipe must be a function"),
    ],
    ids=str,
)
def test_a_task_goes_without_the_fields_that_choose_one(changed, words):
    with pytest.raises((ValueError, InputError), match=words):
        replace(RECIPE, **changed)
