"""What a person sees of a training run, from its start to the next command."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from isegm.utils.memory import peak_memory, peak_memory_of_children
from tests.drawn import draw_folder

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = """
from isegm.recipes import Recipe, light, train
from tests.engine.tiny import TinyModel

RECIPE = Recipe(
    data=light.folders(epoch_len=16), crop=(48, 48), sampler=light.SAMPLER,
    batch_size=4, lr=1e-3, epochs=1, clicks=3, train_every_click=True, interleaved_batches=10,
    losses=light.losses(aux=None),
)

def main(cfg):
    train(TinyModel(norm=True), cfg, RECIPE)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder in which a run took place, and what it printed, in lines."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "models" / "tiny").mkdir(parents=True)
    (folder / "models" / "tiny" / "tiny.py").write_text(SCRIPT)
    draw_folder(folder / "photos", 8)
    command = [sys.executable, "-m", "isegm", "train", "models/tiny/tiny.py", "--data", "photos", "--cpu"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder, re.split(r"[\r\n]+", done.stderr)


def the_line(lines, words):
    (line,) = [line for line in lines if words in line]
    return line


def test_a_run_says_on_what_and_where_it_trains(run):
    _, lines = run
    assert the_line(lines, "training on").endswith(
        "on 7 images, validating on 1 image; 1 epochs of 4 batches of 4 samples"
    )
    assert re.search(r"device: cpu with 1 thread; data are loaded by \d process", the_line(lines, "device: "))


def test_a_validation_on_a_single_image_is_warned_about(run):
    assert "WARNING" in the_line(run[1], "validation sees one image: its IoU says next to nothing")


def test_the_number_of_loading_processes_suits_the_machine(run):
    assert not [line for line in run[1] if "worker" in line]


def test_the_options_are_in_a_file_and_not_on_the_screen(run):
    folder, lines = run
    path = folder / the_line(lines, "the options of this run are in").split()[-1]
    assert yaml.safe_load(path.read_text())["data"] == "photos"
    assert not [line for line in lines if len(line) > 300]


def test_the_first_step_is_told_before_batches_that_take_turns_are_through(run):
    _, lines = run
    first = lines.index(the_line(lines, "the first step took"))
    assert re.search(r"the first step took \d+\.\d s, loss \d\.\d{3}$", lines[first])
    assert first < lines.index(the_line(lines, "training IoU"))


def test_the_end_names_memory_checkpoint_and_next_commands(run):
    folder, lines = run
    peak = the_line(lines, "peak memory: ")
    assert re.search(r"peak memory: (\d+ MB|\d\.\d GB), and \d+ MB, .* in each process that loaded data$", peak)
    last = Path("experiments/tiny/tiny/000/checkpoints/last_checkpoint.pth")
    assert the_line(lines, "the network is in").endswith(str(last)) and (folder / last).is_file()
    (log,) = (folder / "experiments/tiny/tiny/000/logs").glob("*.log")
    assert "peak memory: " in log.read_text() and "device: cpu" in log.read_text()
    words = shlex.split(the_line(lines, "evaluate it: ").split("evaluate it: ")[1])
    assert words == ["isegm", "evaluate", "--checkpoint", str(last), "--datasets", "folder:photos:val"]
    assert f"isegm annotate --checkpoint {last}" in the_line(lines, "use it: ")


def test_the_memory_of_a_process_is_its_own(tmp_path):
    code = "from isegm.utils.memory import peak_memory as p; a = p(); x = bytearray(2 * 10**8); print(a, p())"
    taken = bytearray(3 * 10**8)  # which the started process has not
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before < 2 * 10**8 < after - before + 10**7
    assert peak_memory() > len(taken) and peak_memory_of_children() > 0


@pytest.mark.skipif(sys.platform == "win32", reason="asks Windows in another way")
def test_memory_is_told_where_there_is_no_proc(tmp_path):
    assert 0.5 < peak_memory(tmp_path / "absent") / peak_memory() < 2
