"""A GPU gives the numbers of the CPU, in networks, clicks, training and commands.

The device is ISEGM_TEST_DEVICE (such as cuda:1, mps, or cpu to try the tests themselves), else the GPU that PyTorch
sees; without one the tests are skipped.
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from isegm import load_model
from isegm.benchmarks.evaluation import Wanted, measured
from isegm.clicks import Click
from isegm.data.datasets.folder import FolderDataset
from isegm.data.on_device.draws import Draws
from isegm.data.on_device.train_set import DeviceTrainSet
from isegm.data.train_set import CopyPaste, TrainSet
from isegm.engine.device_clicks import add_clicks_on_device
from isegm.evaluation.records import read_records
from isegm.inference.predictor import Predictor
from isegm.inference.protocols import settings_for
from isegm.inference.refinement import build_refinement
from isegm.model import build_model
from isegm.recipes import light
from isegm.utils.device import sent
from isegm.utils.distance import squared_distance
from isegm.utils.lookup import DEFAULT_CHECKPOINT
from tests.drawn import draw_folder
from tests.engine import focal
from tests.engine.tiny import NO_CLICKS, finished, tiny
from tests.golden import fill_weights
from tests.inference.replay import photo
from tests.inference.test_golden_pipelines import ANALYTIC, CASES, assert_follows_analytic
from tests.networks import light_models
from tests.utils.test_distance import drawn_labels


def _accelerator() -> str | None:
    found = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else None
    return os.environ.get("ISEGM_TEST_DEVICE", found)


DEVICE = torch.device(_accelerator() or "cpu")
REPOSITORY = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(_accelerator() is None, reason="PyTorch sees no GPU, and ISEGM_TEST_DEVICE names none")
on_cuda = pytest.mark.skipif(DEVICE.type not in ("cuda", "cpu"), reason="CUDA only")
CLICKS = (Click(True, (40, 50)), Click(False, (10, 70)), Click(True, (60, 30)))


@pytest.fixture(autouse=True)
def float32_throughout():
    """TF32, which CUDA's convolutions use by default, has 10 bits where float32 has 23."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return draw_folder(tmp_path_factory.mktemp("data") / "photos", 9)


def flat(outputs):
    """Every tensor of nested outputs, by name."""
    for name, value in outputs.items():
        if isinstance(value, torch.Tensor):
            yield name, value
        elif isinstance(value, dict):
            yield from ((f"{name}.{inner}", tensor) for inner, tensor in flat(value))


def answers(model, device):
    """What a network says of a noise image, a previous mask and three clicks."""
    rng = torch.Generator().manual_seed(0)
    image, prev_mask = torch.rand(2, 3, 96, 128, generator=rng), torch.rand(2, 1, 96, 128, generator=rng)
    points = torch.tensor([[[40.0, 50, 0], [-1, -1, -1], [10, 70, 1], [-1, -1, -1]]] * 2)
    image, prev_mask, points = (tensor.to(device) for tensor in (image, prev_mask, points))
    if not model.with_prev_mask:
        prev_mask = None
    with torch.inference_mode():
        outputs = model.to(device).decode(model.encode(image), points, prev_mask)
    return {name: tensor.float().cpu() for name, tensor in flat(outputs)}


@pytest.mark.parametrize("name", light_models())
def test_a_network_answers_as_on_the_cpu(name):
    torch.manual_seed(0)
    model = fill_weights(build_model(name))
    expected, got = answers(model, "cpu"), answers(model, DEVICE)
    assert expected.keys() == got.keys()
    for output, tensor in expected.items():
        torch.testing.assert_close(got[output], tensor, rtol=1e-3, atol=1e-3 * float(tensor.abs().max()), msg=output)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("variant", ANALYTIC)
def test_clicks_crops_and_probabilities_follow_the_published_predictor(variant, case):
    assert_follows_analytic(variant, case, tolerance=1e-4, device=DEVICE, binary=True)


def masks(model, device, **options):
    """Probabilities after each of three clicks on a photo."""
    predictor = Predictor(model, device, **options)
    session, found = predictor.start(photo("chelsea")[:120, :160]), []
    for click in CLICKS:
        (session,) = predictor.step([session], [click])
        found.append(session.probs)
    return np.stack(found)


@pytest.mark.parametrize("flip", (True, False), ids=("flip average", "one view"))
def test_the_shipped_model_draws_the_same_masks(flip):
    settings = replace(settings_for("clickseg"), flip=flip)
    expected, got = (masks(load_model(DEFAULT_CHECKPOINT), device, settings=settings) for device in ("cpu", DEVICE))
    assert np.abs(expected - got).max() < 1e-3


@on_cuda
@pytest.mark.parametrize("protocol", ("clickseg", "ritm"), ids=("CUDA graphs", "views of any size"))
def test_a_compiled_network_draws_the_same_masks(protocol):
    plain, compiled = (replace(settings_for(protocol), compiled=compiled) for compiled in (False, True))
    expected, got = (masks(load_model(), DEVICE, settings=settings) for settings in (plain, compiled))
    assert np.abs(expected - got).max() < 1e-3


@pytest.mark.slow
def test_a_share_of_the_time_is_told_in_which_a_gpu_works():
    wanted = Wanted(
        network="clickseg_pplcnet", checkpoint=None, device=str(DEVICE), threads=None, dataset=None,
        config="config.yml", objects=8, clicks=2, batch_size=4,
    )  # fmt: skip
    found = measured(wanted)
    assert (found.busy is None) == (DEVICE.type != "cuda")
    assert found.busy is None or 0.01 < found.busy < 1.05


@pytest.mark.parametrize("mode", ("RGB-BRS", "DistMap-BRS", "f-BRS-A", "f-BRS-B", "f-BRS-C"))
def test_back_propagating_refinement_ends_near_that_of_the_cpu(mode):
    """L-BFGS-B follows the last bit of every sum, so that only masks can be compared."""
    torch.manual_seed(0)
    model = build_model("ritm_hrnet18s")
    expected, got = (
        masks(model, device, settings=settings_for("ritm"), refinement=build_refinement(mode)) > 0.49
        for device in ("cpu", DEVICE)
    )
    assert np.count_nonzero(expected != got) < 0.05 * expected.size


def trained(images, folder, device, **options):
    return finished(tiny(images, folder, device=device, **options))


@pytest.mark.parametrize("options", ({"norm": True, "task": NO_CLICKS}, focal.RUN), ids=("plain", "with a refiner"))
def test_training_learns_what_it_learns_on_the_cpu(options, images, tmp_path):
    expected, got = (
        trained(images, tmp_path / place, torch.device(device), **options)
        for place, device in (("cpu", "cpu"), ("there", DEVICE))
    )
    np.testing.assert_allclose(got["curves"][:4], expected["curves"][:4], rtol=2e-3)
    np.testing.assert_allclose(got["curves"], expected["curves"], rtol=0.1)


@pytest.mark.parametrize("options", ({"amp": "bf16"}, {"amp": "fp16"}, {"compile": True}), ids=str)
def test_faster_arithmetic_learns_about_the_same(options, images, tmp_path):
    if options.get("amp") == "fp16" and DEVICE.type == "cpu":
        pytest.skip("float16 is for GPUs")
    plain = {"norm": True, "task": NO_CLICKS, "device": DEVICE}
    expected, got = finished(tiny(images, tmp_path / "plain", **plain)), tiny(images, tmp_path, **plain, **options)
    np.testing.assert_allclose(finished(got)["curves"][:4], expected["curves"][:4], rtol=0.05)


def test_a_run_goes_on_from_its_checkpoint(images, tmp_path):
    options = {"norm": True, "dropout": 0.3, "task": NO_CLICKS, "device": DEVICE, "amp": "bf16"}
    whole = finished(tiny(images, tmp_path, **options))
    checkpoint = tmp_path / "checkpoints" / "000.pth"
    assert checkpoint.is_file()
    resumed = tiny(images, tmp_path / "resumed", resume=checkpoint.with_name("last_checkpoint.pth"), **options)
    assert resumed.epoch == 2 and len(finished(resumed)["weights"]) == len(whole["weights"])


@on_cuda
@pytest.mark.slow
def test_batchnorm_is_synchronised_in_a_process_group_of_nccl(images, tmp_path):
    if DEVICE.type == "cpu":
        pytest.skip("NCCL is for GPUs")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=1"]
    command += ["-m", "tests.engine.tiny", str(images), str(tmp_path), "synchronised"]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "0.json").is_file()


def run(*words, cwd):
    """Run a command of this checkout; it must end well."""
    paths = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
    variables = {**os.environ, "PYTHONPATH": paths}
    ended = subprocess.run(
        [sys.executable, "-m", "isegm", *words], cwd=cwd, env=variables, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


@pytest.mark.slow
def test_evaluation_scores_as_on_the_cpu(tmp_path):
    scores = []
    for number, device in enumerate(("cpu", str(DEVICE))):
        run(
            "evaluate",
            "--datasets=Samples",
            f"--device={device}",
            f"--logs-path={tmp_path / str(number)}",
            cwd=tmp_path,
        )
        (file,) = (tmp_path / str(number)).rglob("*.jsonl")
        scores.append([record.ious[0] for record in read_records(file).records])
    expected, got = scores
    assert len(expected) == 14
    # CUDA's convolutions use TF32 by default: what lies on the threshold may fall on its other side
    np.testing.assert_allclose(got, expected, atol=0.05)
    assert abs(np.mean(got) - np.mean(expected)) < 0.01


@pytest.mark.slow
def test_the_training_command_compiles_in_bfloat16(images, tmp_path):
    script = REPOSITORY / "models" / "light" / "mobilenetv2_finetune.py"
    place = ["--cpu"] if DEVICE.type == "cpu" else []
    options = ["--epochs=1", "--epoch-len=8", "--batch-size=4", "--workers=1", "--amp=bf16", "--compile", *place]
    said = run("train", str(script), f"--data={images}", f"--weights={DEFAULT_CHECKPOINT}", *options, cwd=tmp_path)
    assert "training IoU" in said
    assert len(list(tmp_path.rglob("last_checkpoint.pth"))) == 1


@on_cuda
def test_numbers_reach_the_device_without_a_wait():
    numbers = torch.arange(8)
    before = torch.cuda.get_sync_debug_mode() if DEVICE.type == "cuda" else "default"
    try:
        if DEVICE.type == "cuda":
            torch.cuda.set_sync_debug_mode("error")
        copied = sent(numbers, DEVICE)
    finally:
        if DEVICE.type == "cuda":
            torch.cuda.set_sync_debug_mode(before)
    assert copied.device.type == DEVICE.type and copied.tolist() == numbers.tolist()


@pytest.mark.parametrize("size", [(1, 1), (33, 17), (96, 128), (320, 320)], ids=str)
def test_distances_on_the_device_are_exact(size):
    labels = torch.from_numpy(drawn_labels(np.random.default_rng(0), 40, *size))
    assert torch.equal(squared_distance(labels.to(DEVICE)).cpu(), squared_distance(labels, "opencv"))


def test_samples_and_clicks_are_made_on_the_device(images):
    samples = TrainSet(
        FolderDataset(images), light.views((64, 64))[0], light.SAMPLER, epoch_len=8, min_object_area=20,
        copy_paste=CopyPaste(),
    )  # fmt: skip
    made = DeviceTrainSet(samples, DEVICE, 96)
    batch, again = made.batch(8, 1), made.batch(8, 1)
    assert all(value.device.type == DEVICE.type and torch.equal(value, again[name]) for name, value in batch.items())
    label, points = batch["instances"][:, 0], batch["points"].clone()
    y, x = points[:, 0, :2].long().unbind(1)
    assert (label[torch.arange(8), y, x] == 1).all()
    add_clicks_on_device(
        points, torch.zeros_like(batch["instances"]), batch["instances"], torch.ones_like(y), Draws(DEVICE, 0)
    )
    y, x, order = points[:, points.shape[1] // 2 - 1].long().unbind(1)
    assert (label[torch.arange(8), y, x] == 1).all() and (order == 1).all()


@pytest.mark.slow
def test_the_training_command_keeps_images_on_the_device(images, tmp_path):
    script = REPOSITORY / "models" / "light" / "mobilenetv2_mixed.py"
    place = ["--cpu"] if DEVICE.type == "cpu" else []
    options = ["--epochs=1", "--epoch-len=8", "--batch-size=2", "--amp=bf16", "--data-on-device", *place]
    said = run("train", str(script), f"--data={images}", f"--weights={DEFAULT_CHECKPOINT}", *options, cwd=tmp_path)
    assert "are kept on" in said and "training IoU" in said
