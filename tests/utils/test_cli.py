"""What command lines do with errors."""

import os
import subprocess
import sys

import pytest
import torch

from isegm.utils import cli


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
