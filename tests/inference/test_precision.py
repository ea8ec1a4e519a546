"""Networks that compute in fewer bits."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from isegm import Click, InputError, Predictor, build_model
from isegm.evaluation.effective_options import named_settings
from isegm.evaluation.options import EvalOptions
from isegm.evaluation.reports import describe
from isegm.inference.precision import check_precision, computing_in
from isegm.inference.protocols import settings_for, usual_settings

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "arguments", "size"),
    [
        ("clickseg_pplcnet", {}, 64),
        ("focalclick_segformerb0_s1", {}, 64),
        ("segnext_vit_tiny", {"img_size": (64, 64)}, None),
    ],
)
def test_bf16_gives_nearly_the_same(name, arguments, size):
    torch.manual_seed(0)
    network = build_model(name, **arguments).eval()
    settings = settings_for(network.protocol, infer_size=size)
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    found = []
    for precision in (None, "bf16"):
        predictor = Predictor(network, settings=replace(settings, precision=precision))
        sessions = [predictor.start(image)]
        for click in (Click(True, (25, 30)), Click(False, (10, 50))):
            sessions = predictor.step(sessions, [click])
        found.append(sessions[0].probs)
        assert found[-1].dtype == np.float32
    assert 0 < np.abs(found[0] - found[1]).max() < 0.05


def test_a_precision_that_the_device_does_not_have_is_told():
    with pytest.raises(InputError, match=r"tf32 is of NVIDIA's GPUs, and the network is on cpu"):
        check_precision("tf32", CPU)
    with pytest.raises(InputError, match="precision"):
        replace(usual_settings("ritm"), precision="int4")
    Predictor(build_model("clickseg_pplcnet"), settings=replace(usual_settings("clickseg"), precision="fp16"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_networks_of_other_weights_than_float32_are_refused(dtype):
    with pytest.raises(InputError, match=r"weights are not float32: give it without \.half.*say precision="):
        Predictor(build_model("clickseg_pplcnet").to(dtype))


def test_convolutions_on_cards_are_exact_unless_tf32_is_asked_for(monkeypatch):
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: torch.no_grad())
    card = torch.device("cuda")
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    for precision, rounds in ((None, False), ("tf32", True), ("bf16", False)):
        with computing_in(precision, card):
            assert torch.backends.cudnn.allow_tf32 == torch.backends.cuda.matmul.allow_tf32 == rounds
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32) == before


def test_evaluations_are_named_by_it():
    assert "precision" not in named_settings(EvalOptions(), "ritm")
    options = EvalOptions(precision="bf16")
    assert named_settings(options, "ritm") == {"precision": "bf16"}
    assert "computed in bf16" in describe(options.inference_settings("ritm", "GrabCut"))
