import pytest

from isegm.cli import benchmark
from isegm.model import list_models
from isegm.utils.cli import run


def test_clicks_on_a_device_are_timed_against_the_cpu(capsys, monkeypatch):
    assert set(benchmark.NETWORKS) <= set(list_models())
    monkeypatch.setattr(benchmark, "REPEATS", 1)
    monkeypatch.setattr(benchmark, "NETWORKS", benchmark.NETWORKS[:1])
    benchmark.main(["--device", "cpu"])
    said = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in said[1:]] == ["clickseg_mobilenetv2", "clickseg_mobilenetv2"]
    assert all(line.endswith(" x") for line in said[1:])


def test_a_device_that_is_not_there_is_told(capsys):
    with pytest.raises(SystemExit) as end:
        run(lambda: benchmark.main(["--device", "cuda:98"]))
    assert end.value.code == 2
    assert "the device cuda:98 cannot be used on this machine" in capsys.readouterr().err
