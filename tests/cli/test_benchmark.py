"""``isegm benchmark``: what it prints, and what it refuses."""

import pytest

from isegm.benchmarks import compared
from isegm.cli import benchmark
from isegm.model import list_models
from isegm.utils.cli import run


@pytest.mark.long
def test_clicks_on_a_device_are_timed_against_the_cpu(capsys, monkeypatch):
    assert set(benchmark.NETWORKS) <= set(list_models())
    monkeypatch.setattr(compared, "REPEATS", 1)
    monkeypatch.setattr(benchmark, "NETWORKS", benchmark.NETWORKS[:1])
    benchmark.main(["--device", "cpu"])
    said = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in said[1:]] == ["clickseg_mobilenetv2", "clickseg_mobilenetv2"]
    assert all(line.endswith(" x") for line in said[1:])


def test_the_cpu_keeps_freed_memory_where_a_device_is_timed_against_it(monkeypatch):
    done = []
    monkeypatch.setattr(benchmark, "NETWORKS", ["a network"])
    monkeypatch.setattr(benchmark, "keep_freed_memory", lambda: done.append("kept"))
    monkeypatch.setattr(benchmark, "click_on", lambda device, name: done.append(name) or [])
    benchmark.main(["--device", "cpu"])
    assert done == ["kept", "a network"]


def test_a_device_that_is_not_there_is_told(capsys):
    with pytest.raises(SystemExit) as end:
        run(lambda: benchmark.main(["--device", "cuda:98"]))
    assert end.value.code == 2
    assert "the device cuda:98 cannot be used on this machine" in capsys.readouterr().err


@pytest.mark.long
def test_memory_of_a_click_in_bf16(capsys):
    benchmark.main(["--memory", "simpleclick_vit_xtiny", "--side", "64", "--batch", "1", "--dtype", "bf16"])
    first, click = capsys.readouterr().out.splitlines()[1:]
    assert first.startswith("simpleclick_vit_xtiny, 64 x 64 pixels, batch 1, bf16") and click.startswith("click ")


def test_what_cannot_be_measured_is_told(capsys):
    for words, complaint in (
        (("simpleclick_vitx",), "there is no network named simpleclick_vitx: did you mean"),
        (("simpleclick_vitb", "--side", "100"), "the ViT cannot read 100 x 100 pixels"),
    ):
        with pytest.raises(SystemExit) as end:
            run(lambda words=words: benchmark.main(["--memory", *words]))
        assert end.value.code == 2 and complaint in capsys.readouterr().err


def test_a_plot_of_nothing_is_refused(capsys):
    with pytest.raises(SystemExit) as end:
        benchmark.main(["--plot", "scaling.png"])
    assert end.value.code == 2
    assert "--plot draws what --scaling replays" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, complaint",
    [
        (["--busy=1", "--training"], "--busy and --training are two benchmarks"),
        (["--memory=simpleclick_vitb", "--device=cpu"], "--memory measures on the CPU: leave --device out"),
        (["--side=64"], "--side is an option of --memory: give both, or neither"),
        (["--training", "--rounds=2"], "--rounds is an option of --busy"),
        (["--objects=5"], "--objects is an option of --scaling"),
    ],
)
def test_options_without_effect_are_refused(capsys, words, complaint):
    with pytest.raises(SystemExit) as end:
        benchmark.parse_args(words)
    assert end.value.code == 2 and complaint in capsys.readouterr().err


def test_options_have_their_defaults():
    args = benchmark.parse_args(["--memory=simpleclick_vitb", "--batch=1"])
    assert (args.side, args.batch, args.dtype, args.clicks, args.objects) == (448, 1, "fp32", 40, 100_000)
