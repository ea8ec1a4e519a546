"""The command ``isegm``, and the scripts under their published names that start the same code."""

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import isegm
from isegm import build_model, list_models
from isegm.cli import COMMANDS, main
from isegm.model.weights_table import WEIGHTS
from tests.cli.loading import load

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = {
    "predict": "scripts/predict.py",
    "annotate": "demo.py",
    "evaluate": "scripts/evaluate_model.py",
    "compare": "scripts/compare.py",
    "train": "train.py",
    "download": "scripts/download.py",
    "datasets": "scripts/check_datasets.py",
    "benchmark": "scripts/benchmark.py",
    "flops": "scripts/count_flops.py",
    "initial-masks": "scripts/make_initial_masks.py",
    "convert": "scripts/convert_annotations.py",
    "plot-ious": "scripts/plot_ious_analysis.py",
    "measure-latency": "scripts/measure_latency.py",
    "measure-refiner": "scripts/measure_refiner.py",
}


def module_of(command):
    return import_module(f"isegm.cli.{command.replace('-', '_')}")


def call(capsys, *words):
    """Exit code, stdout and stderr of ``isegm`` with these words."""
    with pytest.raises(SystemExit) as end:
        main(words)
    said = capsys.readouterr()
    return end.value.code, said.out, said.err


def test_every_module_is_a_command():
    files = {path.stem.replace("_", "-") for path in (ROOT / "isegm" / "cli").glob("*.py")} - {"--init--"}
    assert files == set(COMMANDS) == {*SCRIPTS, "models", "export", "pack", "benchmark-eval"}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command, capsys):
    code, out, _ = call(capsys, command, "--help")
    assert code == 0 and out.startswith(f"usage: isegm {command} [-h]")


def test_an_interrupt_while_a_command_is_imported_is_one_word(monkeypatch, capsys):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr("isegm.cli.import_module", interrupted)
    assert call(capsys, "models") == (130, "", "interrupted\n")


@pytest.mark.parametrize(("command", "file"), SCRIPTS.items())
def test_scripts_only_start_their_command(command, file):
    script = load(Path(ROOT / file).with_suffix(""))
    assert script.main is module_of(command).main
    statements = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
    assert len(statements) == 4  # docstring, import, the call, and the function for those who import the script


def test_help_lists_every_command_and_needs_no_pytorch():
    code = "import isegm.cli, sys\ntry: isegm.cli.main(['--help'])\nfinally: print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(f"  {command} " in done.stdout for command in COMMANDS)
    assert done.stdout.splitlines()[-1] == "False"


def test_the_version_and_the_module(capsys):
    assert call(capsys, "--version") == (0, f"isegm {isegm.__version__}\n", "")
    command = [sys.executable, "-m", "isegm", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"isegm {isegm.__version__}\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["evalute"], "error: there is no command evalute: did you mean evaluate?\n"),
        (["xyz"], f"error: there is no command xyz: known are {', '.join(COMMANDS)}.\n"),
        (["compare", "absent"], "error: there is no records file absent: check the path.\n"),
        (["--bogus"], "isegm: error: unrecognized arguments: --bogus"),
        ([], "usage: isegm [-h] [--version] command"),
    ],
    ids=str,
)
def test_what_cannot_run_is_said_in_a_sentence(words, sentence, capsys):
    code, out, err = call(capsys, *words)
    assert (code, out) == (2, "") and sentence in err


def test_models_lists_networks_and_weights(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / WEIGHTS[0].file).touch()
    code, out, _ = call(capsys, "models", "--json")
    shown = json.loads(out)
    assert code == 0 and [row["name"] for row in shown["networks"]] == list_models()
    parameters = sum(parameter.numel() for parameter in build_model("ritm_hrnet18s").parameters())
    assert {"name": "ritm_hrnet18s", "parameters": parameters} in shown["networks"]
    default, *published = shown["weights"]
    assert (default["name"], default["path"]) == ("mobilenetv2_default", str(isegm.DEFAULT_CHECKPOINT))
    assert [row["name"] for row in published] == [row.name for row in WEIGHTS]
    assert [row["path"] is not None for row in published] == [True] + [False] * (len(WEIGHTS) - 1)
    monkeypatch.setattr("isegm.cli.models.networks", lambda: shown["networks"])  # which takes seconds
    code, out, _ = call(capsys, "models")
    (line,) = (line for line in out.splitlines() if line.startswith(WEIGHTS[1].name))
    assert code == 0 and WEIGHTS[1].licence in line and " no " in line and f"{WEIGHTS[1].megabytes}" in line


def test_public_names_are_those_that_are_listed():
    assert all(getattr(isegm, name) is not None for name in isegm.__all__)
    assert set(isegm.__all__) <= set(dir(isegm))
    assert not hasattr(isegm, "nothing")
