"""What the command line changes about optimiser steps: accumulation, rate, clipping, compilation."""

from functools import partial

import numpy as np
import pytest
import torch

from isegm.model.checkpoint import read_checkpoint
from isegm.utils.errors import InputError
from tests.drawn import draw_folder
from tests.engine.tiny import EVERY_CLICK, NO_CLICKS, PUBLISHED, EncodeOnceModel, TinyModel, finished, tiny


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return draw_folder(tmp_path_factory.mktemp("data") / "photos", 9)


def gradients_of(run):
    """The gradients that the optimiser saw at each step of a run, as one vector a step."""
    seen, optimise = [], run._optimise

    def note():
        optimise()
        seen.append(torch.cat([p.grad.flatten() for p in run.model.parameters() if p.grad is not None]))

    run._optimise = note
    run.run()
    return torch.stack(seen)


@pytest.mark.parametrize("task", [PUBLISHED, EVERY_CLICK], ids=["published", "every click"])
def test_accumulated_halves_are_a_whole_batch(task, images, tmp_path):
    short = {"task": task, "epoch_len": 24, "config": {"epochs": 1}}
    whole = tiny(images, tmp_path / "whole", **short)
    halves = tiny(images, tmp_path / "halves", batch_size=4, accumulate=2, **short)
    whole.run(), halves.run()
    assert len(halves.written) == 2 * len(whole.written) == 6
    np.testing.assert_allclose(np.reshape(halves.written, (-1, 2)).mean(1), whole.written, rtol=0, atol=1e-5)
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(halves.model.state_dict()[name], value, rtol=0, atol=1e-4, msg=name)


@pytest.mark.parametrize("task", [PUBLISHED, EVERY_CLICK], ids=["published", "every click"])
@pytest.mark.parametrize("micro_batch", [1, 3])
def test_gradients_computed_in_parts_are_those_of_the_whole_batch(micro_batch, task, images, tmp_path):
    short = {"task": task, "epoch_len": 16}
    whole = finished(tiny(images, tmp_path / "whole", config={"epochs": 1}, **short))
    sizes = []
    parts = tiny(images, tmp_path / "parts", config={"epochs": 1, "micro_batch": micro_batch}, **short)
    backward = parts._backward
    parts._backward = lambda step: sizes.append(len(step.logits)) or backward(step)
    in_parts = finished(parts)
    assert sizes[:3] == ([1] * 3 if micro_batch == 1 else [3, 3, 2])
    np.testing.assert_allclose(in_parts["curves"], whole["curves"], rtol=0, atol=1e-5)
    for name, values in whole["weights"].items():
        np.testing.assert_allclose(in_parts["weights"][name], values, rtol=0, atol=1e-4, err_msg=name)


def test_parts_are_refused_where_batchnorm_learns_from_the_batch(images, tmp_path):
    with pytest.raises(InputError, match=r"^--micro-batch would change what BatchNorm learns from: [^\n]+$"):
        tiny(images, tmp_path, norm=True, config={"micro_batch": 2})
    tiny(images, tmp_path, norm=True, config={"micro_batch": 2, "freeze_batchnorm": True})


@pytest.mark.parametrize("options", [{}, {"accumulate": 2}, {"amp": "bf16"}], ids=str)
def test_frozen_batchnorm_takes_batches_of_1(options, images, tmp_path):
    frozen = {"epochs": 1, "freeze_batchnorm": True}
    run = tiny(images, tmp_path, norm=True, batch_size=1, epoch_len=4, config=frozen, **options)
    statistics = run.model.norm.running_mean.clone()
    run.run()
    assert run.global_step == 4 and torch.equal(run.model.norm.running_mean, statistics)
    with pytest.raises(InputError, match="a batch of 1 is too small for BatchNorm"):
        tiny(images, tmp_path, norm=True, batch_size=1, epoch_len=4, config={"epochs": 1}, **options)


def test_what_is_left_of_an_epoch_is_a_step_whose_gradients_are_divided_likewise(images, tmp_path):
    still = {
        "task": NO_CLICKS,
        "batch_size": 4,
        "epoch_len": 20,
        "config": {"clip_norm": None, "epochs": 1},
        "lr": 1e-12,
    }
    single = gradients_of(tiny(images, tmp_path / "single", **still))
    several = gradients_of(tiny(images, tmp_path / "several", accumulate=2, **still))
    assert (len(single), len(several)) == (5, 3)
    expected = torch.stack([single[0] + single[1], single[2] + single[3], single[4]]) / 2
    torch.testing.assert_close(several, expected)


def test_a_run_with_accumulation_goes_on_with_the_same(images, tmp_path):
    short = {"batch_size": 4, "epoch_len": 12, "config": {"epochs": 1}}
    run = tiny(images, tmp_path, accumulate=2, save_every=2, **short)
    log_step = run._log_step

    def stop(*arguments):
        log_step(*arguments)
        if run.global_step == 3:
            raise KeyboardInterrupt

    run._log_step = stop
    with pytest.raises(KeyboardInterrupt):
        run.run()
    last = tmp_path / "checkpoints" / "last_checkpoint.pth"
    with pytest.raises(InputError, match="accumulate 2, not 1"):
        tiny(images, tmp_path, resume=last, **short)
    resumed = tiny(images, tmp_path, accumulate=2, resume=last, **short)
    assert resumed.step_in_epoch == 2
    assert finished(resumed)["weights"] == finished(tiny(images, tmp_path / "whole", accumulate=2, **short))["weights"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lr": 1e-3}, r"trained with lr 0\.002, not 0\.001"),
        ({"clip_norm": 0.5}, r"trained with clip_norm 1\.0, not 0\.5"),
    ],
)
def test_a_run_goes_on_only_with_the_options_it_began_with(change, words, images, tmp_path):
    short = {"epoch_len": 8, "config": {"epochs": 1}}
    tiny(images, tmp_path, **short).run()
    with pytest.raises(InputError, match=words):
        tiny(images, tmp_path, resume=tmp_path / "checkpoints" / "last_checkpoint.pth", **short, **change)


def test_a_run_with_synchronised_batchnorm_goes_on_only_with_it(images, tmp_path):
    short = {"epoch_len": 8, "config": {"epochs": 1}}
    run = tiny(images, tmp_path, **short)
    run.run_config.sync_batchnorm = True  # which a CPU cannot do, but can write down
    run.run()
    with pytest.raises(InputError, match="trained with sync_bn True, not False"):
        tiny(images, tmp_path, resume=tmp_path / "checkpoints" / "last_checkpoint.pth", **short)


def test_rate_and_clipping_of_the_command_line_win(images, tmp_path):
    run = tiny(images, tmp_path, epoch_len=16, config={"epochs": 1}, lr=1e-3, clip_norm=0.01)
    rates, set_rate = [], run._set_learning_rate
    run._set_learning_rate = lambda: rates.append(set_rate()) or rates[-1]
    norms = gradients_of(run).norm(dim=1)
    torch.testing.assert_close(norms, torch.full_like(norms, 0.01), rtol=1e-3, atol=0)
    assert rates == [pytest.approx(1e-3 * run.config.schedule(epoch)) for epoch in (0, 0.5)]


@pytest.mark.parametrize("network", [TinyModel, pytest.param(EncodeOnceModel, marks=pytest.mark.long)])
def test_a_compiled_network_learns_the_same_and_keeps_its_names(network, images, tmp_path, monkeypatch):
    from torch._dynamo.utils import counters

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))  # needs no C++ compiler
    counters.clear()
    short = {"epoch_len": 16, "network": network, "config": {"epochs": 1}}
    compiled = finished(tiny(images, tmp_path / "compiled", compile=True, **short))
    parts = 2 if network.encodes_once else 1  # besides the function that tries the compiler
    assert counters["stats"]["unique_graphs"] > parts
    plain = finished(tiny(images, tmp_path / "plain", **short))
    np.testing.assert_allclose(compiled["curves"], plain["curves"], rtol=0, atol=1e-4)
    stored = read_checkpoint(tmp_path / "compiled" / "checkpoints" / "last_checkpoint.pth")["state_dict"]
    assert list(stored) == list(network().state_dict())


@pytest.mark.long
def test_a_compiled_network_measures_its_statistics_uncompiled(images, tmp_path, monkeypatch):
    """BatchNorm's plain average reads a counter, at which every layer would be compiled on its own."""
    from torch._dynamo.utils import counters

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    counters.clear()
    short = {"epoch_len": 16, "norm": True, "config": {"epochs": 1, "precise_bn_batches": 1}}
    compiled = finished(tiny(images, tmp_path / "compiled", compile=True, **short))
    assert counters["stats"]["unique_graphs"] > 1 and not counters["graph_break"]
    plain = finished(tiny(images, tmp_path / "plain", **short))
    np.testing.assert_allclose(compiled["curves"], plain["curves"], rtol=0, atol=1e-4)


def test_a_network_that_encodes_a_step_at_once_accumulates_gradients_instead_of_parts(images, tmp_path):
    with pytest.raises(InputError, match=r"^--micro-batch does not fit EncodeOnceModel, .* with --accumulate-grad"):
        tiny(images, tmp_path, network=EncodeOnceModel, config={"micro_batch": 2})
