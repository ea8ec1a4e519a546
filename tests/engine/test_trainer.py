"""The training loop: it learns, it repeats itself, and it goes on after being killed as if nothing had been."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from isegm.cli.train import main
from isegm.data.datasets.folder import FolderDataset
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.train_set import TrainSet
from isegm.data.transforms import Compose, HorizontalFlip, RandomView, RGBShift
from isegm.engine.averaging import WeightAverage
from isegm.engine.schedule import MultiStep, WarmupDecay
from isegm.engine.tasks import IterativeClicks, LossTerm
from isegm.engine.trainer import RunConfig, TrainConfig, Trainer
from isegm.model import build_model
from isegm.model.checkpoint import load_model, read_checkpoint, save_checkpoint
from isegm.model.losses import SigmoidBinaryCrossEntropyLoss, SoftIoU, Sum
from isegm.utils.cli import run as run_command
from isegm.utils.errors import InputError
from isegm.utils.exp import load_script
from tests.drawn import draw_folder
from tests.engine.tiny import TinyModel

REPOSITORY = Path(__file__).resolve().parents[2]
# With KILLED in its environment, a run is killed by the step that follows the first checkpoint.
SCRIPT = """
import os
import signal
from pathlib import Path

from isegm.recipes import Recipe, light, train

RECIPE = Recipe(
    data=light.folders(epoch_len=12), crop={0: (32, 32), 1: (48, 48)}, sampler=light.SAMPLER,
    batch_size=4, lr=1e-3, epochs=2, warmup=0.6, decay_from=1, clip_norm=5.0, precise_bn_batches=2,
    clicks=3, train_every_click=True, interleaved_batches=10, losses=light.losses(aux=0.4), image_every=200,
    backbone_lr=1.0,
)

def kill(*_):
    if any(Path("experiments").rglob("last_checkpoint.pth")):
        os.kill(os.getpid(), signal.SIGKILL)

def main(cfg):
    network = light.mobilenetv2(cfg)
    if "KILLED" in os.environ:
        network.feature_extractor.register_forward_pre_hook(kill)
    train(network, cfg, RECIPE)
"""


@pytest.fixture
def images(tmp_path):
    return draw_folder(tmp_path / "photos")


def run_config(folder, **more):
    return RunConfig(folder / "checkpoints", folder / "vis", folder / "logs", workers=0, **more)


def tiny():
    """A small network with BatchNorm, whose dropout draws from torch's generator at every step."""
    return TinyModel(norm=True, dropout=0.1)


def trainer(images, folder, epochs=2, epoch_len=16, validate=False, lr=2e-3, network=tiny, **more):
    torch.manual_seed(0)
    model = network()
    augment = Compose((RandomView((48, 48), rotation=5), HorizontalFlip(), RGBShift()))
    sampler = MultiPointSampler(6, prob_gamma=0.3)
    criterion = Sum(SigmoidBinaryCrossEntropyLoss(), SoftIoU())
    task = IterativeClicks({"instance_loss": LossTerm(criterion)}, max_num_next_clicks=1, train_every_click=True)
    config = TrainConfig(task, 4, epochs, WarmupDecay(epochs, 0.1, epochs * 0.7), lr=lr, image_dump_interval=7)
    train_set = TrainSet(FolderDataset(images), augment, sampler, epoch_len=epoch_len, min_object_area=20)
    val_set = TrainSet(FolderDataset(images), augment, sampler, min_object_area=20) if validate else None
    return Trainer(model, train_set, val_set, config, run_config(folder, **more))


def assert_same(first, second):
    assert first.keys() == second.keys()
    for key in first:
        assert torch.equal(first[key], second[key]), key


def mobilenet():
    return build_model("clickseg_mobilenetv2", backbone_lr_mult=1.0)


@pytest.mark.parametrize(
    ("network", "lr"), [(tiny, 7e-4), pytest.param(mobilenet, 2e-3, marks=pytest.mark.long)], ids=["tiny", "mobilenet"]
)
def test_the_loss_falls_and_validation_iou_rises(network, lr, images, tmp_path, caplog):
    caplog.set_level("INFO", logger="isegm")
    run = trainer(images, tmp_path / "run", epochs=4, epoch_len=48, validate=True, lr=lr, network=network)
    losses = []
    backward = run._backward

    def watch(step):
        losses.append(sum(step.losses.values()).item())
        backward(step)

    run._backward = watch
    run.run()
    quarter = len(losses) // 4
    assert np.mean(losses[-quarter:]) < 0.6 * np.mean(losses[:quarter])
    ious = [float(r.getMessage().split()[-1]) for r in caplog.records if "validation IoU" in r.getMessage()]
    assert len(ious) == 4 and ious[-1] > ious[0] + 0.1 and ious[-1] > 0.5
    assert list((tmp_path / "run" / "vis" / "train").glob("*.jpg"))
    assert list((tmp_path / "run" / "logs").glob("events.*"))


def test_two_runs_with_one_seed_are_equal_and_another_seed_differs(images, tmp_path):
    states = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run = trainer(images, tmp_path / name, epochs=1, seed=seed)
        run.run()
        states.append(run.model.state_dict())
    assert_same(states[0], states[1])
    assert any(not torch.equal(states[0][key], states[2][key]) for key in states[0])


def test_the_number_of_workers_changes_nothing(images, tmp_path):
    states = []
    for workers in (0, 2):
        run = trainer(images, tmp_path / str(workers), epochs=1, epoch_len=8)
        run.run_config.workers = workers
        run.run()
        states.append(run.model.state_dict())
    assert_same(*states)


def test_a_run_stopped_within_an_epoch_goes_on_as_if_unbroken(images, tmp_path):
    whole = trainer(images, tmp_path / "whole", save_every=3)
    whole.run()

    class Stop(Exception):
        pass

    broken = trainer(images, tmp_path / "broken", save_every=3)
    log_step = broken._log_step

    def stop_at_seventh(step, batch, learning_rate):
        log_step(step, batch, learning_rate)
        if broken.global_step == 7:
            raise Stop

    broken._log_step = stop_at_seventh
    with pytest.raises(Stop):
        broken.run()
    last = tmp_path / "broken" / "checkpoints" / "last_checkpoint.pth"
    state = read_checkpoint(last)["training"]
    assert (state["epoch"], state["step_in_epoch"], state["global_step"]) == (1, 2, 6)  # within the second epoch

    resumed = trainer(images, tmp_path / "broken", save_every=3, resume=last)
    resumed.run()
    assert resumed.global_step == whole.global_step == 8
    assert_same(whole.model.state_dict(), resumed.model.state_dict())
    for mine, other in zip(
        whole.optimizer.state_dict()["state"].values(), resumed.optimizer.state_dict()["state"].values(), strict=True
    ):
        assert all(torch.equal(torch.as_tensor(mine[k]), torch.as_tensor(other[k])) for k in mine)


def test_validation_changes_nothing_and_takes_every_image(images, tmp_path, caplog):
    caplog.set_level("INFO", logger="isegm")
    states = []
    for validate in (False, True):
        run = trainer(images, tmp_path / str(validate), epochs=1, epoch_len=8, validate=validate)
        if validate:
            run.val_set.reader.pairs = run.val_set.reader.pairs[:3]  # fewer than a batch
        run.run()
        states.append(run.model.state_dict())
    assert_same(*states)
    (message,) = [r.getMessage() for r in caplog.records if "validation IoU" in r.getMessage()]
    assert float(message.split()[-1]) > 0


def test_mixed_precision_steps_see_the_weights_of_the_step_before(images, tmp_path):
    run = trainer(images, tmp_path / "run", epochs=1, epoch_len=4, lr=1.0, amp="bf16")
    head = run.model.last
    fresh = []

    def compare(_, inputs, output):
        x = inputs[0].to(torch.bfloat16)
        expected = torch.nn.functional.conv2d(x, head.weight.to(x.dtype), head.bias.to(x.dtype), padding=1)
        fresh.append(torch.equal(output, expected))

    head.register_forward_hook(compare)
    run.run()
    assert fresh == [True, True]  # two clicks, with an optimiser step between them


@pytest.mark.parametrize("frozen", [False, True])
def test_frozen_batchnorm_keeps_its_statistics(images, tmp_path, frozen):
    run = trainer(images, tmp_path, epochs=2, epoch_len=8, validate=True)  # validation leaves it in eval mode
    run.config = replace(run.config, freeze_batchnorm=frozen, checkpoint_interval=1)
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    statistics = {name for name in before if "running_" in name}
    run.run()
    for epoch in range(2):
        after = read_checkpoint(tmp_path / "checkpoints" / f"{epoch:03d}.pth")["state_dict"]
        assert all(torch.equal(before[name], after[name]) == frozen for name in statistics)
        assert any(not torch.equal(before[name], after[name]) for name in before if name.endswith("weight"))
        before = after


def test_measuring_statistics_changes_nothing_that_is_learnt(images, tmp_path):
    states = {}
    for count in (0, 2):
        run = trainer(images, tmp_path / str(count), epochs=2, epoch_len=8)  # with dropout
        run.config = replace(run.config, precise_bn_batches=count)
        run.run()
        states[count] = run.model.state_dict()
    for name, followed in states[0].items():
        if "running_" in name:
            assert not torch.equal(followed, states[2][name]), name
        elif not name.endswith("num_batches_tracked"):
            assert torch.equal(followed, states[2][name]), name


def test_precise_statistics_are_those_of_the_averaged_weights_which_users_get(images, tmp_path):
    def statistics(batches):
        run = trainer(images, tmp_path / f"{batches}", epochs=1, epoch_len=8)
        run.config = replace(run.config, precise_bn_batches=batches)
        run.average = WeightAverage(run.model, 0.999)
        run.run()
        return read_checkpoint(run.run_config.checkpoints / "last_checkpoint.pth")["state_dict"], run

    state, run = statistics(2)
    other, followed = statistics(0)
    assert torch.equal(state["first.weight"], other["first.weight"])
    assert torch.equal(run.model.norm.running_mean, followed.model.norm.running_mean)  # which goes on training
    seen = []
    run.trained.norm.register_forward_pre_hook(lambda module, given: seen.append(given[0].mean((0, 2, 3))))
    run.epoch = 0  # again
    run._precise_batchnorm()
    torch.testing.assert_close(state["norm.running_mean"], torch.stack(seen).mean(0))
    assert not torch.allclose(other["norm.running_mean"], state["norm.running_mean"], rtol=1e-3)


def test_batches_take_turns(images, tmp_path):
    run = trainer(images, tmp_path, epochs=1, epoch_len=12)
    run.config = replace(run.config, interleaved_batches=2)
    seen = []
    backward = run._backward

    def watch(step):
        seen.append((step.points[:, 0, 1:].sum().item(), (step.points[..., 2] >= 0).sum().item()))
        backward(step)

    run._backward = watch
    run.run()
    images, clicks = zip(*seen, strict=True)  # three batches of two clicks each
    assert images[:2] == images[2:4] and images[4] == images[5] and len(set(images)) == 3
    assert all(
        late == early + 4 for early, late in zip(clicks[:2] + clicks[4:5], clicks[2:4] + clicks[5:], strict=True)
    )
    assert run.global_step == 3


def test_a_run_with_turns_goes_on_as_if_unbroken(images, tmp_path):
    def run_in_turn(folder, **more):
        run = trainer(images, tmp_path / folder, epochs=1, epoch_len=32, save_every=3, **more)
        run.config = replace(run.config, interleaved_batches=2)
        return run

    whole = run_in_turn("whole")
    whole.run()
    broken = run_in_turn("broken")
    log = broken._log_step

    def stop_in_the_last_turns(*arguments):
        if broken.global_step == 7:
            raise KeyboardInterrupt
        log(*arguments)

    broken._log_step = stop_in_the_last_turns
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    resumed = run_in_turn("broken", resume=tmp_path / "broken" / "checkpoints" / "last_checkpoint.pth")
    assert resumed.step_in_epoch == 6  # a whole number of turns
    resumed.run()
    assert_same(whole.model.state_dict(), resumed.model.state_dict())


def test_numbered_checkpoints_need_a_start_epoch(images, tmp_path):
    run = trainer(images, tmp_path / "run", epochs=1, epoch_len=4)
    run.run()
    numbered = run.run_config.checkpoints / "000.pth"
    with pytest.raises(InputError, match="say with --start-epoch"):
        trainer(images, tmp_path / "run", epoch_len=4, resume=numbered)
    again = trainer(images, tmp_path / "run", epoch_len=4, resume=numbered, start_epoch=1)
    assert (again.epoch, again.global_step) == (1, 1)
    assert_same(run.model.state_dict(), again.model.state_dict())
    with pytest.raises(InputError, match="--start-epoch 2 is behind the last of 2 epochs"):
        trainer(images, tmp_path / "run", epoch_len=4, resume=numbered, start_epoch=2)


def test_training_samples_can_be_sent_to_processes(images, tmp_path):
    samples = pickle.loads(pickle.dumps(trainer(images, tmp_path / "run").train_set))
    assert samples[0]["images"].shape == (3, 48, 48)


OWN_VIEW = """
from isegm.data.transforms import RandomView

class View(RandomView):
    pass

def main(cfg):
    pass
"""


@pytest.mark.parametrize("kind", ["class of the script", "lambda"])
def test_samples_that_spawned_processes_cannot_get_are_told_in_one_sentence(images, tmp_path, kind):
    (tmp_path / "script.py").write_text(OWN_VIEW)
    view = load_script(tmp_path / "script.py").View((48, 48))
    run = trainer(images, tmp_path / "run", epochs=1, epoch_len=4)
    run.train_set.augment = [(0, view if kind == "class of the script" else lambda *given: view(*given))]
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method("spawn", force=True)
    try:
        run.run_config.workers = 1
        with pytest.raises(InputError, match=r"^the samples cannot be sent .*ickle.* or give --workers 0\.$"):
            run.run()
        run.run_config.workers = 0
        assert run.run()
    finally:
        multiprocessing.set_start_method(before, force=True)


def test_a_network_without_weights_is_refused(images, tmp_path):
    run = trainer(images, tmp_path / "run")
    run.model.runs_in_torch = False  # as one that an ONNX file holds
    with pytest.raises(InputError, match=r"ONNX file cannot be trained: give the \.pth file"):
        Trainer(run.model, run.train_set, None, run.config, run.run_config)


def test_a_batch_of_one_is_refused(images, tmp_path):
    with pytest.raises(InputError, match="--batch-size 2 or more"):
        run = trainer(images, tmp_path / "run")
        Trainer(run.model, run.train_set, None, replace(run.config, batch_size=1), run.run_config)


@pytest.fixture
def small_disk():
    """Files of this process cannot have more than a million bytes."""
    resource = pytest.importorskip("resource", reason="limits of POSIX")
    _, most = limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, most))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_is_full_ends_a_run_in_one_sentence(tmp_path, capfd, small_disk):
    model = mobilenet()
    with pytest.raises(SystemExit) as end:
        run_command(lambda: save_checkpoint(model, tmp_path / "model.pth"))
    said = capfd.readouterr().err.lstrip()  # behind the progress of an earlier test
    assert end.value.code == 2 and said.startswith("error: ") and "Traceback" not in said
    assert "model.pth cannot be written" in said and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"seed": 3}, "seed 0, not 3"),
        ({"epochs": 2}, "epochs 1, not 2"),
        ({"epoch_len": 8}, "epoch_len 4, not 8"),
        ({"start_epoch": 1}, "leave --start-epoch out"),
    ],
)
def test_a_resumed_run_must_keep_its_options(changed, words, images, tmp_path):
    run = trainer(images, tmp_path / "run", epochs=1, epoch_len=4)
    run.run()
    last = run.run_config.checkpoints / "last_checkpoint.pth"
    with pytest.raises(InputError, match=words):
        trainer(images, tmp_path / "run", **{"epochs": 1, "epoch_len": 4, "resume": last, **changed})


def test_a_resumed_run_must_keep_its_images(images, tmp_path):
    run = trainer(images, tmp_path / "run", epochs=1, epoch_len=4)
    run.run()
    last = run.run_config.checkpoints / "last_checkpoint.pth"
    fewer = draw_folder(tmp_path / "fewer", 11)
    with pytest.raises(InputError, match="images 12, not 11"):
        trainer(fewer, tmp_path / "run", epochs=1, epoch_len=4, resume=last)


def test_a_validation_that_fails_costs_no_training(images, tmp_path):
    def measuring(folder, **more):
        run = trainer(images, tmp_path / folder, epoch_len=8, validate=True, **more)
        run.config = replace(run.config, precise_bn_batches=1)
        return run

    whole = measuring("whole")
    whole.run()
    failing = measuring("failing")
    failing.val_set.augment = [(0, lambda image, masks, rng: (image, masks * 0))]
    with pytest.raises(InputError, match="showed no object"):
        failing.run()
    last = failing.run_config.checkpoints / "last_checkpoint.pth"
    resumed = measuring("failing", resume=last)
    assert (resumed.epoch, resumed.step_in_epoch) == (0, 2)
    resumed.run()
    assert_same(whole.model.state_dict(), resumed.model.state_dict())


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_image_is_told_in_one_sentence_whoever_reads_it(images, tmp_path, workers):
    for path in (images / "images").iterdir():
        path.write_text("no image")
    run = trainer(images, tmp_path / "run")
    run.run_config.workers = workers
    with pytest.raises(InputError, match=r"^\S+\.png does not decode as an image: [^\n]+$"):
        run.run()


def test_a_network_whose_loss_is_not_a_number_stops_the_run(images, tmp_path):
    run = trainer(images, tmp_path / "run", lr=1e30)
    with pytest.raises(InputError, match="loss is"):
        run.run()


def test_multi_step_falls_at_its_milestones():
    schedule = MultiStep((2, 4))
    assert [round(schedule(epoch), 6) for epoch in (0, 1.9, 2.0, 3.5, 4.0)] == [1, 1, 0.1, 0.1, 0.01]


def test_a_run_that_ends_before_its_numbered_checkpoint_is_written_writes_it_when_it_goes_on(images, tmp_path):
    checkpoints = tmp_path / "checkpoints"
    (checkpoints / "000.pth").mkdir(parents=True)
    with pytest.raises(InputError, match=r"000\.pth cannot be written"):
        trainer(images, tmp_path, epochs=1, epoch_len=4, validate=True).run()
    (checkpoints / "000.pth").rmdir()
    last = checkpoints / "last_checkpoint.pth"
    trainer(images, tmp_path, epochs=1, epoch_len=4, validate=True, resume=last).run()
    assert_same(read_checkpoint(checkpoints / "000.pth")["state_dict"], read_checkpoint(last)["state_dict"])


def test_a_loader_process_that_is_killed_while_the_network_computes_is_one_sentence(images, tmp_path):
    run = trainer(images, tmp_path, epochs=1, epoch_len=4)

    def signal_handler(*_):  # as PyTorch's does, at any moment
        raise RuntimeError("DataLoader worker (pid 27024) is killed by signal: Killed. ")

    run.model.register_forward_hook(signal_handler)
    with pytest.raises(InputError, match=r"^a process that loads images was killed"):
        run.run()


@pytest.fixture
def one_thread():
    """The same float sums here and in the process that is killed."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def arguments(images, *more):
    return ["models/tiny/tiny.py", "--data", str(images), "--cpu", "--workers", "0", "--save-every", "2", *more]


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_kill_minus_nine_and_resume_from_the_command_line(images, tmp_path, one_thread, monkeypatch, caplog):
    for name in ("whole", "killed"):
        (tmp_path / name / "models" / "tiny").mkdir(parents=True)
        (tmp_path / name / "models" / "tiny" / "tiny.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "KILLED": "1"}
    command = [sys.executable, str(REPOSITORY / "train.py"), *arguments(images)]
    done = subprocess.run(
        command, cwd=tmp_path / "killed", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
    last = tmp_path / "killed" / "experiments" / "tiny" / "tiny" / "000" / "checkpoints" / "last_checkpoint.pth"
    assert read_checkpoint(last)["training"]["epoch"] == 0  # killed within the first epoch
    assert read_checkpoint(last)["training"]["turns"]["done"] > 0  # and while batches took turns

    caplog.set_level("INFO", logger="isegm")
    monkeypatch.chdir(tmp_path / "killed")
    main(arguments(images, "--resume-exp", "000"))
    assert "going on from" in caplog.text
    monkeypatch.chdir(tmp_path / "whole")
    main(arguments(images))
    finished = tmp_path / "whole" / "experiments" / "tiny" / "tiny" / "000" / "checkpoints" / "last_checkpoint.pth"
    assert_same(read_checkpoint(finished)["state_dict"], read_checkpoint(last)["state_dict"])
    assert load_model(last).config == {"model": "clickseg_mobilenetv2", "params": {}}
    assert (last.parent / "001.pth").exists()
