"""SegNext's commands that users know, but for training, run with other weights, data and device, and few clicks."""

import shlex
from pathlib import Path

import pytest

from isegm.cli import annotate, evaluate
from isegm.evaluation.records import read_records
from tests import miniatures, segnext_miniatures
from tests.commands import ROOT, exit_code
from tests.segnext import save_published

FILE = "vitb_sa2_cocolvis_hq44k_epoch_0.pth"
EVALUATION = f"""
scripts/evaluate_model.py --gpus=0 --checkpoint=./weights/{FILE} --datasets=DAVIS,HQSeg44K --print-ious
"""
DEMO = f"demo.py --checkpoint=./weights/{FILE} --gpu 0"


def run(line, monkeypatch, *more):
    """The exit code of a command on the CPU."""
    words = shlex.split(line)
    kept = [word for i, word in enumerate(words) if not word.startswith("--gpu") and words[i - 1] != "--gpu"]
    return exit_code([*kept, "--cpu", *more], monkeypatch)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """DAVIS and HQSeg-44K in small, and a light network under the name of the published file."""
    root = tmp_path_factory.mktemp("segnext")
    miniatures.benchmarks(root / "datasets")
    segnext_miniatures.hqseg44k(root / "datasets" / "HQSeg44K")
    save_published(root / "weights" / FILE)
    return root


@pytest.fixture
def checkout(files, tmp_path, monkeypatch):
    """A folder with what a checkout holds, to run commands in."""
    for name in ("datasets", "weights"):
        (tmp_path / name).symlink_to(files / name)
    (tmp_path / "config.yml").symlink_to(ROOT / "config.yml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_evaluation_runs_and_leaves_its_table_and_records(checkout, monkeypatch, capsys):
    assert run(EVALUATION, monkeypatch, "--n-clicks=2", "--max-objects=4", "--no-overlays") == 0
    folder = checkout / "experiments" / "evaluation_logs" / "others" / Path(FILE).stem
    (table,) = folder.glob("cvpr_NoBRS_2.txt")
    rows = [row for row in table.read_text().splitlines() if row.startswith("|") and "NoC" not in row]
    assert [[cell.strip() for cell in row.split("|")[1:3]] for row in rows] == [["base", "DAVIS"], ["base", "HQSeg44K"]]
    assert all("mIoU@1=" in row and "mIoU@2=" in row for row in rows)
    assert rows[-1] in capsys.readouterr().out
    (report,) = folder.rglob("report_HQSeg44K.txt")
    assert "\n  DIS        3 objects: NoC @80%" in report.read_text()
    assert "\n  ThinObject 1 objects: NoC @80%" in report.read_text() and "COIFT" not in report.read_text()
    for name in ("DAVIS", "HQSeg44K"):
        (path,) = folder.rglob(f"records_{name}.jsonl")
        found = read_records(path)
        assert found.identity["protocol"] == "segnext" and found.identity["threshold"] == 0.49
        assert all(len(record.ious) == 2 for record in found.records)


def test_the_demo_opens_its_window(checkout, opened, monkeypatch):
    assert run(DEMO, monkeypatch) == 0
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("parse", "options"),
    [
        (
            evaluate.parse_args,
            "--checkpoint=a --datasets=GrabCut,ADE20K --gpus=0 --target-iou=0.95 --n-clicks=20 --max-n-clicks=20 "
            "--min-n-clicks=1 --thresh=0.49 --clicks-limit=5 --save-ious --print-ious --vis-preds --model-name=a "
            "--config-path=./config.yml --logs-path=logs",
        ),
        (evaluate.parse_args, "--exp-path=a:last --cpu --iou-analysis"),
        (annotate.parse_args, "--checkpoint=a --gpu 0 --limit-longest-size=800 --cfg=config.yml"),
    ],
    ids=["evaluation", "experiment", "demo"],
)
def test_published_options_are_accepted(parse, options):
    parse(shlex.split(options))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--datasets=HQSeg44k"], "there is no data set named HQSeg44k: did you mean HQSeg44K?"),
        (["--max-n-clicks=0"], "--max-n-clicks"),
        (["--eval-mode=fixed1024"], "fixed1024 does not fit SegNext, whose networks resize whole images themselves"),
    ],
    ids=lambda given: given[0] if isinstance(given, list) else "",
)
def test_bad_input_is_one_sentence(options, sentence, checkout, monkeypatch, capsys):
    line = f"scripts/evaluate_model.py --checkpoint=./weights/{FILE} --datasets=DAVIS"
    assert run(line, monkeypatch, *options) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("error: ") and sentence in said
    assert not list(checkout.rglob("records_*"))
