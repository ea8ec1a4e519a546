"""Several processes share an evaluation: the same records and the same table as from one."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from isegm.evaluation.handout import work_of
from isegm.evaluation.options import EvalOptions
from isegm.evaluation.parts import shared_records
from isegm.evaluation.records import RecordWriter, read_records
from isegm.evaluation.run import run_evaluation
from isegm.model import build_model
from isegm.model.checkpoint import save_checkpoint
from isegm.utils.errors import InputError
from tests.evaluation.fakes import DrawnDataset, record, write_folder
from tests.golden import fill_weights
from tests.launching import ENVIRONMENT, two_processes

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = 7
INSIDE = Path("others/tiny/cvpr_Baseline_2_infer-size-64")
IDENTITY = {"dataset": "Drawn", "samples": 9}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    write_folder(home / "drawn", SAMPLES)
    (home / "config.yml").write_text(f"INTERACTIVE_MODELS_PATH: {home}\nEXPS_PATH: {home}/experiments\n")
    save_checkpoint(fill_weights(build_model("clickseg_mobilenetv2")), home / "tiny.pth")
    return home


def alone(home, logs, **options):
    given = {"checkpoint": "tiny", "datasets": f"folder:{home}/drawn", "config_path": f"{home}/config.yml"}
    run_evaluation(
        EvalOptions(**given, mode="Baseline", logs_path=str(logs), infer_size=64, n_clicks=2, overlays=False, **options)
    )
    return logs


def words(home, logs, *options):
    """Arguments of Python for one of the processes that share an evaluation."""
    given = ["-m", "tests.evaluation.worker", "Baseline", "--cpu", "--checkpoint=tiny"]
    given += [f"--datasets=folder:{home}/drawn", f"--config-path={home}/config.yml", f"--logs-path={logs}"]
    return [*given, "--infer-size=64", "--n-clicks=2", "--no-overlays", *options]


def together(home, logs, *options, processes=2, dying=""):
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    command = [sys.executable, *launcher, *words(home, logs, *options)]
    environment = ENVIRONMENT | {"DYING": dying, "APART": ""}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def lines(path):
    """The lines of a records file without the times."""
    return [without_times(line) for line in path.read_text().splitlines()]


def without_times(line):
    return {name: value for name, value in json.loads(line).items() if name not in ("seconds", "first_seconds")}


def row(logs):
    """The last row of a table without the times."""
    return (logs / "others/tiny/cvpr_Baseline_2.txt").read_text().splitlines()[-1].split("|")[:8]


def test_two_processes_without_a_common_disk_give_the_records_and_the_table_of_one(home, tmp_path):
    with two_processes(
        *words(home, "logs", "--max-objects=8", "--prompts=scribble"), DYING="", APART=str(tmp_path)
    ) as running:
        said = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    one, two = alone(home, tmp_path / "one", max_objects=8, prompts="scribble"), tmp_path / "0/logs"
    inside = INSIDE.with_name("cvpr_Baseline_2_prompts-scribble_infer-size-64_max-objects-8")
    assert lines(two / inside / "records_drawn.jsonl") == lines(one / inside / "records_drawn.jsonl")
    assert len(lines(two / inside / "records_drawn.jsonl")) == 1 + 8
    assert row(two) == row(one)
    assert {path.name for path in (two / inside).iterdir()} == {path.name for path in (one / inside).iterdir()}
    assert not [path for path in (tmp_path / "1").rglob("*") if path.is_file()]  # no parts are left
    assert [printed.count("Eval results") for printed, _ in said] == [1, 0]
    assert "2 processes, seconds per click of each: " in (two / inside / "report_drawn.txt").read_text()
    assert "processes" not in (one / inside / "report_drawn.txt").read_text()


@pytest.mark.long
def test_three_processes_give_the_records_and_the_table_of_one(home, tmp_path):
    done = together(home, tmp_path / "three", processes=3)
    assert done.returncode == 0, done.stderr
    one, three = alone(home, tmp_path / "one"), tmp_path / "three"
    assert lines(three / INSIDE / "records_drawn.jsonl") == lines(one / INSIDE / "records_drawn.jsonl")
    assert row(three) == row(one)


@pytest.mark.long
def test_more_processes_than_images_are_told_and_give_the_records_of_one(home, tmp_path):
    done = together(home, tmp_path / "two", "--max-objects=1")
    assert done.returncode == 0, done.stderr
    assert "2 processes share the 1 images of drawn: the others have nothing to do" in done.stderr
    inside = INSIDE.with_name(f"{INSIDE.name}_max-objects-1")
    one = alone(home, tmp_path / "one", max_objects=1)
    assert lines(tmp_path / "two" / inside / "records_drawn.jsonl") == lines(one / inside / "records_drawn.jsonl")


def two_hosts(stack):
    """Two network namespaces joined by a cable, which go when the stack ends; skips where a user may not make them."""
    if shutil.which("ip") is None:
        pytest.skip("there is no command ip")
    names = [f"isegm{os.getpid()}{side}" for side in "ab"]
    cables = [f"is{os.getpid() % 10**8}{side}" for side in "ab"]
    for name in names:
        made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"a network namespace cannot be made: {made.stderr.strip()}")
        stack.callback(subprocess.run, ["ip", "netns", "del", name], check=True)
    words = ["ip", "link", "add", cables[0], "netns", names[0], "type", "veth", "peer", "name", cables[1]]
    subprocess.run([*words, "netns", names[1]], check=True)
    for number, (name, cable) in enumerate(zip(names, cables, strict=True), start=1):
        inside = ["ip", "-n", name]
        subprocess.run([*inside, "address", "add", f"10.77.0.{number}/24", "dev", cable], check=True)
        for device in (cable, "lo"):
            subprocess.run([*inside, "link", "set", device, "up"], check=True)
    return list(zip(names, cables, strict=True))


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_two_hosts_give_the_records_and_the_table_of_one_process(home, tmp_path):
    with ExitStack() as stack:
        running = []
        for number, (host, cable) in enumerate(two_hosts(stack), start=1):
            command = ["ip", "netns", "exec", host, sys.executable, "-m", "torch.distributed.run", "--nnodes=2"]
            command += ["--nproc_per_node=1", "--rdzv-backend=c10d", "--rdzv-endpoint=10.77.0.1:29500", "--rdzv-id=7"]
            # All names of this machine are those of both hosts, so torchrun is told which one keeps the store.
            command += [f"--rdzv-conf=is_host={number == 1}", f"--local-addr=10.77.0.{number}"]
            command += [str(ROOT / "scripts" / "evaluate_model.py"), "Baseline", "--cpu", "--checkpoint=tiny"]
            command += [f"--datasets=folder:{home}/drawn", f"--config-path={home}/config.yml", "--infer-size=64"]
            command += ["--n-clicks=2", "--no-overlays", f"--logs-path={tmp_path / str(number)}"]
            environment = os.environ | {"GLOO_SOCKET_IFNAME": cable, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
            running.append(stack.enter_context(subprocess.Popen(command, env=environment, cwd=tmp_path)))
        assert [process.wait() for process in running] == [0, 0]
    one, both = alone(home, tmp_path / "one"), tmp_path / "1"
    assert lines(both / INSIDE / "records_drawn.jsonl") == lines(one / INSIDE / "records_drawn.jsonl")
    assert row(both) == row(one)
    assert not list((tmp_path / "2").rglob("*.jsonl"))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL there")
@pytest.mark.long
@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_process_ends_the_run_which_any_number_can_resume(processes, home, tmp_path):
    logs = tmp_path / "logs"
    done = together(home, logs, dying="1")
    assert done.returncode != 0
    parts = [path for path in (logs / INSIDE).iterdir() if ".jsonl" in path.name and path.suffix != ".lock"]
    before = [one for path in parts if (file := read_records(path)) for one in file.records]
    assert 2 <= len(before) < 13
    if processes == 1:
        alone(home, logs, resume=True)
    else:
        resumed = together(home, logs, "--resume")
        assert resumed.returncode == 0, resumed.stderr
    whole = alone(home, tmp_path / "whole")
    records = INSIDE / "records_drawn.jsonl"
    assert lines(logs / records) == lines(whole / records)
    assert row(logs) == row(whole)
    kept = read_records(logs / records).records
    assert all(one in kept for one in before)  # with their times: they were not evaluated again


def test_parts_that_a_stopped_run_has_left_are_taken_in_by_one_process(home, tmp_path):
    whole = alone(home, tmp_path) / INSIDE / "records_drawn.jsonl"
    content = whole.read_text().splitlines(keepends=True)
    whole.write_text("".join([*content[:2], *content[5:7], content[8][:20]]))
    whole.with_name(f"{whole.name}.part2").write_text("".join([content[0], *content[7:10]]))
    whole.with_name(f"{whole.name}.part11").write_text(content[0][:9])  # killed in its first write
    alone(home, tmp_path, resume=True)
    assert lines(whole) == [without_times(line) for line in content]
    assert not list(whole.parent.glob("*.part*"))


def test_parts_are_put_aside_with_the_records_that_a_new_run_replaces(tmp_path):
    path = tmp_path / "records.jsonl"
    for one, name in ((record([0.5]), path), (record([0.6], 1), path.with_name("records.jsonl.part1"))):
        with RecordWriter(name, IDENTITY) as writer:
            writer.write(one)
    with shared_records(path, IDENTITY) as shared:
        assert shared.earlier == []
    assert [one.index for one in read_records(path.with_suffix(".jsonl.bak")).records] == [0, 1]
    assert [file.name for file in tmp_path.iterdir() if ".part" in file.name] == []


def test_parts_of_another_run_are_told_in_one_sentence(tmp_path):
    path = tmp_path / "records.jsonl"
    RecordWriter(path, IDENTITY).__exit__(None, None, None)
    RecordWriter(tmp_path / "records.jsonl.part1", {**IDENTITY, "samples": 8}).__exit__(None, None, None)
    with pytest.raises(
        InputError, match=r"^the files records\.jsonl\.part\* beside .* are of another run \(samples was"
    ):
        shared_records(path, IDENTITY, resume=True).__enter__()
    assert (tmp_path / "records.jsonl.part1").is_file()


@pytest.mark.parametrize(
    ("most", "samples", "without"),
    [(None, 4, set()), (1, 1, set()), (2, 2, {(1, 1)}), (3, 2, set()), (4, 3, {(2, 1), (2, 2)}), (99, 4, set())],
)
def test_the_first_objects_lie_in_the_first_samples(most, samples, without):
    work = work_of(DrawnDataset(4), most)  # of 1, 2, 3 and 1 objects
    assert (work.samples, set(work.without)) == (samples, without)


def test_gpus_that_are_not_there_are_told_before_processes_start(monkeypatch, capsys):
    from isegm.cli.evaluate import main

    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(InputError, match=r"cuda:98|CUDA"):
        main(["--gpus=98,99", "--datasets=Samples"])
