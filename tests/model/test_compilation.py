"""Networks that ``torch.compile`` makes faster: the same masks. Training is tested in tests/engine."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from isegm import Click, InputError, Predictor, build_model
from isegm.evaluation.options import EvalOptions
from isegm.evaluation.reports import describe
from isegm.inference.postprocess import FocusRefine
from isegm.inference.protocols import settings_for, usual_settings
from isegm.inference.refinement import build_refinement
from isegm.model.compilation import compile_network, compiled_for_inference, in_powers_of_two
from isegm.utils.boxes import Box
from tests.engine.tiny import TinyModel

CPU = torch.device("cpu")
CLICKS = (Click(True, (25, 30)), Click(False, (10, 50)), Click(True, (40, 60)))
NETWORKS = {  # and what is compiled of them beside ``decode``
    "clickseg_pplcnet": set(),
    "emcclick_segformerb0": set(),
    "focalclick_segformerb0_s1": {"refine"},
    "segnext_vit_tiny": {"encode"},
}
SLOW_TO_TRACE = ("emcclick_segformerb0", "focalclick_segformerb0_s1")


def clicked(network, **settings):
    """Probabilities after each of ``CLICKS`` on an image of noise."""
    size = {} if network.protocol == "segnext" else {"infer_size": 64}
    predictor = Predictor(network, settings=replace(settings_for(network.protocol, **size), **settings))
    session = predictor.start(np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8))
    found = []
    for click in CLICKS:
        (session,) = predictor.step([session], [click])
        found.append(session.probs)
    return found


@pytest.fixture
def without_code(monkeypatch):
    """Graphs are traced, and no code is made of them, for which a C++ compiler would be needed and much time."""
    compiled = []

    def trace(function, options=None, compile=torch.compile):
        compiled.append(function.__name__)
        return compile(function, backend="eager")

    monkeypatch.setattr(torch, "compile", trace)
    return compiled


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        pytest.param(name, parts, marks=[pytest.mark.long] if name in SLOW_TO_TRACE else [])
        for name, parts in NETWORKS.items()
    ],
)
def test_a_compiled_network_gives_the_same_masks(name, parts, without_code):
    torch.manual_seed(0)
    arguments = {"img_size": (64, 64)} if name.startswith("segnext") else {}
    network = build_model(name, **arguments).eval()
    for plain, compiled in zip(clicked(network), clicked(network, compiled=True), strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=0, atol=1e-5)
    assert set(without_code) == {"_little", "decode"} | parts
    assert not {"decode", "encode", "refine"} & vars(network).keys()  # the given network is as it was


@pytest.mark.long
@pytest.mark.parametrize("name", NETWORKS)
def test_compiled_code_gives_the_same_masks(name):
    torch.manual_seed(0)
    arguments = {"img_size": (64, 64)} if name.startswith("segnext") else {}
    network = build_model(name, **arguments).eval()
    for plain, compiled in zip(clicked(network), clicked(network, compiled=True), strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=0, atol=1e-4)


@pytest.mark.parametrize("flip", [False, True])
def test_batches_of_all_sizes_are_compiled_for_few_of_them(monkeypatch, flip):
    graphs = []

    def count(graph, inputs):
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(
        torch,
        "compile",
        lambda function, options=None, compile=torch.compile: compile(function, backend=count, dynamic=False),
    )
    torch.manual_seed(0)
    network = TinyModel().eval()
    settings = replace(settings_for(network.protocol, infer_size=32), flip=flip)
    plain, compiled = (Predictor(network, settings=replace(settings, compiled=each)) for each in (None, True))
    graphs.clear()  # that which checks the compiler
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    clicks = [Click(True, (5 + 4 * i, 7 + 5 * i)) for i in range(13)]
    for count_of_sessions in range(1, 14):
        found = [
            predictor.step([predictor.start(image)] * count_of_sessions, clicks[:count_of_sessions])
            for predictor in (plain, compiled)
        ]
        for one, other in zip(*found, strict=True):
            np.testing.assert_allclose(other.probs, one.probs, rtol=0, atol=1e-5)
    assert len(graphs) == 4  # for 1, 2, 4 and 8 sessions


def test_a_compiled_refiner_sees_powers_of_two_of_crops(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function, options=None: function)
    torch.manual_seed(0)
    network = build_model("focalclick_hrnet18s_s1").eval()
    refine, seen = network.refine, []
    monkeypatch.setattr(network, "refine", lambda image, *others: seen.append(len(image)) or refine(image, *others))
    focus = FocusRefine.focus

    def one_is_nowhere(self, member, probs):
        return Box(0, 0, 0, 0) if member.given.clicks[-1].coords == (20, 30) else focus(self, member, probs)

    monkeypatch.setattr(FocusRefine, "focus", one_is_nowhere)
    settings = settings_for(network.protocol, infer_size=64)
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    clicks = [Click(True, (row, 30)) for row in (19, 20, 21, 22)]
    found = []
    for compiled, counts in ((None, [3]), (True, [2, 1])):
        predictor = Predictor(network, settings=replace(settings, compiled=compiled))
        seen.clear()
        found.append([session.probs for session in predictor.step([predictor.start(image)] * 4, clicks)])
        assert seen == counts
    np.testing.assert_allclose(*found, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("count", "most", "lengths"),
    [(0, None, []), (1, None, [1]), (13, None, [8, 4, 1]), (64, None, [64]), (13, 5, [4, 4, 4, 1]), (3, 1, [1, 1, 1])],
)
def test_parts_of_a_batch_have_powers_of_two(count, most, lengths):
    parts = in_powers_of_two(range(count), most)
    assert [len(part) for part in parts] == lengths
    assert [item for part in parts for item in part] == list(range(count))


def test_a_refinement_does_not_take_a_compiled_network(without_code):
    settings = replace(usual_settings("clickseg"), compiled=True)
    with pytest.raises(InputError, match=r"^RGB-BRS needs gradients, .* leave --compile out\.$"):
        Predictor(build_model("clickseg_pplcnet"), settings=settings, refinement=build_refinement("RGB-BRS"))


def test_evaluations_say_so():
    assert "compiled" not in describe(EvalOptions().inference_settings("ritm", "GrabCut"))
    assert "compiled" in describe(EvalOptions(compile=True).inference_settings("ritm", "GrabCut"))


def test_a_machine_without_a_compiler_is_told_in_one_sentence(monkeypatch):
    def compiled(*arguments):
        raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found\nmore")

    monkeypatch.setattr(torch, "compile", lambda function: compiled)
    with pytest.raises(InputError, match=r"^--compile does not work on this machine \(Inv[^\n]*leave --compile out.$"):
        compile_network(build_model("clickseg_pplcnet"), CPU)
    with pytest.raises(InputError, match=r"^--compile does not work on this machine"):
        compiled_for_inference(build_model("clickseg_pplcnet"), CPU, one_size=True)
