"""What the README shows works: its API lines, and the commands it names exist."""

import re
import runpy
import shlex
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from isegm.data.datasets.samples import SamplesDataset
from isegm.utils.files import write_image

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_ten_lines_run_and_find_the_object(tmp_path, monkeypatch):
    code = re.search(r"```python\n(.*?)```", README, re.S).group(1)
    sample = SamplesDataset().get_sample(2)  # the cat
    write_image(tmp_path / "photo.jpg", sample.image)
    (tmp_path / "weights").symlink_to(ROOT / "weights")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(code.replace("(60, 200)", "(10, 10)"), "README.md", "exec"), names)
    mask, probs = names["mask"], names["probs"]
    assert mask.shape == probs.shape == sample.image.shape[:2]
    assert mask.dtype == bool and probs.dtype == np.float32
    assert mask.any() and not mask.all()
    assert len([line for line in code.splitlines() if line and not line.startswith(("import", "from"))]) <= 10


COMMANDS = re.findall(r"^    ((?:python|make) .*)$", README, re.M)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_understood(command, monkeypatch):
    words = shlex.split(command, comments=True)
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.M)
        return
    monkeypatch.setattr("sys.argv", words[1:])
    main = runpy.run_path(str(ROOT / words[1]))["main"]
    options = import_module(main.__module__).parse_args()  # ends the program on an option it does not know
    if words[1] == "train.py":
        assert (ROOT / options.model_path).is_file()


def test_there_are_commands():
    assert len(COMMANDS) >= 12
