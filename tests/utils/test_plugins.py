"""Networks outside the package: a module that the command line names, or an installed one."""

import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from isegm import InputError, build_model, list_models, load_model
from isegm.cli import main
from isegm.model import registry
from isegm.model.checkpoint import save_checkpoint
from isegm.utils import plugins
from isegm.utils.plugins import load_plugin

NETWORK = """
from torch import nn
from isegm.model.click_model import EarlyFusionModel
from isegm.model.registry import register_model

@register_model("outsider")
class Outsider(EarlyFusionModel):
    protocol = "clickseg"

    def __init__(self, **kwargs):
        super().__init__(**{"with_aux_output": False, **kwargs})
        self.head = nn.Conv2d(3 + self.coord_channels, 1, 3, padding=1)

    def backbone_forward(self, image, coord_features):
        import torch
        return {"instances": self.head(torch.cat((image, coord_features), 1))}
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """The file of a network, in the working folder; what it registers is forgotten after the test."""
    monkeypatch.setattr(registry, "_BUILDERS", dict(registry._BUILDERS))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_net.py").write_text(NETWORK)
    yield tmp_path / "my_net.py"
    for name in [name for name in sys.modules if name.startswith("isegm_plugin_")]:
        del sys.modules[name]


@pytest.mark.parametrize("name", ["my_net.py", "my_net", "./my_net.py"])
def test_a_module_registers_its_networks_once(plugin, name):
    load_plugin(name)
    load_plugin(name)
    assert "outsider" in list_models()
    outputs = build_model("outsider").eval()(torch.rand(1, 4, 32, 32), torch.full((1, 2, 3), -1.0))
    assert outputs["instances"].shape == (1, 1, 32, 32)


def test_a_checkpoint_of_a_network_outside_the_package_is_predicted_with(plugin, tmp_path, monkeypatch, capsys):
    known = dict(registry._BUILDERS)
    load_plugin("my_net")
    save_checkpoint(build_model("outsider"), tmp_path / "mine.pth")
    cv2.imwrite("photo.png", np.zeros((40, 50, 3), np.uint8))
    words = ["predict", "--image=photo.png", "--point=9,9,1", "--out=out.png", "--checkpoint=mine.pth", "--cpu"]
    monkeypatch.setattr(registry, "_BUILDERS", known)
    del sys.modules["isegm_plugin_my_net"]
    with pytest.raises(InputError, match=r"there is no network named outsider.*--plugin names the module"):
        load_model("mine.pth")
    with pytest.raises(SystemExit) as end:
        main([*words, "--plugin", "my_net"])
    assert end.value.code == 0, capsys.readouterr().err
    assert (tmp_path / "out.png").is_file()


@pytest.mark.parametrize(
    "command",
    ["predict", "annotate", "evaluate", "train", "models", "flops", "export", "measure-refiner", "measure-latency"],
)
def test_all_commands_that_load_networks_take_plugins(command, plugin, capsys):
    with pytest.raises(SystemExit):
        main([command, "--plugin", "absent.py", "--help"])
    assert capsys.readouterr().err == "error: there is no plugin absent.py: check the path.\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [("x = (", "SyntaxError"), ("import absent_module", "No module named"), ("raise ValueError('odd')", "odd")],
)
def test_a_module_that_cannot_be_imported_is_one_sentence(plugin, content, reason):
    plugin.write_text(content)
    with pytest.raises(InputError, match=rf"--plugin my_net cannot be imported \(.*{reason}"):
        load_plugin("my_net")
    with pytest.raises(InputError, match=r"--plugin no\.such\.module cannot be imported"):
        load_plugin("no.such.module")


def test_installed_plugins_are_found_by_their_entry_point_and_a_broken_one_is_a_warning(plugin, monkeypatch, caplog):
    def broken():
        raise ImportError("it needs a newer library")

    entries = [
        SimpleNamespace(value="broken", load=broken),
        SimpleNamespace(value="my_net", load=lambda: load_plugin("my_net")),
    ]
    monkeypatch.setattr(plugins, "entry_points", lambda group: entries if group == "isegm.plugins" else [])
    plugins.load_installed_plugins.cache_clear()
    try:
        assert "outsider" in list_models()
    finally:
        plugins.load_installed_plugins.cache_clear()
    assert "the plugin broken cannot be imported (ImportError: it needs a newer library)" in caplog.text
