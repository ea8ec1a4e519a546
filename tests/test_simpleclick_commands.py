"""Every command of SimpleClick and CFR-ICL that users know runs, with other weights, data and device, and few steps."""

import shlex
import shutil
from pathlib import Path

import pytest
import torch

from isegm import load_model
from isegm.cli import annotate, evaluate, train
from isegm.evaluation.records import read_records
from isegm.model.checkpoint import read_checkpoint
from tests import clickseg_miniatures, miniatures
from tests.commands import ROOT, exit_code
from tests.vit import save_published, small_vit

COMMANDS = """
python3 demo.py --checkpoint=./weights/simpleclick_models/cocolvis_vit_huge.pth --gpu 0
python3 demo.py --checkpoint=./weights/simpleclick_models/cocolvis_vit_huge.pth --gpu 0 --eval-ritm
python demo.py --checkpoint=weights/cocolvis_icl_vit_huge.pth --gpu 0
python scripts/evaluate_model.py NoBRS --gpu=0 --checkpoint=./weights/simpleclick_models/cocolvis_vit_huge.pth --eval-mode=cvpr --datasets=GrabCut,Berkeley,DAVIS,PascalVOC,SBD,COCO_MVal,ssTEM,BraTS,OAIZIB
python scripts/evaluate_model.py NoBRS --gpu=0 --checkpoint=./weights/simpleclick_models/cocolvis_vit_huge.pth --eval-mode=fixed112,224 --datasets=HARD --eval-ritm
python scripts/evaluate_model.py NoBRS --gpu=0 --checkpoint=cocolvis_icl_vit_huge.pth --datasets=GrabCut,Berkeley,DAVIS,PascalVOC,SBD --cf-n=4 --acf
python train.py models/iter_mask/plainvit_huge448_cocolvis_itermask.py --batch-size=32 --ngpus=4
python train.py models/plainvit_huge448_cocolvis.py --batch-size=32 --ngpus=4
python train.py models/plainvit_huge448_cocolvis.py --batch-size=32 --ngpus=4 --debug --amp --accumulate-grad=2
"""  # noqa: E501
FEW = {
    "evaluate_model.py": ["--n-clicks=1", "--max-objects=2", "--no-overlays"],
    "train.py": ["--epoch-len=2", "--batch-size=2", "--workers=0", "--exp-name=first-try"],
}
DEVICE = ("--gpu", "--ngpus", "--amp")  # mixed precision is of GPUs


def commands(script):
    listed = [shlex.split(line)[1:] for line in COMMANDS.strip().splitlines()]
    return [words for words in listed if words[0] == script]


def value(words, option):
    return next((word.split("=", 1)[1] for word in words if word.startswith(f"--{option}=")), None)


def run(words, monkeypatch):
    """The exit code of a command on the CPU, with few steps."""
    kept = [word for i, word in enumerate(words) if not word.startswith(DEVICE) and words[i - 1] != "--gpu"]
    few = FEW.get(Path(words[0]).name, [])
    if words[0] == "train.py" and "--debug" not in words:
        few = [*few, "--epochs=1"]
    return exit_code([*kept, "--cpu", *few], monkeypatch)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Every data set of the commands in small, and a light network under the names of the published files."""
    root = tmp_path_factory.mktemp("simpleclick")
    miniatures.benchmarks(root / "datasets")
    miniatures.medical(root / "datasets")
    for make, name in (
        (miniatures.sbd, "SBD"),
        (miniatures.voc, "PascalVOC"),
        (miniatures.coco_lvis, "LVIS"),
        (clickseg_miniatures.coco_mval, "COCO_MVal"),
        (clickseg_miniatures.coco_mval, "HARD"),
    ):
        make(root / "datasets" / name)
    save_published(root / "weights" / "cocolvis_icl_vit_huge.pth")
    save_published(root / "weights" / "simpleclick_models" / "cocolvis_vit_huge.pth")
    return root


@pytest.fixture
def checkout(files, tmp_path, monkeypatch):
    """A folder with what a checkout holds, to run commands in; ViT-H is a small network."""
    said = (ROOT / "config.yml").read_text()
    assert "\n  CL_VIT_HUGE:\n" in said
    weights = files / "weights" / "simpleclick_models" / "cocolvis_vit_huge.pth"
    (tmp_path / "config.yml").write_text(said.replace("\n  CL_VIT_HUGE:\n", f"\n  CL_VIT_HUGE: {weights}\n"))
    for name in ("datasets", "weights"):
        (tmp_path / name).symlink_to(files / name)
    shutil.copytree(ROOT / "models", tmp_path / "models")

    def build(name, **arguments):
        assert (name, arguments) == ("simpleclick_vith", {})
        return small_vit().requires_grad_(True)

    for recipes in ("launch", "cfr_icl"):
        monkeypatch.setattr(f"isegm.recipes.{recipes}.build_model", build)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("words", commands("scripts/evaluate_model.py"), ids=["SimpleClick", "--eval-ritm", "CFR-ICL"])
def test_evaluations_run_and_leave_their_tables_and_records(words, checkout, monkeypatch, capsys):
    assert run(words, monkeypatch) == 0
    datasets, stem = value(words, "datasets").split(","), Path(value(words, "checkpoint")).stem
    folder = checkout / "experiments" / "evaluation_logs" / "others" / stem
    (table,) = folder.glob("*_NoBRS_1.txt")
    assert table.name == {
        "cvpr": "cvpr_NoBRS_1.txt",
        "fixed112,224": "fixed112,224_NoBRS_1.txt",
        None: "acf4_1clk_cvpr_NoBRS_1.txt",
    }.get(value(words, "eval-mode"))
    rows = [row for row in table.read_text().splitlines() if row.startswith("|") and "NoC" not in row]
    assert [row.split("|")[2].strip() for row in rows] == datasets
    assert table.read_text().splitlines()[-1] in capsys.readouterr().out
    protocol = "ritm" if "--eval-ritm" in words else "simpleclick"
    assert all(f" protocol={protocol} " in row for row in rows)
    sizes = {}
    for name in datasets:
        (path,) = folder.rglob(f"records_{name}.jsonl")
        found = read_records(path)
        sizes[name] = (len(found.records), found.identity["inference"]["zoom_in"]["target_size"])
        cascade = found.identity["inference"]["cascade"]
        assert cascade == ({"steps": 4, "adaptive": True, "clicks": 1} if "--acf" in words else None)
    several = {"PascalVOC", "SBD", "ssTEM", "OAIZIB"}
    expected = {name: (2 if name in several else 1, [672] * 2 if name == "DAVIS" else [448] * 2) for name in datasets}
    assert sizes == (expected if "--eval-ritm" not in words else {"HARD": (1, [112, 224])})


@pytest.mark.parametrize("words", commands("train.py"), ids=["SimpleClick", "CFR-ICL", "--debug"])
def test_trainings_run_and_leave_a_checkpoint(words, checkout, small_crops, monkeypatch):
    assert run(words, monkeypatch) == 0
    (path,) = (checkout / "experiments").rglob("000_first-try/checkpoints/last_checkpoint.pth")
    assert "iter_mask" in path.parts or "iter_mask" not in words[1]
    assert read_checkpoint(path)["config"]["model"] == "simpleclick_vit_xtiny" and load_model(path).with_prev_mask


@pytest.mark.parametrize(
    ("parse", "options"),
    [
        (
            evaluate.parse_args,
            "NoBRS --checkpoint=a --datasets=HARD --gpus=0 --target-iou=0.95 --n-clicks=20 --min-n-clicks=1 "
            "--thresh=0.49 --clicks-limit=-1 --eval-mode=fixed448,672 --eval-ritm --cf-n=4 --cf-click=2 --acf "
            "--save-ious --print-ious --vis-preds --model-name=a --config-path=config.yml --logs-path=logs",
        ),
        (evaluate.parse_args, "NoBRS --exp-path=a:last --cpu --iou-analysis"),
        (annotate.parse_args, "--checkpoint=a --gpu 0 --limit-longest-size=400 --cfg=config.yml --eval-ritm"),
        (
            train.parse_args,
            "models/a.py --exp-name=a --workers=4 --batch-size=32 --ngpus=4 --resume-exp=000 --resume-prefix=last "
            "--start-epoch=3 --weights=a.pth --temp-model-path=a --local_rank=0 --layerwise-decay --upsample=x2 "
            "--random-split --accumulate-grad=2 --amp --debug",
        ),
    ],
    ids=["evaluation", "experiment", "demo", "training"],
)
def test_published_options_are_accepted(parse, options):
    parse(shlex.split(options))


@pytest.mark.parametrize("words", commands("demo.py"), ids=["SimpleClick", "--eval-ritm", "CFR-ICL"])
def test_demos_open_their_window(words, checkout, opened, monkeypatch):
    assert run(words, monkeypatch) == 0
    assert opened == [(800, 400 if "--eval-ritm" in words else 448)]


def test_maes_weights_are_no_click_model(checkout, monkeypatch, capsys):
    torch.save({"model": small_vit().backbone.state_dict()}, checkout / "mae_pretrain_vit_base.pth")
    words = ["scripts/evaluate_model.py", "NoBRS", "--checkpoint=mae_pretrain_vit_base.pth", "--datasets=GrabCut"]
    assert run(words, monkeypatch) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "base.pth is a ViT or MAE backbone, not a click model: give" in line


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--eval-mode=fixed450"], "the ViT cannot read 450 x 450 pixels, as its patches have 16 x 16: give"),
        (["--eval-mode=cvpr400"], "the evaluation mode 'cvpr400' is not known: write cvpr"),
        (["--datasets=OAIZIP"], "there is no data set named OAIZIP: did you mean OAIZIB?"),
        (["--cf-n=-1"], "--cf-n is -1: give a number from 0 to 1000."),
        (["--eval-ritm", "FocalClick"], "--eval-ritm evaluates by RITM's protocol, and mode FocalClick by its own"),
    ],
    ids=lambda given: given[0] if isinstance(given, list) else "",
)
def test_bad_input_is_one_sentence(options, sentence, checkout, monkeypatch, capsys):
    words = ["scripts/evaluate_model.py", "--checkpoint=cocolvis_icl_vit_huge.pth", "--datasets=GrabCut", *options]
    assert run(words, monkeypatch) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and sentence in line
    assert not list(checkout.rglob("records_*"))


@pytest.mark.parametrize("name", ["ssTEM", "BraTS", "OAIZIB", "HARD", "COCO_MVal"])
def test_a_data_set_that_is_not_there_is_named_with_what_to_do(name, tmp_path, files, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").symlink_to(files / "weights")
    (tmp_path / "config.yml").symlink_to(ROOT / "config.yml")
    words = ["scripts/evaluate_model.py", "--checkpoint=cocolvis_icl_vit_huge.pth", f"--datasets={name}"]
    assert run(words, monkeypatch) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: there is no data folder datasets/") and f"run isegm datasets {name} to see" in line
