"""What command lines do with errors."""

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
