"""Every RITM command that users know runs, with other weights, data and device, and few steps."""

import re
import shlex
from pathlib import Path

import pytest
import torch

from isegm import build_model, load_model
from isegm.model.checkpoint import read_checkpoint, save_checkpoint
from tests import miniatures
from tests.commands import ROOT, exit_code

COMMANDS = """
python3 demo.py --checkpoint=hrnet18_cocolvis_itermask_3p --gpu=0
python3 demo.py --checkpoint=/weights/hrnet18_cocolvis_itermask_3p --limit-longest-size=400
python3 demo.py --checkpoint=hrnet18_cocolvis_itermask_3p --cpu
python3 scripts/evaluate_model.py NoBRS --checkpoint=hrnet18_cocolvis_itermask_3p
python3 scripts/evaluate_model.py f-BRS-B --checkpoint=hrnet18s_cocolvis_itermask_3p
python3 scripts/evaluate_model.py NoBRS --checkpoint=hrnet18_cocolvis_itermask_3p --datasets=GrabCut,Berkeley
python3 train.py models/noniterative_baselines/r34_dh128_cocolvis.py --gpus=0 --workers=4 --exp-name=first-try
python3 train.py models/iter_mask/hrnet18s_cocolvis_itermask_3p.py --gpus=0 --workers=4 --exp-name=first-try
python3 train.py models/iter_mask/hrnet18_cocolvis_itermask_3p.py --gpus=0,1 --workers=6 --exp-name=first-try
python3 train.py models/iter_mask/hrnet32_cocolvis_itermask_3p.py --gpus=0,1,2,3 --workers=12 --exp-name=first-try
"""
FEW_STEPS = {
    "evaluate_model.py": ["--n-clicks=2", "--max-objects=1", "--no-overlays"],
    "train.py": ["--epochs=1", "--epoch-len=2", "--batch-size=2", "--workers=0", "--seed=5"],  # no simulated clicks
}
NETWORKS = {"r34": "ritm_resnet34", "hrnet18s": "ritm_hrnet18s", "hrnet18": "ritm_hrnet18", "hrnet32": "ritm_hrnet32"}


def commands(script):
    """Those that start a script, as lists of words behind "python3"."""
    listed = [shlex.split(line)[1:] for line in COMMANDS.strip().splitlines()]
    assert {words[0] for words in listed} == {"demo.py", "scripts/evaluate_model.py", "train.py"}
    return [words for words in listed if words[0] == script]


def named(words):
    return " ".join(words[1:3])


def run(words, monkeypatch):
    """The exit code of a command on the CPU, with few steps."""
    words = [
        *(word for word in words if not word.startswith("--gpu")),
        "--cpu",
        *FEW_STEPS.get(Path(words[0]).name, ()),
    ]
    return exit_code(words, monkeypatch)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with what a checkout holds, to run commands in: the configuration, data and weights."""
    for name in ("config.yml", "models"):
        (tmp_path / name).symlink_to(ROOT / name)
    data = tmp_path / "datasets"
    miniatures.benchmarks(data)
    for name, make in (("SBD", miniatures.sbd), ("PascalVOC", miniatures.voc), ("LVIS", miniatures.coco_lvis)):
        make(data / name)
    (tmp_path / "weights").mkdir()
    torch.manual_seed(0)
    network = build_model("ritm_hrnet18s", width=4, ocr_width=8)
    for name in ("hrnet18", "hrnet18s"):
        save_checkpoint(network, tmp_path / "weights" / f"{name}_cocolvis_itermask_3p.pth")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("words", commands("scripts/evaluate_model.py"), ids=named)
def test_evaluations_run_and_leave_their_tables(words, checkout, monkeypatch, capsys):
    assert run(words, monkeypatch) == 0
    mode, checkpoint = words[1], words[2].split("=")[1]
    datasets = words[3].split("=")[1] if len(words) > 3 else "GrabCut,Berkeley,DAVIS,SBD,PascalVOC"
    table = (checkout / f"experiments/evaluation_logs/others/{checkpoint}/cvpr_{mode}_2.txt").read_text()
    rows = [row.split("|")[1:3] for row in table.splitlines() if row.startswith("|") and "NoC" not in row]
    assert [[mode, name] for name in datasets.split(",")] == [[cell.strip() for cell in row] for row in rows]
    assert table.splitlines()[-1] in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        pytest.param(words, marks=pytest.mark.long if re.search("/(hrnet18|hrnet32|r34)_", words[1]) else ())
        for words in commands("train.py")
    ],
    ids=named,
)
def test_trainings_run_and_leave_a_checkpoint(words, checkout, small_crops, monkeypatch):
    assert run(words, monkeypatch) == 0
    script = Path(words[1])
    (path,) = (checkout / "experiments" / script.parent.name).glob("*/000_first-try/checkpoints/last_checkpoint.pth")
    assert read_checkpoint(path)["training"]["global_step"] == 1
    assert load_model(path).config["model"] == NETWORKS[script.stem.split("_")[0]]


def demo_words(words, checkout):
    """A command of the demo, with its absolute path into the checkout."""
    return [word.replace("=/weights/", f"={checkout}/weights/") for word in words if word != "--cpu"]


@pytest.mark.parametrize("words", commands("demo.py"), ids=named)
def test_demos_open_their_window(words, checkout, opened, monkeypatch):
    assert run(demo_words(words, checkout), monkeypatch) == 0
    assert opened == [(400 if "--limit-longest-size=400" in words else 800, 400)]


@pytest.mark.parametrize("words", commands("demo.py"), ids=named)
def test_demos_without_a_display_say_so_in_a_sentence(words, checkout, no_screen, monkeypatch, capsys):
    assert run(demo_words(words, checkout), monkeypatch) == 2
    assert capsys.readouterr().err.startswith("error: no window can be opened")
