"""Every option of every command with values that nobody means: exit code 2 and one sentence, at once."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from isegm.cli import COMMANDS, main
from tests.cli.parsers import parser_of, valued_options

ROOT = Path(__file__).resolve().parents[2]
VALUES = {
    "empty": "",
    "nan": "nan",
    "negative": "-1",
    "infinite": "1e999",
    "huge": "9" * 30,
    "endless": "x" * 1_000_000,
    "escape": "\x1b[31m",
    "bytes": "caf\udce9",
    "folder": "folder",
    "pipe": "pipe",
}
WORDS = {"nan", "negative", "infinite", "huge", "escape", "bytes", "folder", "pipe"}  # names of files that may be made
SCRIPT = str(ROOT / "models" / "light" / "mobilenetv2_folder.py")
USUAL = {  # words with which each command works; an option under test replaces its own
    "predict": ["--image=set/images/0.png", "--point=30,30,1", "--out=mask.png", "--cpu"],
    "annotate": ["--cpu"],
    "evaluate": ["--datasets=folder:set", "--cpu", "--n-clicks=1", "--max-objects=1"],
    "compare": ["set"],
    "train": [SCRIPT, "--data=set", "--cpu", "--workers=0", "--epochs=1", "--epoch-len=2", "--batch-size=2"],
    "download": ["--list"],
    "datasets": ["GrabCut"],
    "models": [],
    "benchmark": [],
    "benchmark-eval": ["--models=clickseg_pplcnet", "--dataset=folder:set", "--max-objects=1", "--n-clicks=1", "--cpu"],
    "flops": ["--models=clickseg_mobilenetv2", "--size=64,64"],
    "initial-masks": ["--dataset=folder:set", "--out=initial"],
    "export": ["--out=new.onnx", "--size=64"],
    "pack": ["set", "--out=new.pack"],
    "convert": ["openimages"],
    "plot-ious": ["--model-dirs=set"],
    "measure-latency": ["--models=clickseg_pplcnet", "--cpu", "--size=32,32", "--rounds=1", "--plot=new.png"],
    "measure-refiner": ["--checkpoint=mobilenetv2_default", "--datasets=folder:set", "--max-objects=1", "--cpu"],
}
FINE = {  # values that mean something
    "predict": {},
    "annotate": {"image": WORDS, "--autosave": WORDS, "--limit-longest-size": {"huge"}, "--cfg": set()},
    "evaluate": {
        "--model_dir": set(VALUES),
        "--clicks-limit": {"negative", "huge"},
        "--vis_path": set(VALUES),
        "--model-name": set(VALUES),
        "--logs-path": set(VALUES),
    },
    "train": {
        "--exp-name": set(VALUES) - {"endless", "escape", "bytes"},
        "--batch-size": {"negative"},
        "--epochs": {"negative"},
        "--epoch-len": {"negative"},
        "--gpus": {"empty"},
        "--resume-exp": set(VALUES),
        "--resume-prefix": set(VALUES),
        "--backbone": set(VALUES),
        "--temp-model-path": {"empty"},
    },
    "flops": {"--json": WORDS - {"folder", "pipe"}},
    "measure-latency": {"--json": WORDS - {"folder", "pipe"}, "--plot": WORDS - {"folder", "pipe"}},
    "benchmark-eval": {"--json": WORDS - {"folder", "pipe"}},
    "compare": {"--json": WORDS - {"folder", "pipe"}},
    "initial-masks": {"--out": WORDS - {"pipe"}},
    "plot-ious": {"--n-clicks": {"negative"}},
}
CASES = [
    (command, (action.option_strings or [action.dest])[-1])
    for command in COMMANDS
    for action in valued_options(parser_of(command))
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a set of four images, an empty folder and a pipe that nobody writes to."""
    folder = tmp_path_factory.mktemp("odd")
    for part in ("images", "masks"):
        (folder / "set" / part).mkdir(parents=True)
        for number in range(4):
            image = np.zeros((64, 80), np.uint8)
            image[20:40, 20 + number : 50] = 255
            cv2.imwrite(str(folder / "set" / part / f"{number}.png"), image)
    (folder / "folder").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("command", "option"), CASES)
def test_odd_values_end_in_a_sentence(command, option, folder, capsys, monkeypatch):
    usual = [word for word in USUAL[command] if word.partition("=")[0] != option]
    if not option.startswith("-"):
        usual = [word for word in usual if word.startswith("-")]
    if option in ("--gpus", "--gpu", "--device"):
        usual = [word for word in usual if word != "--cpu"]
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DISPLAY", raising=False)
    before = set(folder.rglob("*"))
    for kind, value in VALUES.items():
        if kind in FINE.get(command, {}).get(option, ()):
            continue
        words = [*usual, f"{option}={value}"] if option.startswith("-") else [value, *usual]
        with pytest.raises(SystemExit) as end:
            main([command, *words])
        said = capsys.readouterr()
        assert end.value.code == 2, f"{kind}: {said.out}\n{said.err}"
        last = said.err.rstrip("\n").split("\n")[-1]
        assert last.startswith(("error: ", f"isegm {command}: error: ")) and last.endswith((".", "?")), kind
        one_line = (said.out + said.err).replace("\n", "").replace("\r", "")
        assert one_line.isprintable() and len(said.err) < 3000, kind
        assert set(folder.rglob("*")) == before, kind
