"""What is said about data sets that are there, incomplete or absent."""

import runpy
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import yaml

from isegm import InputError
from isegm.data import EVALUATION_SETS, TRAINING_SETS
from isegm.data.download.inventory import dataset_statuses
from isegm.data.download.sources import OTHER_NAMES, SOURCES
from tests import clickseg_miniatures, miniatures, segnext_miniatures

COMMAND = "import sys, isegm.cli.download; print('torchvision' in sys.modules)"

# How many files of each part the miniatures have, in the order of the parts in SOURCES.
MINIATURES = {
    "SBD": (miniatures.sbd, "SBD_PATH", (5, 5, 3, 2)),
    "PascalVOC": (miniatures.voc, "PASCALVOC_PATH", (4, 4, 2, 2)),
    "COCO": (miniatures.coco, "COCO_PATH", (3, 2, 3, 2, None, None)),
    "LVIS": (miniatures.lvis, "LVIS_v1_PATH", (3, 1, None, None)),
    "COCO_LVIS": (miniatures.coco_lvis, "LVIS_PATH", (2, 1, None, None, None, None)),
    "ADE20k": (miniatures.ade20k, "ADE20K_PATH", (None, None, None)),
    "OpenImages": (miniatures.openimages, "OPENIMAGES_PATH", (None,) * 6),
    "ADE20k_full": (miniatures.ade20k, "ADE20K_PATH", (2, 2)),
    "D585_ZERO": (clickseg_miniatures.davis585, "DAVIS585_PATH", (2, 3)),
    "D585_SP": (clickseg_miniatures.davis585, "DAVIS585_PATH", (2, 3, 3)),
    "D585_STM": (clickseg_miniatures.davis585, "DAVIS585_PATH", (2, 3, 3)),
    "MSRA10K": (clickseg_miniatures.msra10k, "MSRA10K_PATH", (2, 2)),
    "DUTS_TR": (partial(clickseg_miniatures.duts, part="TR"), "DUT_TR_PATH", (2, 2)),
    "DUTS_TE": (partial(clickseg_miniatures.duts, part="TE"), "DUT_TE_PATH", (2, 2)),
    "ThinObject": (clickseg_miniatures.thin_object, "THINOBJECT_PATH", (3, 2)),
    "HFlickr": (clickseg_miniatures.hflickr, "HFLICKER_PATH", (2, 3)),
    "ADE20K": (segnext_miniatures.ade20k_challenge, "ADE20K_PATH", (3, 3)),
    "HQSeg44K": (segnext_miniatures.hqseg44k, "HQSeg44K_PATH", (3,) * 22),
    "YouTubeVOS": (clickseg_miniatures.youtube_vos, "YTBVOS_PATH", (2, 2, None)),
}


def test_every_data_set_has_a_source():
    assert set(SOURCES) == {*EVALUATION_SETS, *TRAINING_SETS} - {"Samples", *OTHER_NAMES}


@pytest.mark.parametrize("name", MINIATURES)
def test_a_set_is_present_only_with_all_files(tmp_path, monkeypatch, name):
    make, key, counts = MINIATURES[name]
    parts = SOURCES[name].parts
    cfg = {key: str(make(tmp_path / "set"))}
    (before,) = dataset_statuses([name], cfg)
    small = any(part.count for part in parts)
    assert before.state == ("incomplete" if small else "present")
    parts = tuple(replace(part, count=count) for part, count in zip(parts, counts, strict=True))
    monkeypatch.setitem(SOURCES, name, replace(SOURCES[name], parts=parts))
    (status,) = dataset_statuses([name], cfg)
    assert status.state == "present" and len(status.lines) == 1 + len(parts)
    where = parts[-1].existing(tmp_path / "set")
    last = next((tmp_path / "set").glob(where))
    if last.is_dir():
        shutil.rmtree(last)
    else:
        last.unlink()
    (status,) = dataset_statuses([name], cfg)
    left = f"{counts[-1] - 1} of {counts[-1]}" if "*" in where else "missing"
    assert status.state == "incomplete" and status.lines[-2] == f"--  {where}: {left}"
    assert status.lines[-1].startswith("get it from: ")
    (status,) = dataset_statuses([name], {key: str(tmp_path)})
    assert status.state == "absent" and "holds none of its files" in status.lines[0]


def test_the_exit_code_tells_whether_all_is_there(tmp_path, monkeypatch, capsys):
    (tmp_path / "config.yml").write_text(yaml.safe_dump({"ADE20K_PATH": str(miniatures.ade20k(tmp_path / "a"))}))
    script = str(Path(__file__).parents[3] / "scripts" / "check_datasets.py")
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
        list(dataset_statuses(["zzz"], {}))


def test_a_joined_set_is_looked_for_part_by_part(tmp_path):
    cfg = {"DUT_TE_PATH": str(clickseg_miniatures.duts(tmp_path, "TE") / "DUTS-TE-Image")}
    statuses = {status.name: status for status in dataset_statuses(["Saliency"], cfg)}
    assert [status.state for status in statuses.values()] == ["absent", "absent", "incomplete"]
    assert statuses["DUTS_TE"].lines[1:3] == ("--  ../DUTS-TE-Image: 2 of 5019", "--  ../DUTS-TE-Mask: 2 of 5019")


def test_the_table_of_sources_does_not_wait_for_torchvision():
    command = [sys.executable, "-c", COMMAND]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"
