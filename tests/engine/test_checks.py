"""Checks of a training run: what is not finite is never saved."""

import pytest
import torch

from isegm.engine import trainer as training
from isegm.model.checkpoint import read_checkpoint
from isegm.utils.errors import InputError
from tests.drawn import draw_folder
from tests.engine.test_stopping import last_of
from tests.engine.tiny import NO_CLICKS, tiny


@pytest.mark.parametrize("validates", [True, False])
@pytest.mark.parametrize("save_every", [1, 0])
def test_weights_that_are_not_finite_replace_no_checkpoint(tmp_path, save_every, validates):
    images = draw_folder(tmp_path / "photos")
    run = tiny(images, tmp_path / "run", task=NO_CLICKS, epoch_len=16, save_every=save_every, save_seconds=0)
    if not validates:
        run.val_set = None
    optimise, done = run._optimise, []

    def update():  # as a finite loss with a gradient that is no number does
        optimise()
        done.append(0)
        if len(done) == 2:  # the last one of the epoch
            with torch.no_grad():
                run.model.last.weight[0, 0] = torch.nan

    run._optimise = update
    with pytest.raises(InputError, match=r"the weight last\.weight is no longer finite in epoch 0, step 2.*--lr"):
        run.run()
    written = [path.name for path in run.run_config.checkpoints.glob("*.pth")]
    assert written == (["last_checkpoint.pth"] if save_every else [])
    if save_every:
        state = read_checkpoint(last_of(run))["state_dict"]
        assert all(value.isfinite().all() for value in state.values() if value.is_floating_point())


@pytest.mark.parametrize("validates", [True, False])
def test_weights_are_checked_once_at_the_end_of_an_epoch(tmp_path, monkeypatch, validates):
    run = tiny(draw_folder(tmp_path / "photos"), tmp_path / "run", task=NO_CLICKS, epoch_len=16, save_seconds=0)
    if not validates:
        run.val_set = None
    check, seen = training.check_weights, []
    monkeypatch.setattr(training, "check_weights", lambda *given: seen.append(given[1:3]) or check(*given))
    run.run()
    assert seen == [(0, 2), (1, 2)]


@pytest.mark.parametrize(("start", "told"), [(None, False), (0, False), (1, True)])
def test_a_new_run_tells_which_epochs_it_leaves_out(tmp_path, caplog, start, told):
    run = tiny(draw_folder(tmp_path / "photos"), tmp_path / "run", task=NO_CLICKS, epoch_len=16, start_epoch=start)
    assert run.epoch == (start or 0)
    words = "--start-epoch 1: this new run leaves out the epochs before, and begins with the learning rate and the crop"
    assert any(text.startswith(words) for text in caplog.messages) == told
