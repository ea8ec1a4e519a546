"""An installed wheel has all that its users need, in any folder."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "isegm")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout, built with the setuptools that is installed."""
    pytest.importorskip("setuptools", minversion="77")
    copy, out = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("dist")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", out, copy]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = out.glob("isegm-*-py3-none-any.whl")
    return path


@pytest.fixture(scope="module")
def run(wheel, tmp_path_factory):
    """Run the installed command ``isegm``, or Python code, in an empty folder, without this checkout."""
    home = tmp_path_factory.mktemp("installed")
    site, empty = home / "site", home / "empty"
    empty.mkdir()
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", site, wheel]
    subprocess.run(install, capture_output=True, check=True)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    # -I ignores PYTHONPATH and the working directory: the wheel comes first, dependencies from the tests' own Python
    path = f"import sys; sys.path.insert(0, {str(site)!r})"
    guard = f"{path}; import isegm; assert isegm.__file__.startswith({str(site)!r}), isegm.__file__"
    command = f"{guard}; from isegm.cli import main; main()"

    def start(*words, code=None):
        script = command if code is None else f"{guard}\n{code}"
        done = subprocess.run(
            [sys.executable, "-I", "-c", script, *map(str, words)],
            cwd=empty,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    start.folder = empty
    return start


def test_it_holds_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        (entry_points,) = (name for name in names if name.endswith("entry_points.txt"))
        assert "isegm = isegm.cli:main" in file.read(entry_points).decode()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"isegm"}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "isegm").rglob("*.py")}
    assert modules <= names
    assert {"isegm/py.typed", "isegm/weights/mobilenetv2_default.pth"} <= names
    assert any(name.startswith("isegm/data/datasets/samples_masks/") for name in names)


def test_predict_segments_an_image(run):
    from isegm.data.datasets.samples import SamplesDataset
    from isegm.utils.files import read_mask, write_image

    image = SamplesDataset().get_sample(2).image
    write_image(run.folder / "photo.jpg", image)
    code, out, err = run("predict", "--image", "photo.jpg", "--point", "210,140,1", "--out", "mask.png", "--cpu")
    assert code == 0 and "pixels are object" in out, err
    assert read_mask(run.folder / "mask.png").shape == image.shape[:2]


def test_evaluate_counts_clicks_on_the_samples(run):
    code, out, err = run("evaluate", "--datasets=Samples", "--cpu", "--n-clicks=2", "--max-objects=2", "--no-overlays")
    assert code == 0 and "Samples" in out, err
    (table,) = (run.folder / "experiments" / "evaluation_logs").rglob("cvpr_*.txt")
    assert table.parent.name == "mobilenetv2_default"


def test_models_datasets_and_train_say_what_is_here(run):
    code, out, err = run("models")
    assert code == 0 and "mobilenetv2_default" in out and "ritm_hrnet18s" in out, err
    code, out, err = run("datasets")
    assert code == 1 and "GrabCut: absent" in out and "add GRABCUT_PATH to config.yml" in out, err
    code, out, err = run("train", "models/light/mobilenetv2_folder.py", "--cpu")
    assert code == 2 and "give the path of a script in a folder named models" in err


def test_the_api_needs_no_path(run):
    code = """
import numpy as np
from isegm import DEFAULT_CHECKPOINT, Predictor, load_model
predictor = Predictor(load_model())
predictor.set_image(np.full((60, 80, 3), 128, np.uint8))
mask, probs = predictor.predict(points=[(40, 30)], labels=[1])
print(mask.shape, mask.dtype, probs.dtype, DEFAULT_CHECKPOINT.is_file())
print(type(load_model("weights/mobilenetv2_default.pth")).__name__)
"""
    code, out, err = run(code=code)
    assert code == 0 and out.splitlines()[0] == "(60, 80) bool float32 True", err
