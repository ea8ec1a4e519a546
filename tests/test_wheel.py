"""An installed wheel has all that its users need, in any folder."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from isegm.data.datasets.samples import SamplesDataset
from isegm.utils.files import read_mask, write_image

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


# Commands as words, and the Python of a user; each line of the output is [words, exit code, stdout, stderr].
SESSION = """
import contextlib, io, json, sys
import isegm
assert isegm.__file__.startswith(sys.argv[1]), isegm.__file__
from isegm.cli import main
for words in json.loads(sys.argv[2]):
    said, errors, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(errors):
        try:
            main(words)
        except SystemExit as end:
            code = end.code or 0
    print(json.dumps([" ".join(words), code, said.getvalue(), errors.getvalue()]))

import numpy as np
from isegm import DEFAULT_CHECKPOINT, Predictor, load_model
predictor = Predictor(load_model())
predictor.set_image(np.full((60, 80, 3), 128, np.uint8))
mask, probs = predictor.predict(points=[(40, 30)], labels=[1])
shipped = type(load_model("weights/mobilenetv2_default.pth")).__name__
facts = [mask.shape, str(mask.dtype), str(probs.dtype), DEFAULT_CHECKPOINT.is_file(), shipped]
print(json.dumps(["api", facts, "", ""]))
"""
PREDICT = "predict --image photo.jpg --point 210,140,1 --out mask.png --cpu"
EVALUATE = "evaluate --datasets=Samples --cpu --n-clicks=2 --max-objects=2 --no-overlays"
TRAIN = "train models/light/mobilenetv2_folder.py --cpu"
COMMANDS = ("models", "datasets", TRAIN, PREDICT, EVALUATE)


@pytest.fixture(scope="module")
def photo():
    return SamplesDataset().get_sample(2).image


@pytest.fixture(scope="module")
def session(wheel, photo, tmp_path_factory):
    """What the installed commands and the package say in an empty folder, without this checkout; and that folder."""
    home = tmp_path_factory.mktemp("installed")
    site, empty = home / "site", home / "empty"
    write_image(empty / "photo.jpg", photo)
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--no-compile", "-t", site, wheel]
    subprocess.run(install, capture_output=True, check=True)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    # -I ignores PYTHONPATH and the working directory: the wheel comes first, dependencies from the tests' own Python
    code = f"import sys; sys.path.insert(0, {str(site)!r})\n{SESSION}"
    given = json.dumps([words.split() for words in COMMANDS])
    started = [sys.executable, "-I", "-c", code, str(site), given]
    done = subprocess.run(started, cwd=empty, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {words: (code, out, err) for words, code, out, err in rows}, empty


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


@pytest.mark.long
def test_predict_segments_an_image(session, photo):
    said, folder = session
    code, out, err = said[PREDICT]
    assert code == 0 and "pixels are object" in out, err
    assert read_mask(folder / "mask.png").shape == photo.shape[:2]


@pytest.mark.long
def test_evaluate_counts_clicks_on_the_samples(session):
    said, folder = session
    code, out, err = said[EVALUATE]
    assert code == 0 and "Samples" in out, err
    (table,) = (folder / "experiments" / "evaluation_logs").rglob("cvpr_*.txt")
    assert table.parent.name == "mobilenetv2_default"


@pytest.mark.long
def test_models_datasets_and_train_say_what_is_here(session):
    said, _ = session
    code, out, err = said["models"]
    assert code == 0 and "mobilenetv2_default" in out and "ritm_hrnet18s" in out, err
    code, out, err = said["datasets"]
    assert code == 1 and "GrabCut: absent" in out and "add GRABCUT_PATH to config.yml" in out, err
    code, out, err = said[TRAIN]
    assert code == 2 and "give the path of a script in a folder named models" in err


@pytest.mark.long
def test_the_api_needs_no_path(session):
    facts, _, _ = session[0]["api"]
    assert facts == [[60, 80], "bool", "float32", True, "BaselineModel"]
