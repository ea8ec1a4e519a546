"""The example method of CONTRIBUTING.md works when it is copied: registered, tested, trained and evaluated."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.documents import ROOT, blocks, commands

PAGE = ROOT / "CONTRIBUTING.md"
FEW = {
    "train": ["--epochs=1", "--epoch-len=8", "--batch-size=4", "--workers=0"],
    "evaluate": ["--max-objects=1", "--n-clicks=2"],
}

# The script, the test and the commands in one process: Python and PyTorch take seconds to start.
ONE_AFTER_ANOTHER = """
import json, runpy, sys

runpy.run_path("make_images.py")

import pytest
from isegm.cli import main

(_, _, *tested), *commands = json.loads(sys.argv[1])
assert pytest.main(tested) == 0
for words in commands:
    try:
        main(words)
    except SystemExit as end:
        assert not end.code, words
"""


@pytest.fixture
def checkout(tmp_path):
    """A copy of the library and of what the example adds to it."""
    shutil.copytree(ROOT / "isegm", tmp_path / "isegm", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "config.yml").symlink_to(ROOT / "config.yml")
    for block in blocks(PAGE):
        if block.title:
            (tmp_path / block.title).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / block.title).write_text(block.body, encoding="utf-8")
    networks = tmp_path / "isegm/model/__init__.py"
    named = re.sub(r"(from isegm\.model import \(?)", r"\1toy, ", networks.read_text(encoding="utf-8"), count=1)
    networks.write_text(named, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_the_example_is_tested_trained_and_evaluated(checkout):
    (images, *_) = (block for block in blocks(PAGE) if block.language == "python" and "SamplesDataset" in block.body)
    (checkout / "make_images.py").write_text(images.body, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    lines = [command.words for command in commands() if "toy" in " ".join(command.words)]
    assert [words[:2] for words in lines] == [("python", "-m"), ("isegm", "train"), ("isegm", "evaluate")]
    lines = [[*words[1:], *FEW.get(words[1], [])] for words in lines]
    command = [sys.executable, "-c", ONE_AFTER_ANOTHER, json.dumps(lines)]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    table = next((checkout / "experiments/evaluation_logs").rglob("cvpr_*.txt")).read_text(encoding="utf-8")
    assert "Samples" in table
