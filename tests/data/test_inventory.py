"""What is said about data sets that are there, incomplete or absent."""

import runpy
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from isegm import InputError
from isegm.data import EVALUATION_SETS, TRAINING_SETS
from isegm.data.inventory import inspect
from isegm.data.sources import SOURCES
from tests import miniatures

# How many files of each part the miniatures have, in the order of the parts in SOURCES.
MINIATURES = {
    "SBD": (miniatures.sbd, "SBD_PATH", (5, 5, 3, 2)),
    "PascalVOC": (miniatures.voc, "PASCALVOC_PATH", (4, 4, 2, 2)),
    "COCO": (miniatures.coco, "COCO_PATH", (3, 2, 3, 2, None, None)),
    "LVIS": (miniatures.lvis, "LVIS_v1_PATH", (3, 1, None, None)),
    "COCO_LVIS": (miniatures.coco_lvis, "LVIS_PATH", (2, 1, None, None, None, None)),
    "ADE20k": (miniatures.ade20k, "ADE20K_PATH", (None, None, None)),
    "OpenImages": (miniatures.openimages, "OPENIMAGES_PATH", (None,) * 6),
}


def test_every_data_set_has_a_source():
    assert set(SOURCES) == {*EVALUATION_SETS, *TRAINING_SETS} - {"Samples", "SBD_Train"}


@pytest.mark.parametrize("name", MINIATURES)
def test_a_set_is_present_only_with_all_files(tmp_path, monkeypatch, name):
    make, key, counts = MINIATURES[name]
    parts = SOURCES[name].parts
    cfg = {key: str(make(tmp_path / "set"))}
    (before,) = inspect([name], cfg)
    small = any(part.count for part in parts)
    assert before.state == ("incomplete" if small else "present")
    parts = tuple(replace(part, count=count) for part, count in zip(parts, counts, strict=True))
    monkeypatch.setitem(SOURCES, name, replace(SOURCES[name], parts=parts))
    (finding,) = inspect([name], cfg)
    assert finding.state == "present" and len(finding.lines) == 1 + len(parts)
    last = parts[-1].found(tmp_path / "set")
    last.unlink()
    (finding,) = inspect([name], cfg)
    assert finding.state == "incomplete" and f"{last.name}: missing" in finding.lines[-2]
    assert finding.lines[-1].startswith("get it from: ")
    (finding,) = inspect([name], {key: str(tmp_path)})
    assert finding.state == "absent" and "holds none of its files" in finding.lines[0]


def test_the_exit_code_tells_whether_all_is_there(tmp_path, monkeypatch, capsys):
    (tmp_path / "config.yml").write_text(yaml.safe_dump({"ADE20K_PATH": str(miniatures.ade20k(tmp_path / "a"))}))
    script = str(Path(__file__).parents[2] / "scripts" / "check_datasets.py")
    for names, code, words in (
        (["ADE20k"], 0, "ADE20k: present"),
        (["ADE20k", "GrabCut"], 1, "GrabCut: absent"),
        (["SBD_Train"], 1, "SBD_Train: absent"),
        (["ADE2k"], 2, "did you mean ADE20k?"),
        ([], 1, "add SBD_PATH to config.yml"),
    ):
        monkeypatch.setattr(sys, "argv", [script, *names, "--config-path", str(tmp_path / "config.yml")])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(script, run_name="__main__")
        output = capsys.readouterr()
        assert ended.value.code == code and words in output.out + output.err
    with pytest.raises(InputError, match="known are GrabCut"):
        list(inspect(["zzz"], {}))
