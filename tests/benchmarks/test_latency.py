"""Latency of networks: what is timed, how it is told, and what is drawn."""

from dataclasses import replace

import numpy as np
import pytest

from isegm.benchmarks import latency
from isegm.benchmarks.latency import GridLatency, Latency, Spread, Wanted, measured
from isegm.benchmarks.latency_report import latency_figure, latency_table, with_measured, with_published
from isegm.benchmarks.measurement import measured_apart
from isegm.evaluation.comparison import Run
from isegm.evaluation.records import ObjectRecord
from isegm.inference.predictor import Predictor
from isegm.inference.protocols import usual_settings
from isegm.model import build_model, list_models
from isegm.utils.errors import InputError
from isegm.utils.lookup import DEFAULT_CHECKPOINT
from tests.analytic import BlobModel

IMAGE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def wanted(network="clickseg_pplcnet", checkpoint=None, grid=None):
    return Wanted(network=network, checkpoint=checkpoint, image=IMAGE, device="cpu", threads=1, rounds=2, grid=grid)


def row(name, seconds, sha256=None, grid=None):
    spread = Spread.of(seconds)
    return Latency(
        name, name, None, sha256, "ritm", "cpu", 2, (480, 854), spread, spread, spread, 512 * 2**20, grid
    )  # fmt: skip


def test_a_spread_is_in_milliseconds():
    assert Spread.of([0.003, 0.001, 0.010]) == Spread(3, 1, 10)


def test_every_round_clicks_the_image_anew(monkeypatch):
    started, clicked = [], []
    start, step = Predictor.start, Predictor.step
    monkeypatch.setattr(Predictor, "start", lambda self, image: started.append(image.shape) or start(self, image))
    monkeypatch.setattr(
        Predictor, "step", lambda self, given, clicks: clicked.append(len(given[0].clicks)) or step(self, given, clicks)
    )
    found = measured(wanted())
    assert started == [(48, 64, 3)] * 3  # one round is not counted
    assert clicked == [0, 1, 2, 3] * 3
    assert found.network == found.name == "clickseg_pplcnet" and found.protocol == "clickseg"
    assert found.image_size == (48, 64) and found.device == "cpu" and found.threads == 1 and found.grid is None
    for one in (found.image, found.first_click, found.next_click):
        assert 0 < one.least <= one.median <= one.most
    assert found.memory > 50 * 2**20


def test_rounds_in_which_a_network_is_compiled_are_not_counted(monkeypatch):
    predictor = Predictor(BlobModel(), settings=usual_settings("clickseg"))
    predictor.settings = replace(predictor.settings, compiled=True)
    step, rows, now = Predictor.step, [], [0.0]

    def slow_at_first(self, given, clicks):
        rows.append(len(given))
        now[0] += 1000 if len(rows) <= 3 * len(latency.POINTS) else 1
        return step(self, given, clicks)

    monkeypatch.setattr(Predictor, "step", slow_at_first)
    monkeypatch.setattr(latency.time, "perf_counter", lambda: now[0])
    _, first, later = latency.click_latency(predictor, IMAGE, 2)
    assert len(rows) == 5 * len(latency.POINTS)
    assert first == later == Spread(1000, 1000, 1000)  # in milliseconds
    rows.clear()
    latency.grid_latency(predictor, IMAGE, 2)
    assert rows == [1, 2] * 3 + [1, 1, 2] * 2


def test_the_first_passes_of_a_grid_do_not_count(monkeypatch):
    step, rows, now = Predictor.step, [], [0.0]

    def slow_at_first(self, given, clicks):
        now[0] += 1 if len(given) in rows else 1000
        rows.append(len(given))
        return step(self, given, clicks)

    monkeypatch.setattr(Predictor, "step", slow_at_first)
    monkeypatch.setattr(latency.time, "perf_counter", lambda: now[0])
    predictor = Predictor(BlobModel(), settings=usual_settings("clickseg"))
    grid = latency.grid_latency(predictor, IMAGE, 2)
    assert (grid.one_by_one, grid.together) == (4, 2) and rows == [1, 2] + [1, 1, 2] * 2


def test_points_of_a_grid_give_the_same_one_by_one_and_together():
    network = build_model("clickseg_pplcnet")
    grid = latency.grid_latency(Predictor(network, settings=usual_settings("clickseg")), IMAGE, 2)
    assert grid.points == 4 and grid.difference < 1e-4
    assert grid.one_by_one > 0 and grid.together > 0


@pytest.mark.long
def test_a_process_of_its_own_measures_a_file():
    found = measured_apart(measured, wanted(None, str(DEFAULT_CHECKPOINT)))
    assert found.network == "clickseg_mobilenetv2" and found.name == DEFAULT_CHECKPOINT.stem
    assert found.checkpoint == str(DEFAULT_CHECKPOINT) and len(found.sha256) == 64


def test_an_unknown_network_is_told_by_the_process_that_measures():
    with pytest.raises(InputError, match="nowhere"):
        measured(wanted("nowhere"))


def test_the_table_has_a_line_for_each_network_and_each_grid():
    grid = GridLatency(256, 20.0, 10.0, 3e-6, np.zeros((256, 4), np.float32))
    lines = latency_table([row("ritm_hrnet18s", [0.2, 0.1]), row("segnext_vitb_sax1", [1.0], grid=grid)]).splitlines()
    assert [line.split()[0] for line in lines] == [
        "network",
        "ritm_hrnet18s",
        "segnext_vitb_sax1",
        "segnext_vitb_sax1:",
    ]
    assert "150 (100-200)" in lines[1] and lines[1].endswith("537 MB")
    assert "256 points in 20.000 s one by one, in 10.000 s together, 2.00 x" in lines[3] and "3.0e-06" in lines[3]


def test_the_published_layout_is_told_apart_and_compared():
    ours = row("segnext_vitb_sax1", [0.1], grid=GridLatency(4, 8.0, 2.0, 0.0, np.full((4, 9), 0.25, np.float32)))
    grid = GridLatency(4, 10.0, 9.0, 0.0, np.full((4, 9), 0.5, np.float32))
    plain = replace(row("segnext_vitb_sax1", [0.3], grid=grid), plain=True)
    lines = latency_table([ours, plain]).splitlines()
    assert lines[2].startswith("segnext_vitb_sax1, published layout ")
    assert lines[-1] == (
        "segnext_vitb_sax1 against the published layout: image 3.00 x, first click 3.00 x, next click 3.00 x, "
        "4 points 5.00 x, probabilities differ by 2.5e-01 at most"
    )
    assert with_published([plain], "DAVIS", "NoC@90") == []


@pytest.mark.long
def test_the_published_layout_is_measured_with_the_same_results():
    ours, plain = (
        measured(replace(wanted("segnext_vit_tiny", grid=1), plain=plain, rounds=1)) for plain in (False, True)
    )
    assert (ours.network, ours.plain, plain.network, plain.plain) == (
        "segnext_vit_tiny",
        False,
        "segnext_vit_tiny",
        True,
    )
    assert np.abs(ours.grid.samples - plain.grid.samples).max() < 1e-4
    assert measured(replace(wanted(), plain=True)).plain  # of any other network


def test_published_clicks_stand_beside_the_latency_of_each_training_set():
    pairs = with_published([row("simpleclick_vitb", [0.2]), row("timm_lraspp", [0.1])], "DAVIS", "NoC@90")
    assert [(one.noc, one.label, one.measured) for one in pairs] == [
        (5.48, "simpleclick_vitb, SBD", False),
        (5.06, "simpleclick_vitb, COCO+LVIS", False),
    ]


def test_measured_clicks_belong_to_the_file_that_was_timed():
    records = tuple(
        ObjectRecord("Berkeley", index, 1, str(index), ((5, 5, 1),) * count, (0.5,) * (count - 1) + (0.95,), 0.1)
        for index, count in enumerate((1, 4))
    )  # fmt: skip
    runs = [Run("a", "Berkeley", records, 0.9, 20, sha256="aa"), Run("b", "DAVIS", records, 0.9, 20, sha256="bb")]
    rows = [row("first", [0.2], "aa"), row("second", [0.1], "bb"), row("third", [0.1])]
    pairs = with_measured(rows, runs, "Berkeley", "NoC@90")
    assert [(one.noc, one.label, one.measured) for one in pairs] == [(2.5, "first", True)]
    figure = latency_figure(pairs, "a title")
    axes, (names,) = figure.axes[0], figure.legends
    assert [text.get_text() for text in axes.texts] == ["1"] and axes.get_title() == "a title"
    assert [text.get_text() for text in names.get_texts()] == ["1  first"]
    assert axes.lines[0].get_xdata()[0] == 200 and axes.lines[0].get_ydata()[0] == 2.5


def test_clicks_by_another_protocol_do_not_stand_beside_the_latency(caplog):
    records = (ObjectRecord("DAVIS", 0, 1, "0", ((5, 5, 1),), (0.95,), 0.1),)
    own, other = (
        Run(name, "DAVIS", records * count, 0.9, 20, protocol=protocol, sha256="aa")
        for name, count, protocol in (("own", 1, "ritm"), ("other", 2, "ritm, further looks"))
    )
    timed = replace(row("first", [0.2], "aa"), protocol="ritm")
    for runs, found in (((own, other), 1), ((other,), 0)):
        assert len(with_measured([timed], runs, "DAVIS", "NoC@90")) == found
    assert "other follows ritm, further looks, and the latency of first is that of ritm: left out" in caplog.text


@pytest.mark.long
def test_a_network_of_a_plugin_is_measured_too(tmp_path):
    plugin = tmp_path / "outside.py"
    plugin.write_text(
        "from isegm.model.baseline import BaselineModel\nfrom isegm.model.registry import register_model\n"
        "register_model('outside_pplcnet', backbone='PPLCNet')(type('Outside', (BaselineModel,), {}))\n"
    )
    found = measured_apart(measured, replace(wanted("outside_pplcnet"), plugins=[str(plugin)]))
    assert found.network == "outside_pplcnet" and "outside_pplcnet" not in list_models()
