"""Checks of a training run: what is not finite is never saved."""

import pytest
import torch

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
