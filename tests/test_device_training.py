"""Training with images on the device by the command line, for as many minutes as are given."""

import pytest

from isegm.cli.train import main
from isegm.data.on_device.resident import ResidentImages
from isegm.model.checkpoint import load_model, read_checkpoint
from isegm.utils.errors import InputError
from tests.drawn import draw_folder

SCRIPT = """
from isegm.recipes import Recipe, light, train

RECIPE = Recipe(
    data=light.folders(epoch_len=8), crop=(48, 48), sampler=light.SAMPLER, batch_size=4, lr=1e-3, epochs={epochs},
    clicks=3, losses=light.losses(aux=0.4), mixed_clicks=True, clicks_anywhere=0.2, ema=0.9,
)

def main(cfg):
    train(light.mobilenetv2(cfg), cfg, RECIPE)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a script and images, in which commands run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    (tmp_path / "models" / "tiny" / "tiny.py").write_text(SCRIPT.format(epochs=2))
    draw_folder(tmp_path / "photos", 8)
    return tmp_path


def run(*options):
    main(["models/tiny/tiny.py", "--data", "photos", "--cpu", "--workers", "0", *options])


def test_a_run_of_some_minutes_says_how_far_it_is_and_goes_on_to_the_end(folder, caplog):
    caplog.set_level("INFO", logger="isegm")
    run("--data-on-device", "--minutes", "0.000001")
    assert "7 images of at most 512 pixels are kept on cpu: 7 MB" in caplog.text
    assert "minutes are over after 0.0 of 2 epochs; go on with the same options and --resume-exp 000" in caplog.text
    run("--data-on-device", "--resume-exp", "000")
    last = folder / "experiments" / "tiny" / "tiny" / "000" / "checkpoints" / "last_checkpoint.pth"
    assert read_checkpoint(last)["training"]["epoch"] == 2
    load_model(last)
    assert caplog.text.count("validation IoU") == 2


def test_on_a_cpu_images_stay_where_they_are_unless_asked_for(folder, monkeypatch):
    monkeypatch.setattr(ResidentImages, "load", lambda *args, **more: pytest.fail("images were loaded"))
    run("--epochs", "1")


def test_what_cannot_be_on_the_device_is_one_sentence(folder):
    script = folder / "models" / "tiny" / "tiny.py"
    text = SCRIPT.format(epochs=1).replace("light.SAMPLER", "MultiPointSampler(use_hierarchy=True)")
    script.write_text("from isegm.data.points_sampler import MultiPointSampler\n" + text)
    with pytest.raises(InputError, match="parts of objects are no targets on the device"):
        run("--data-on-device")
