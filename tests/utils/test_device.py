"""Devices by name."""

import subprocess
import sys

import pytest
import torch

from isegm.utils.device import usable_device, widest_float
from isegm.utils.errors import InputError


def test_of_a_device_on_which_another_process_works_only_the_number_is_checked(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)

    def no_work(*size, device):
        raise RuntimeError(f"work on {device}")

    monkeypatch.setattr(torch, "empty", no_work)
    assert usable_device("cuda:1", elsewhere=True) == torch.device("cuda:1")
    for name, elsewhere in (("cuda:2", True), ("cuda:1", False)):
        with pytest.raises(InputError, match=f"the device {name} cannot be used on this machine"):
            usable_device(name, elsewhere)


def test_gpus_of_macs_have_no_float64():
    assert [widest_float(torch.device(name)) for name in ("cpu", "cuda", "mps")] == [
        torch.float64,
        torch.float64,
        torch.float32,
    ]


REFUSING = """
import sys
import torch

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name == "torchvision" and torch.get_default_device().type == "meta":
            raise RuntimeError("Tensor.item() cannot be called on meta tensors")

sys.meta_path.insert(0, Refuse())
from isegm.cli.models import meta_networks
print(next(meta_networks(["cdnet_resnet34"])["cdnet_resnet34"].parameters()).device)
"""


@pytest.mark.long
@pytest.mark.slow
def test_networks_without_values_are_built_where_torchvision_cannot_be_imported_among_them():
    """As with PyTorch 2.6."""
    done = subprocess.run([sys.executable, "-c", REFUSING], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("meta\n", 0), done.stderr
