"""Answers of networks with random weights."""

from dataclasses import replace

import numpy as np
import torch

from isegm import Click, build_model
from isegm.benchmarks.stand_in import answer_by_clicks
from isegm.inference.predictor import Predictor
from isegm.inference.protocols import settings_for


def test_a_network_answers_by_the_clicks():
    network = build_model("clickseg_pplcnet").eval()
    answer_by_clicks(network)
    points = torch.tensor([[[20.0, 30.0, 0.0], [50.0, 50.0, 1.0]]])
    with torch.no_grad():
        logits = network(torch.rand(1, 4, 64, 64), points)["instances"][0, 0]
    assert logits[20, 30] > 0 > logits[50, 50] and logits[0, 60] < 0


def test_a_compiled_network_does_all_its_work_for_the_answer(monkeypatch):
    """The compiler would leave out convolutions whose results nobody reads."""
    graphs = []

    def count(graph, _):
        graphs.append(sum(node.op == "call_function" for node in graph.graph.nodes))
        return graph.forward

    def compiled_nodes(answering):
        graphs.clear()
        torch._dynamo.reset()
        settings = replace(settings_for("clickseg", infer_size=64), compiled=True)
        predictor = Predictor(build_model("simpleclick_vit_xtiny"), settings=settings)
        if answering:
            answer_by_clicks(predictor.model)
        predictor.step([predictor.start(np.zeros((60, 80, 3), np.uint8))], [Click(True, (20, 30))])
        return graphs[-1]

    compile = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, options=None: compile(function, backend=count))
    assert compiled_nodes(True) == compiled_nodes(False) > 50
