"""What command lines do with errors."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from isegm.utils import cli
from isegm.utils.errors import InputError


def full_gpu():
    raise torch.OutOfMemoryError("CUDA out of memory")


def full_memory():
    raise MemoryError


@pytest.mark.parametrize("work", [lambda: torch.empty(2**60), full_gpu, full_memory], ids=["CPU", "GPU", "Python"])
def test_full_memory_is_one_sentence_and_exit_code_2(work, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.run(work)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: memory is full: lower --batch-size or the size of the images.\n"


def test_any_other_error_keeps_its_traceback():
    with pytest.raises(RuntimeError, match="size of tensor"):
        cli.run(lambda: torch.zeros(2) + torch.zeros(3))


@pytest.mark.skipif(os.name == "nt", reason="Windows tells a closed pipe by another error (EINVAL)")
def test_output_that_nobody_reads_ends_the_command_without_a_word():
    reads, writes = os.pipe()
    os.close(reads)
    code = "from isegm.utils.cli import run; run(lambda: print('a table', flush=True))"
    done = subprocess.run([sys.executable, "-c", code], stdout=writes, stderr=subprocess.PIPE, text=True)
    os.close(writes)
    assert (done.returncode, done.stderr) == (141, "")


def test_messages_on_stderr_are_escaped_and_shortened(capsys):
    def fail():
        raise InputError(f"the file \x1b[2J{'x' * 1_000_000}\n is broken.")

    with pytest.raises(SystemExit):
        cli.run(fail)
    said = capsys.readouterr().err
    assert said.startswith(r"error: the file \x1b[2Jxxx") and said.endswith("\\n is broken.\n") and len(said) < 1000


def test_a_symbolic_link_that_leads_to_itself_is_a_sentence(tmp_path, capsys):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(SystemExit) as ended:
        cli.run(lambda: (tmp_path / "loop").resolve().stat())
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_letters_that_cannot_be_encoded_are_a_sentence(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.run(lambda: "caf\udce9".encode())
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: caf\\udce9 has letters that cannot be written as utf-8: rename it.\n"


ROOT = Path(__file__).resolve().parents[2]
HERE = {**os.environ, "PYTHONPATH": str(ROOT)}
RUN = "import os, signal, sys, time; from isegm.utils.cli import run; "
SWALLOWED = {
    "turned into another error": """
def main():
    try:
        signal.raise_signal({number})
    except BaseException:
        raise ImportError("a library failed to import")
""",
    "in a destructor": """
class Thing:
    def __del__(self):
        signal.raise_signal({number})
def main():
    Thing()
    time.sleep(100)
""",
    "in a hook that is told of a destructor": """
def hook(_):
    signal.raise_signal({number})
class Thing:
    def __del__(self):
        raise ValueError
def main():
    Thing()
    time.sleep(100)
sys.unraisablehook = hook
""",
    "after a progress bar": """
from tqdm import tqdm
def main():
    for _ in tqdm(range(3), mininterval=0):
        signal.raise_signal({number})
""",
    "with a file half-written": """
from isegm.utils.files import atomic_write
def main():
    with atomic_write("out.bin") as file:
        file.write(b"half")
        signal.raise_signal({number})
""",
    "and once more at the end": """
import atexit
def main():
    atexit.register(signal.raise_signal, signal.SIGINT)
    signal.raise_signal({number})
""",
}


@pytest.mark.parametrize(
    ("name", "number"),
    [
        pytest.param(name, number, marks=pytest.mark.long if "half-written" in name and number == "SIGTERM" else ())
        for name in SWALLOWED
        for number in ("SIGINT", "SIGTERM")
    ],
)
def test_a_signal_ends_the_command_with_one_word(name, number, tmp_path):
    code = f"{RUN}\nfrom isegm.utils.startup import end_on_interrupt\nend_on_interrupt()\n"
    code += SWALLOWED[name].replace("{number}", f"signal.{number}") + "\nrun(main)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=HERE, timeout=100
    )
    word = {"SIGINT": "interrupted", "SIGTERM": "terminated"}[number]
    lines = done.stderr.split("\n")
    assert "Traceback" not in done.stderr and word in lines and lines[-2] in (word, "interrupted"), done.stderr
    assert done.returncode == {"SIGINT": 130, "SIGTERM": 143}[number] or "once more" in name
    assert not list(tmp_path.iterdir())


def test_a_command_without_a_network_does_not_wait_for_pytorch():
    code = f"{RUN} run(lambda: print([name for name in ('torch', 'cv2') if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=HERE, timeout=100)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_a_signal_that_is_ignored_stays_ignored(tmp_path):
    code = f"{RUN} signal.signal(signal.SIGINT, signal.SIG_IGN); run(lambda: signal.raise_signal(signal.SIGINT))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("text", ["사진.png", "caf\udce9", "\x1b"])
def test_what_a_terminal_cannot_show_is_written_with_backslashes(text):
    environment = {**HERE, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    code = f"{RUN} from isegm import InputError\ndef main():\n print({text!a})\n raise InputError({text!a})\nrun(main)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, timeout=100)
    assert done.returncode == 2 and done.stderr.startswith(b"error: ") and done.stderr.isascii(), done.stderr
    assert done.stdout.isascii()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_a_full_disk_behind_stdout_is_a_sentence():
    code = f"{RUN} run(lambda: print('a table'))"
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, timeout=100)
    assert done.returncode == 2
    assert done.stderr == "error: No space left on device; check the path, its permissions and the free space.\n"


def test_output_that_is_left_in_the_buffer_for_nobody_is_no_complaint():
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run([sys.executable, "-c", f"{RUN} run(lambda: print(1))"], stdout=writes, stderr=subprocess.PIPE)
    os.close(writes)
    assert (done.returncode, done.stderr) == (141, b"")
