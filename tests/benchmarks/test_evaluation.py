"""Evaluations that are timed."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from isegm import Click, build_model
from isegm.benchmarks import evaluation, stopwatch
from isegm.benchmarks.evaluation import CROPS, IMAGE, NETWORK, STAGES, Throughput, Wanted, measured
from isegm.benchmarks.stopwatch import Stopwatch
from isegm.inference.predictor import Predictor
from isegm.inference.protocols import usual_settings
from tests.evaluation.fakes import write_folder


@pytest.fixture
def wanted(tmp_path, monkeypatch):
    """Five clicks on one object, in this process as it is."""
    monkeypatch.setattr(evaluation, "set_threads", lambda threads: threads)
    write_folder(tmp_path / "set", 1)
    return Wanted(
        network="clickseg_pplcnet", checkpoint=None, dataset=f"folder:{tmp_path}/set", config="config.yml", objects=1,
        clicks=5, device="cpu", threads=1, batch_size=1,
    )  # fmt: skip


def test_a_network_with_random_weights_is_clicked_as_one_that_answers(wanted):
    (ious,) = measured(wanted).ious
    assert max(ious) > 0.3 and len(set(ious)) > 1


def test_the_network_is_timed_apart_from_what_lies_around_it():
    times = iter(range(1000))
    predictor = Predictor(build_model("clickseg_pplcnet"), settings=usual_settings("clickseg"))
    image = np.zeros((48, 64, 3), np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stopwatch.time, "perf_counter", lambda: float(next(times)))
        watch = Stopwatch()
        evaluation.time_stages(predictor, watch)
        (session,) = predictor.step([predictor.start(image)], [Click(True, (20, 30))])
    assert session.passes == 1
    assert watch.seconds() == {IMAGE: 1, CROPS: 3, NETWORK: 2}  # encode and decode, and three times around them


def test_stages_on_a_device_end_when_it_has_done_their_work(monkeypatch):
    done = []
    network = SimpleNamespace(encode=lambda: done.append("encode"), decode=lambda: done.append("decode"))
    predictor = SimpleNamespace(model=network, device=torch.device("cuda"), start=lambda: None)
    predictor.run = lambda: (network.encode(), network.decode(), done.append("refine"))
    monkeypatch.setattr(evaluation, "wait_for", lambda device: done.append(device.type))
    evaluation.time_stages(predictor, Stopwatch())
    predictor.run()
    assert done == ["encode", "decode", "cuda", "refine", "cuda"]


def test_objects_that_need_another_number_of_clicks_are_counted():
    def found(*ious):
        clicks = tuple(((1, 1, 1),) * len(one) for one in ious)
        return Throughput("net", False, 1, "cpu", 1, 1.0, dict.fromkeys(STAGES, 0.0), 0, (), clicks, ious)

    one = found((0.5, 0.95), (0.91,), (0.2, 0.3))
    assert one.moved(found((0.95,), (0.92,), (0.2, 0.4)), 0.9, 20) == 1
