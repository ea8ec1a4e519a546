"""Several processes learn what one process would learn, write once, and end together."""

import json
import signal
import subprocess
import sys
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from isegm.cli import evaluate
from isegm.engine.loading import EpochBatches
from isegm.model.checkpoint import load_state, read_checkpoint
from isegm.utils import distributed
from isegm.utils.errors import InputError
from tests.drawn import draw_folder
from tests.engine import focal
from tests.engine.tiny import ICL, NO_CLICKS, EncodeOnceModel, TinyModel, finished, tiny, tiny_vit
from tests.launching import ENVIRONMENT, REPOSITORY, free_port, two_processes

# In the second epoch the second process meets an image that is no good.
SCRIPT = """
import os
from isegm import InputError
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.transforms import RandomView
from isegm.engine.schedule import MultiStep
from isegm.engine.trainer import TrainConfig
from isegm.recipes import FolderData, launch
from tests.engine.tiny import EVERY_CLICK, TinyModel

view = RandomView((32, 32))

def later(image, masks, rng):
    if os.environ["RANK"] == "1":
        raise InputError("07.png is broken: get it again.")
    return view(image, masks, rng)

def main(cfg):
    config = TrainConfig(EVERY_CLICK, 4, 2, MultiStep([9]))
    data = FolderData(4, 20, lambda size: (later if size == (33, 33) else view, view))
    sets = data.open(cfg, {0: (32, 32), 1: (33, 33)}, MultiPointSampler(6), (), True)
    launch.start(TinyModel(), cfg, config, *sets)
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return draw_folder(tmp_path_factory.mktemp("data") / "photos", 9)


def alone():
    """The environment of the only process of a group."""
    return {**ENVIRONMENT, "RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}


def run_of_two(images, folder, *what):
    """The exit codes and error outputs of two processes, see ``tests.engine.tiny``, and the results that each saw."""
    folder.mkdir(exist_ok=True)
    with two_processes("-m", "tests.engine.tiny", str(images), str(folder), *what) as running:
        ended = [(process.communicate()[1], process.returncode) for process in running]
    assert not any("Warning" in errors for errors, _ in ended)
    assert len(list(folder.glob("*.json"))) == 2, ended
    return ended, [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.fixture(scope="module")
def run_together(images, tmp_path_factory):
    """The folder of runs that two processes have made, how these ended, and the results that each of them saw."""
    folder = tmp_path_factory.mktemp("together")
    return folder, *run_of_two(images, folder)


@pytest.fixture(scope="module")
def together(run_together):
    """The folder and the results alone."""
    folder, _, results = run_together
    return folder, results


def assert_close(mine, other, tolerance=1e-5):
    assert len(mine["curves"]) == len(other["curves"]) > 8
    np.testing.assert_allclose(mine["curves"], other["curves"], rtol=0, atol=tolerance)
    for name, values in mine["weights"].items():
        np.testing.assert_allclose(values, other["weights"][name], rtol=0, atol=10 * tolerance, err_msg=name)


def test_two_processes_learn_what_one_learns(together, images, tmp_path):
    _, (first, second) = together
    assert first["plain"] == second["plain"]
    assert_close(first["plain"], finished(tiny(images, tmp_path)))


def test_accumulated_gradients_are_averaged_over_processes_once(together, images, tmp_path):
    _, (first, second) = together
    assert first["accumulated"] == second["accumulated"]
    assert_close(first["accumulated"], finished(tiny(images, tmp_path, batch_size=4, accumulate=2)))


def test_the_refiner_learns_in_every_process(together, images, tmp_path):
    _, (first, second) = together
    assert first["focal"] == second["focal"]
    assert_close(first["focal"], finished(tiny(images, tmp_path, **focal.RUN)))


def test_the_passes_of_a_step_add_up_in_every_process(together, images, tmp_path):
    _, (first, second) = together
    assert first["icl"] == second["icl"]
    assert_close(first["icl"], finished(tiny(images, tmp_path, task=ICL)))


def test_an_encoder_that_runs_once_in_a_step_learns_in_every_process(together, images, tmp_path):
    _, (first, second) = together
    assert first["encode_once"] == second["encode_once"]
    alone = finished(tiny(images, tmp_path, network=EncodeOnceModel))
    assert_close(first["encode_once"], alone)


def test_a_vision_transformer_learns_in_every_process(together, images, tmp_path):
    """DistributedDataParallel need not search for parameters without gradients: it would not end if it met any."""
    _, (first, second) = together
    assert first["vit"] == second["vit"]
    assert_close(first["vit"], finished(tiny_vit(images, tmp_path)), 1e-4)
    assert_close(first["unsearched"], first["vit"])


def test_gradients_may_be_sent_in_any_number_of_buckets(together):
    for results in together[1]:
        assert results["buckets"] == results["plain"]


def test_batchnorm_normalises_by_each_process_s_own_part(together, images, tmp_path):
    _, (first, _) = together
    alone = finished(tiny(images, tmp_path, norm=True, task=NO_CLICKS))
    assert np.abs(np.subtract(first["apart"]["curves"], alone["curves"])).max() > 1e-3


def test_synchronised_batchnorm_without_gpus_ends_in_a_sentence(images, tmp_path):
    with pytest.raises(InputError, match=r"^--sync-bn works on GPUs only: leave it out, or train without --cpu\.$"):
        tiny(images, tmp_path, norm=True, sync_batchnorm=True)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="PyTorch's SyncBatchNorm needs two GPUs")
def test_synchronised_batchnorm_sees_the_whole_batch(images, tmp_path):
    ended, (first, second) = run_of_two(images, tmp_path / "two", "synchronised")
    assert [code for _, code in ended] == [0, 0], ended
    alone = finished(tiny(images, tmp_path, norm=True, task=NO_CLICKS, device=torch.device("cuda:0")))
    assert first == second
    assert_close(first, alone, 1e-4)
    assert first["weights"].keys() == alone["weights"].keys()


def test_processes_share_the_statistics_that_each_has_seen(together):
    _, (first, second) = together
    for name in ("apart", "measured"):
        assert first[name]["weights"] == second[name]["weights"]
    assert first["apart"]["weights"]["norm.running_mean"] != first["measured"]["weights"]["norm.running_mean"]
    assert first["apart"]["weights"]["last.weight"] == first["measured"]["weights"]["last.weight"]


def test_processes_share_the_averaged_weights_and_their_statistics(together):
    _, (first, second) = together
    assert first["averaged"] == second["averaged"]
    average, own = first["averaged"]["average"], first["averaged"]["weights"]
    assert average["norm.running_mean"] != own["norm.running_mean"]


def test_two_stopped_processes_go_on_as_if_unbroken(together):
    for results in together[1]:
        assert results["resumed"]["went_on_at"] == 6
        assert results["resumed"]["weights"] == results["whole"]["weights"]
        behind = len(results["resumed"]["curves"])
        assert 0 < behind < len(results["whole"]["curves"])
        assert results["resumed"]["curves"] == results["whole"]["curves"][-behind:]


def test_one_process_writes_and_one_process_can_read(together):
    folder, (first, _) = together
    assert len(list((folder / "plain" / "logs").glob("events.*"))) == 1
    checkpoint = folder / "plain" / "checkpoints" / "last_checkpoint.pth"
    model = TinyModel()
    load_state(model, read_checkpoint(checkpoint)["state_dict"], checkpoint)
    assert {name: value.flatten().tolist() for name, value in model.state_dict().items()} == first["plain"]["weights"]


def test_another_number_of_processes_goes_on_with_a_warning(together, images, tmp_path, caplog):
    folder, _ = together
    run = tiny(images, tmp_path, resume=folder / "plain" / "checkpoints" / "last_checkpoint.pth")
    assert run.epoch == 2 and "was trained by 2 processes, not 1" in caplog.text


def write_script(folder, text=SCRIPT):
    (folder / "models" / "tiny").mkdir(parents=True)
    (folder / "models" / "tiny" / "tiny.py").write_text(text)


def assert_one_failed_in_the_second_epoch(said, folder):
    assert said.count("error: 07.png is broken: get it again.\n") == said.count("error:") == 1, said
    assert "Traceback" not in said
    (folder,) = (folder / "experiments" / "tiny" / "tiny").iterdir()
    assert read_checkpoint(folder / "checkpoints" / "last_checkpoint.pth")["training"]["epoch"] == 1
    assert len(list((folder / "logs").glob("train_*.log"))) == len(list(folder.glob("tiny_*.py"))) == 1


@pytest.mark.long
def test_a_process_that_fails_ends_all_in_one_sentence(images, tmp_path):
    write_script(tmp_path)
    words = ["models/tiny/tiny.py", "--data", str(images), "--cpu", "--workers", "0"]
    with two_processes(str(REPOSITORY / "train.py"), *words, cwd=tmp_path) as running:
        first, second = (process.communicate(timeout=120)[1] for process in running)
    assert [process.returncode for process in running] == [2, 2], first + second
    assert "error:" not in first
    assert_one_failed_in_the_second_epoch(first + second, tmp_path)


@pytest.mark.parametrize(("length", "batch_size", "count"), [(22, 8, 2), (22, 8, 4), (22, 6, 3), (17, 8, 4)])
@pytest.mark.parametrize("whole", [True, False])
def test_parts_of_all_processes_are_the_batches_of_one(length, batch_size, count, whole):
    one = EpochBatches(length, batch_size, 3, 5, first=1, whole=whole)
    several = [
        EpochBatches(length, batch_size, 3, 5, first=1, whole=whole, rank=rank, count=count) for rank in range(count)
    ]
    for number, batch in enumerate(one.parts):
        assert [index for parts in several for index in parts.parts[number]] == batch
        for parts in several:
            assert batch[parts.starts[number] :][: len(parts.parts[number])] == parts.parts[number]
    everything = EpochBatches(length, batch_size, 3, 5, whole=False).parts
    assert sorted(index for part in everything for index in part) == list(range(length))
    assert list(several[-1]) == [part for part in several[-1].parts if part]
    assert one.parts != EpochBatches(length, batch_size, 3, 6, first=1, whole=whole).parts


@pytest.mark.parametrize(
    ("arguments", "number"),
    [({"gpus": "0,1"}, 2), ({"gpus": "4, 7,5"}, 3), ({"ngpus": 4}, 4), ({"ngpus": 2, "cpu": True}, 2), ({}, 1)],
    ids=str,
)
def test_several_gpus_are_a_process_each(arguments, number, monkeypatch):
    started, looked_at = [], []
    monkeypatch.setattr("sys.argv", ["train.py", "x.py", "--epochs=3"])
    monkeypatch.setattr(torch.distributed.run, "main", started.append)
    monkeypatch.setattr(distributed, "choose_device", lambda name, elsewhere: looked_at.append((name, elsewhere)))
    with pytest.raises(SystemExit) if number > 1 else nullcontext():
        distributed.launch(**arguments)
    launcher = ["--standalone", f"--nproc_per_node={number}"]
    assert started == ([[*launcher, "train.py", "x.py", "--epochs=3"]] if number > 1 else [])
    assert len(looked_at) == (0 if number == 1 or "cpu" in arguments else number)
    assert all(elsewhere for _, elsewhere in looked_at)  # this process opens no GPU
    monkeypatch.setenv("WORLD_SIZE", str(number))  # as each of the started ones finds it
    distributed.launch(**arguments)
    assert len(started) == (number > 1)


PROGRAMS = {"script": [str(REPOSITORY / "train.py")], "command": ["-m", "isegm", "train"]}


def train_in_two(program, data, folder):
    words = ["models/tiny/tiny.py", "--cpu", "--ngpus=2", "--workers=0", "--data", str(data)]
    command = [sys.executable, *PROGRAMS[program], *words]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)


@pytest.mark.long
def test_one_command_trains_in_two_processes_and_ends_as_they_do(images, tmp_path):
    write_script(tmp_path)
    ended = train_in_two("command", images, tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert_one_failed_in_the_second_epoch(ended.stderr, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("good", [True, False], ids=["good", "bad data"])
def test_one_command_trains_to_the_end_or_says_in_one_sentence_why_not(program, good, images, tmp_path):
    write_script(tmp_path, SCRIPT.replace('["RANK"] == "1"', '["RANK"] == "7"'))
    ended = train_in_two(program, images if good else tmp_path / "absent", tmp_path)
    assert ended.returncode == (0 if good else 2), ended.stderr
    assert ended.stderr.count("error: there is no data folder") == (not good) and "Traceback" not in ended.stderr
    assert len(list(tmp_path.rglob("last_checkpoint.pth"))) == good


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL there")
def test_a_killed_process_ends_the_others_in_one_sentence(run_together):
    (message, code), (_, killed) = run_together[1]
    assert (code, killed) == (2, -signal.SIGKILL) and "Traceback" not in message
    assert message.count("error:") == 1, message
    sentence = message[message.index("error:") :]
    assert sentence.startswith("error: another process of this run has ended or does not answer (")
    assert sentence.endswith("): see what it said, then go on with --resume-exp.\n")


def test_nothing_keeps_the_group_of_processes_alive_behind_its_end():
    """Else its threads live on while Python ends, and now and then abort the process."""
    code = """
import atexit, gc, os, sys, torch, weakref
from isegm import InputError
from isegm.utils import cli, distributed

gc.disable()
with distributed.process_group():
    group = torch.distributed.group.WORLD
    parallel = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2))
    parallel(torch.ones(1, 2)).sum().backward()
    torch.optim.Adam(parallel.parameters())
    distributed.all_gather(1)
    parallel = weakref.ref(parallel)
print(sys.getrefcount(group), parallel())
gc.enable()
del group

def at_the_end():
    print(torch.distributed.is_initialized(), parallel_module())

def fail():
    global parallel_module
    with distributed.process_group():
        parallel = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2))
        parallel_module = weakref.ref(parallel)
        parallel(torch.ones(1, 2)).sum().backward()
        raise InputError("07.png is broken.")

atexit.register(at_the_end)
os.environ["MASTER_PORT"] = sys.argv[1]
cli.run(fail)
"""
    command = [sys.executable, "-c", code, free_port()]
    ended = subprocess.run(command, env=alone(), capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, "error: 07.png is broken.\n")
    behind, at_the_end = (line.split() for line in ended.stdout.splitlines())
    assert behind == ["2", "None"]  # this name, and the argument
    assert at_the_end == ["False", "None"]  # also where the process fails


def test_processes_have_dropout_of_their_own(images, tmp_path, monkeypatch):
    drawn = []
    for rank in range(3):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        torch.manual_seed(0)
        tiny(images, tmp_path / str(rank))
        drawn.append(torch.rand(3).tolist())
    assert drawn[0] != drawn[1] != drawn[2] != drawn[0]


def test_gpus_that_are_not_there_are_told_before_anything_starts():
    with pytest.raises(InputError, match="cuda:98 cannot be used on this machine"):
        distributed.launch("98,99")


def test_half_a_launcher_is_told_in_one_sentence(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with (
        pytest.raises(InputError, match=r"do not find each other .*start it with torchrun"),
        distributed.process_group(),
    ):
        pass


@pytest.fixture
def second_of_four(monkeypatch):
    """This process believes to be one of four on its machine, which has GPUs."""
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(distributed, "choose_device", lambda gpus="", cpu=False: "cpu" if cpu else f"cuda:{gpus}")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")


@pytest.mark.parametrize("options", [{}, {"gpus": ""}, {"gpus": "", "ngpus": 1, "cpu": True}], ids=str)
def test_a_run_without_options_of_devices_finds_one(options):
    there = "cpu" if options.get("cpu") or not torch.cuda.is_available() else "cuda"
    assert distributed.device_of_process(**options).type == there


def test_each_process_takes_a_gpu_of_its_own(second_of_four, monkeypatch):
    assert distributed.device_of_process(local_rank=2) == "cuda:2"
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert distributed.device_of_process(local_rank=2) == "cuda:1"  # the environment wins
    assert distributed.device_of_process(gpus="4,5,6,7", ngpus=1) == "cuda:5"
    assert distributed.device_of_process(ngpus=4) == "cuda:1"
    assert distributed.device_of_process(cpu=True) == "cpu"
    monkeypatch.setenv("LOCAL_RANK", "first")
    with pytest.raises(InputError, match="LOCAL_RANK in the environment is 'first'"):
        distributed.device_of_process()
    for wrong in ({"gpus": "0"}, {"gpus": "0,1"}, {"ngpus": 2}):
        with pytest.raises(InputError, match="4 processes run on this machine"):
            distributed.device_of_process(**wrong)


def test_a_batch_must_be_divisible_by_the_processes(images, tmp_path, monkeypatch):
    monkeypatch.setattr(distributed, "world_size", lambda: 3)
    with pytest.raises(InputError, match="a batch of 8 cannot be divided by 3 processes"):
        tiny(images, tmp_path)
    with pytest.raises(InputError, match="batch of 3 is too small for BatchNorm: give --batch-size 6"):
        tiny(images, tmp_path, batch_size=3, norm=True)


def test_processes_of_an_evaluation_wait_long_for_the_one_that_checks_the_data(monkeypatch):
    waits = []

    def refuse(*_, timeout=None, **__):
        waits.append(timeout)
        raise ValueError("not here")

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(distributed.dist, "rendezvous", lambda _: iter([(None, 0, 2)]))
    monkeypatch.setattr(distributed.dist, "init_process_group", refuse)
    for run in (lambda: evaluate.main(["--datasets=Samples", "--cpu"]), distributed.process_group().__enter__):
        with pytest.raises(InputError, match="do not find each other"):
            run()
    assert waits == [evaluate.PATIENCE, None] and evaluate.PATIENCE.total_seconds() > 3600
