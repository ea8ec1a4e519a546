"""Evaluations timed stage by stage, against a plain loop."""

import json
from dataclasses import replace

import pytest
import torch

from isegm.benchmarks import evaluation
from isegm.benchmarks.evaluation import STAGES
from isegm.cli import benchmark, benchmark_eval
from isegm.utils.cli import run
from tests.evaluation.fakes import write_folder

FEW = ["--cpu", "--threads=1", "--n-clicks=2"]


@pytest.fixture
def here(monkeypatch):
    """Measurements in this process, so that tests need not start others."""
    monkeypatch.setattr(benchmark_eval, "measured_apart", lambda measured, wanted: measured(wanted))
    monkeypatch.setattr(evaluation, "set_threads", lambda threads: threads)


def test_both_loops_are_timed_and_make_the_same_clicks(tmp_path, here, capsys):
    write_folder(tmp_path / "set", 2)
    words = ["--models=clickseg_pplcnet", f"--dataset=folder:{tmp_path}/set", f"--json={tmp_path}/out.json", *FEW]
    benchmark.main(["eval", "--batch-size=1,2", "--max-objects=2", *words])
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("cpu, 1 threads; ") and all(stage in said[1] for stage in STAGES)
    assert [line.split()[1] for line in said[2:5]] == ["plain", "here", "of"]
    count = int(said[0].split("; ")[1].split()[0])
    assert f" x; the same clicks on {count} of {count} objects, NoC@90% moved on 0" in said[5]
    assert said[6].startswith("clickseg_pplcnet, of 2: ") and said[6].endswith("moved on 0")
    plain, ours, _ = json.loads((tmp_path / "out.json").read_text())["evaluations"]
    assert plain["plain"] and not ours["plain"] and plain["made_clicks"] == ours["made_clicks"] > 0
    stages = ours["stages"]
    assert min(stages.values()) > 0
    assert sum(stages.values()) - stages["reading"] < ours["seconds"]  # reading goes on beside the others


def test_loops_take_turns_and_the_fastest_of_each_counts(tmp_path, here, monkeypatch, capsys):
    write_folder(tmp_path / "set", 1)
    seconds = iter((9.0, 4.0, 8.0, 5.0))
    order = []

    def measured(wanted):
        order.append(wanted.plain)
        return replace(evaluation.measured(wanted), seconds=next(seconds))

    monkeypatch.setattr(benchmark_eval, "measured", measured)
    words = ["--models=clickseg_pplcnet", f"--dataset=folder:{tmp_path}/set", f"--json={tmp_path}/out.json", *FEW]
    benchmark_eval.main(["--max-objects=1", "--repeats=2", *words])
    assert order == [True, False, True, False]
    assert "clickseg_pplcnet, here: 2.00 x;" in capsys.readouterr().out
    assert [one["seconds"] for one in json.loads((tmp_path / "out.json").read_text())["evaluations"]] == [8.0, 4.0]


def test_a_compiled_network_is_told_from_the_plain_one(tmp_path, here, monkeypatch, capsys):
    compile = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, **_: compile(function, backend="eager"))
    write_folder(tmp_path / "set", 1)
    words = ["--models=clickseg_pplcnet", f"--dataset=folder:{tmp_path}/set", f"--json={tmp_path}/out.json", *FEW]
    benchmark_eval.main(["--max-objects=1", "--compile", *words])
    assert "clickseg_pplcnet, here, compiled: " in capsys.readouterr().out
    written = json.loads((tmp_path / "out.json").read_text())["evaluations"]
    assert [(one["plain"], one["compiled"]) for one in written] == [(True, False), (False, True)]


def test_memory_is_told_as_objects_are_evaluated(here, capsys):
    benchmark_eval.main(["--models=clickseg_pplcnet", "--made-up=10", "--n-clicks=1", "--cpu", "--threads=1"])
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith("10 objects of a synthetic data set")
    assert said[-1].startswith("clickseg_pplcnet, here: memory after each tenth of the objects: ")
    assert said[-1].count(" MB") + said[-1].count(" GB") == 10 and len(said) == 4


def test_what_cannot_be_measured_is_told(capsys):
    for words, complaint in (
        (["--models=clickseg_x"], "there is no network named clickseg_x"),
        (["--dataset=Grabcut", "--plain", *FEW], "there is no data set named Grabcut: did you mean GrabCut?"),
    ):
        with pytest.raises(SystemExit) as end:
            run(lambda words=words: benchmark_eval.main(words))
        assert end.value.code == 2 and complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, complaint",
    [
        (["--made-up=3", "--dataset=Samples"], "--made-up makes its objects itself"),
        (["--made-up=3", "--max-objects=2"], "--made-up makes its objects itself"),
        (["--plain", "--compile"], "the plain loop has one object at a time and compiles nothing"),
        (["--plain", "--batch-size=4"], "the plain loop has one object at a time and compiles nothing"),
    ],
)
def test_options_without_effect_are_refused(capsys, words, complaint):
    with pytest.raises(SystemExit) as end:
        benchmark_eval.parse_args(words)
    assert end.value.code == 2 and complaint in capsys.readouterr().err


def test_other_words_choose_other_benchmarks(monkeypatch, capsys):
    for name in ("step_lines", "throughput_lines"):
        monkeypatch.setattr(benchmark, name, lambda device, name=name: [f"{name} on {device}"])
    benchmark.main(["train", "--device=cpu"])
    assert capsys.readouterr().out.splitlines()[1:] == ["step_lines on cpu", "throughput_lines on cpu"]
    with pytest.raises(SystemExit):
        benchmark.main(["latency", "--help"])
    assert "measure-latency" in capsys.readouterr().out
