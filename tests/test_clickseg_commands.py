"""ClickSEG's evaluation commands run, with other weights, data and device, and few clicks.

Its training commands are in ``tests/test_clickseg_experiments.py``.
"""

import shlex

import pytest
import torch

from isegm import build_model
from isegm.model.checkpoint import save_checkpoint
from isegm.utils.files import read_image
from tests import clickseg_miniatures, miniatures
from tests.commands import ROOT, exit_code
from tests.test_clickseg_experiments import EXPERIMENTS

COMMANDS = """
python scripts/evaluate_model.py FocalClick --model_dir=./experiments/focalclick/segformerB0_S1_cclvs/000_segformerB0_S1_cclvs/checkpoints/ --checkpoint=last_checkpoint --infer-size=256 --datasets=GrabCut,Berkeley,PascalVOC,COCO_MVal,SBD,DAVIS,D585_ZERO,D585_SP --gpus=3 --n-clicks=20 --target-iou=0.90 --thresh=0.50 --vis
python scripts/evaluate_model.py CDNet --model_dir=./experiments/cdnet/cdnet_res34_sbd/000_cdnet_res34_sbd/checkpoints/ --checkpoint=last_checkpoint --infer-size=384 --datasets=GrabCut,Berkeley --gpus=1 --n-clicks=20 --target-iou=0.90 --thresh=0.5
python scripts/evaluate_model.py FocalClick --checkpoint=/weights/focal.pth --infer-size=256 --target-crop-r=1.4 --focus-crop-r=1.4 --datasets=DAVIS --gpus=0 --n-clicks=20 --target-iou=0.90 --thresh=0.5 --vis
python scripts/evaluate_model.py Baseline --model_dir=./experiments/strongbaseline/pplcnet_x1_comb/000_pplcnet_x1_comb/checkpoints/ --checkpoint=210,220,230 --infer-size=384 --datasets=GrabCut --gpus=0 --n-clicks=20 --target-iou=0.90 --thresh=0.5
"""  # noqa: E501
MODES = {"focalclick": "FocalClick", "cdnet": "CDNet", "strongbaseline": "Baseline"}
LIGHT = {"FocalClick": "focalclick_segformerb0_s1", "CDNet": "cdnet_resnet34", "Baseline": "clickseg_pplcnet"}
FEW = ["--cpu", "--max-objects=1", "--no-overlays"]
# Experiments whose networks, or their likes, a command of another evaluates in the same way
OTHERS = {"cdnet/cdnet_res34_sbd", "cdnet/cdnet_res34_cclvs"}
OTHERS |= {f"focalclick/{name}_S2_{data}" for name in ("hrnet18s", "hrnet32") for data in ("cclvs", "comb")}
CLICKS = {"CDNet": 1}  # which takes its time


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Every data set of the commands in small, and the lightest network of each mode with random weights."""
    root = tmp_path_factory.mktemp("clickseg")
    data = root / "datasets"
    miniatures.benchmarks(data)
    for name, make in (
        ("SBD", miniatures.sbd),
        ("PascalVOC", miniatures.voc),
        ("COCO_MVal", clickseg_miniatures.coco_mval),
        ("DAVIS585", clickseg_miniatures.davis585),
    ):
        make(data / name)
    torch.manual_seed(0)
    for mode, network in LIGHT.items():
        save_checkpoint(build_model(network), root / f"{mode}.pth")
    return root


@pytest.fixture
def checkout(files, tmp_path, monkeypatch):
    """A folder with what a checkout holds, to run commands in."""
    (tmp_path / "config.yml").symlink_to(ROOT / "config.yml")
    (tmp_path / "datasets").symlink_to(files / "datasets")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def listed():
    return [shlex.split(line)[1:] for line in COMMANDS.strip().splitlines()]


def form(experiment):
    """The command of an experiment in the form that its repository gives."""
    family, name = experiment.split("/")
    words = listed()[0 if family == "focalclick" else 1]
    known = words[2].split("/")[3]
    size = "--infer-size=256" if family == "focalclick" else "--infer-size=384"
    return [
        words[0],
        MODES[family],
        words[2].replace(known, name).replace(words[2].split("/")[2], family, 1),
        words[3],
        size,
        *words[5:],
    ]


def value(words, option):
    return next((word.split("=", 1)[1] for word in words if word.startswith(f"--{option}=")), None)


def run(words, files, checkout, monkeypatch):
    """Put weights where a command looks for them and run it; gives the rows of its table."""
    mode, folder, names = words[1], value(words, "model_dir"), value(words, "checkpoint")
    words = [word.replace("=/weights/", f"={checkout}/weights/") for word in words if not word.startswith("--gpus")]
    for name in names.split(","):
        path = checkout / folder / f"{name}.pth" if folder else checkout / names.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(files / f"{mode}.pth")
    assert exit_code([*words, *FEW, f"--n-clicks={CLICKS.get(mode, 2)}"], monkeypatch) == 0
    tables = (checkout / "experiments/evaluation_logs/others").rglob("cvpr_*.txt")
    lines = [line for table in tables for line in table.read_text().splitlines()]
    return [[cell.strip() for cell in line.split("|")[1:3]] for line in lines if line[:1] == "|" and "NoC" not in line]


@pytest.mark.parametrize("words", listed()[:3], ids=["all data sets", "CDNet", "absolute path"])
def test_the_commands_that_users_know_run(words, files, checkout, monkeypatch):
    rows = run(words, files, checkout, monkeypatch)
    datasets = value(words, "datasets").split(",")
    assert rows == [[words[1], name] for name in datasets]
    if "--vis" in words:
        for name in datasets:
            (folder,) = (checkout / "experiments" / "vis_val").rglob(name)
            first = next(path for path in folder.iterdir() if path.stem.endswith("_0"))
            assert read_image(first).shape[0] > 40 and first.with_stem(f"{first.stem}_focus").is_file()


def test_several_checkpoints_of_a_folder_are_evaluated(files, checkout, monkeypatch):
    rows = run(listed()[3], files, checkout, monkeypatch)
    assert [name for _, name in rows] == ["GrabCut"] * 3
    assert [checkpoint for checkpoint, _ in rows] == ["210", "220", "230"]


@pytest.mark.parametrize(
    "experiment", [pytest.param(name, marks=pytest.mark.long if name in OTHERS else ()) for name in EXPERIMENTS]
)
def test_every_experiment_is_evaluated_by_a_command_of_this_form(experiment, files, checkout, monkeypatch):
    words = form(experiment)
    words[5] = "--datasets=D585_SP"
    assert f"/{experiment}/000_{experiment.split('/')[1]}/checkpoints/" in words[2]
    assert run(words, files, checkout, monkeypatch) == [[words[1], "D585_SP"]]
