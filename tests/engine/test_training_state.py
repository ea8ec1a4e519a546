"""The training state in a checkpoint: whatever it holds, a run goes on from it or ends in one sentence."""

import copy
import math
from dataclasses import replace

import pytest
import torch

from isegm.engine.trainer import Trainer
from isegm.model.checkpoint import read_checkpoint
from isegm.utils.errors import InputError
from tests.drawn import draw_folder
from tests.engine.test_stopping import TURNS, last_of, stopped_after
from tests.engine.tiny import tiny


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """Images, and the content of the checkpoint of a run that was stopped between two clicks."""
    folder = tmp_path_factory.mktemp("stopped")
    images = draw_folder(folder / "photos")
    run = tiny(images, folder / "run", **TURNS)
    stopped_after(run, 4)
    return images, read_checkpoint(last_of(run))


def changed(content, key, value):
    """A copy of the content with another value at a key such as ("metric", "total")."""
    content = copy.deepcopy(content)
    part = content["training"]
    for name in key[:-1]:
        part = part[name]
    if value is REMOVED:
        del part[key[-1]]
    else:
        part[key[-1]] = value
    return content


def go_on(content, images, folder):
    torch.save(content, folder / "changed.pth")
    tiny(images, folder / "run", resume=folder / "changed.pth", **TURNS).run()


REMOVED = object()
SPARSE = torch.eye(3).to_sparse()
WRONG = [
    (("epoch",), value) for value in (-1, "0", 1.5, None, math.nan, 10**30, torch.tensor(0), [0], True)
] + [
    (("step_in_epoch",), 99),
    (("global_step",), 3),
    (("seed",), "x"),
    (("lr",), math.inf),
    (("batch_size",), [8]),
    (("epochs",), {}),
    (("images",), torch.zeros(2)),
    (("optimizer",), None),
    (("optimizer",), {"state": [], "param_groups": []}),
    (("optimizer", "state"), {"a": {}}),
    (("optimizer", "state", 0), {"step": torch.tensor(1.0)}),
    (("optimizer", "state", 0, "exp_avg"), torch.zeros(1)),
    (("optimizer", "state", 0, "exp_avg"), SPARSE),
    (("optimizer", "state", 0, "exp_avg"), torch.zeros(1, device="meta")),
    (("optimizer", "state", 0, "step"), torch.zeros(3)),
    (("optimizer", "state", 10**6), {name: torch.zeros(1) for name in ("step", "exp_avg", "exp_avg_sq")}),
    (("optimizer", "param_groups"), []),
    (("optimizer", "param_groups", 0), {"params": ["first"]}),
    (("optimizer", "param_groups", 0, "lr"), "fast"),
    (("scaler",), "none"),
    (("metric",), [1, 2]),
    (("metric", "total"), math.nan),
    (("metric", "batches"), REMOVED),
    (("random",), []),
    (("random",), torch.zeros(3)),
    (("random", 0), {}),
    (("random", 0, "cpu"), torch.zeros(5056)),
    (("random", 0, "cpu"), torch.zeros(3, dtype=torch.uint8)),
    (("random", 0, "cpu"), "x"),
    (("turns",), "x"),
    (("turns",), {}),
    (("turns", "done"), 0),
    (("turns", "done"), 10**6),
    (("turns", "batches"), []),
    (("turns", "losses"), [{}]),
    (("turns", "batches", 0), {}),
    (("turns", "batches", 0, "points"), torch.zeros(8, 2, 3)),
    (("turns", "batches", 0, "random"), torch.zeros(8, 40)),
    (("turns", "batches", 0, "random"), torch.zeros(1, 40, dtype=torch.uint8)),
    (("turns", "batches", 0, "logits"), torch.full((8, 1, 32, 32), math.nan)),
    (("turns", "batches", 0, "logits"), REMOVED),
    (("turns", "statistics"), None),
    (("unknown",), 1),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), WRONG, ids=[f"{key}-{str(value)[:20]}" for key, value in WRONG])
def test_a_value_of_the_wrong_kind_is_one_sentence_that_names_it(stopped, tmp_path, key, value):
    images, content = stopped
    with pytest.raises(InputError) as refused:
        go_on(changed(content, key, value), images, tmp_path)
    assert "changed.pth" in str(refused.value) and "\n" not in str(refused.value)
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize("state", [[], "x", 3, {}, torch.zeros(2)], ids=str)
def test_a_training_state_that_is_none_is_one_sentence(stopped, tmp_path, state):
    images, content = stopped
    with pytest.raises(InputError, match=r"^training in .*changed\.pth must "):
        go_on({**content, "training": state}, images, tmp_path)


def test_the_state_as_it_was_written_goes_on(stopped, tmp_path):
    images, content = stopped
    go_on(content, images, tmp_path)
    assert (tmp_path / "run" / "checkpoints" / "last_checkpoint.pth").is_file()


def test_a_run_whose_learning_rate_is_0_goes_on(tmp_path):
    images = draw_folder(tmp_path / "photos")

    run = tiny(images, tmp_path / "run", **TURNS)
    still = replace(run.config, lr=0)
    run = Trainer(run.model, run.train_set, None, still, run.run_config)
    stopped_after(run, 4)
    going_on = replace(run.run_config, resume=last_of(run))
    assert Trainer(run.model, run.train_set, None, still, going_on).global_step == run.global_step
