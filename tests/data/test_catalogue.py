"""Data sets by name, and what is said about wrong names, keys and paths."""

import json
from functools import partial
from pathlib import Path

import pytest
import yaml

from isegm import InputError
from isegm.data import EVALUATION_SETS, TRAINING_SETS, get_dataset, get_training_set
from isegm.data.catalogue import OTHER_KEYS, split_names
from tests import clickseg_miniatures, miniatures, segnext_miniatures

MINIATURES = {
    "SBD_PATH": miniatures.sbd,
    "PASCALVOC_PATH": miniatures.voc,
    "COCO_PATH": miniatures.coco,
    "ADE20K_PATH": miniatures.ade20k,
    "OPENIMAGES_PATH": miniatures.openimages,
    "DAVIS585_PATH": clickseg_miniatures.davis585,
    "MSRA10K_PATH": clickseg_miniatures.msra10k,
    "DUT_TR_PATH": partial(clickseg_miniatures.duts, part="TR"),
    "DUT_TE_PATH": partial(clickseg_miniatures.duts, part="TE"),
    "THINOBJECT_PATH": clickseg_miniatures.thin_object,
    "HFLICKER_PATH": clickseg_miniatures.hflickr,
    "YTBVOS_PATH": clickseg_miniatures.youtube_vos,
    "HQSeg44K_PATH": segnext_miniatures.hqseg44k,
}
DRAWN_ELSEWHERE = {"GRABCUT_PATH", "BERKELEY_PATH", "DAVIS_PATH", "COCO_MVAL_PATH", "HARD_PATH", None}
DRAWN_ELSEWHERE |= {"BraTS_PATH", "ssTEM_PATH", "OAIZIB_PATH"}


@pytest.mark.parametrize("name", TRAINING_SETS)
def test_training_sets_by_name(tmp_path, name):
    key = TRAINING_SETS[name].key
    make = {"LVIS": miniatures.lvis, "COCO_LVIS": miniatures.coco_lvis}.get(name) or MINIATURES[key]
    dataset = get_training_set(name, {key: str(make(tmp_path))})
    sample = dataset.get_sample(0)
    assert dataset.name.lower().startswith(name.lower())
    assert sample.objects and sample.image.shape[:2] == sample.encoded_masks.shape[:2] == miniatures.SIZE


SEVERAL_OBJECTS = {"ADE20K", "PascalVOC_SN"}  # in a sample: see tests/data/datasets/test_segnext_sets.py


@pytest.mark.parametrize(
    "name",
    [name for name, e in EVALUATION_SETS.items() if e.key not in DRAWN_ELSEWHERE and name not in SEVERAL_OBJECTS],
)
def test_evaluation_sets_by_name(tmp_path, name):
    key = EVALUATION_SETS[name].key
    dataset = get_dataset(name, {key: str(MINIATURES[key](tmp_path))})
    assert dataset.name == name and len(dataset) > 2
    dataset.check()
    assert all((dataset.get_sample(index).gt_mask == 1).any() for index in range(len(dataset)))


def test_commas_in_the_path_of_a_folder_belong_to_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "c", "a,b,c"):
        Path(name).mkdir()
    assert split_names("a,b,c") == split_names(" a,b,c ") == ["a,b,c"]
    assert split_names("a,a,b,c,c") == ["a", "a,b,c", "c"]
    assert split_names("c, a,b") == ["c", "a", "b"]
    words = "GrabCut,folder:a,b,c:val,folder:c"
    assert split_names(words, "folder:") == ["GrabCut", "folder:a,b,c:val", "folder:c"]
    assert split_names("a,b,c", "folder:") == ["a", "b", "c"]
    assert len(split_names("," * 100_000)) == 100_001


def test_the_shipped_configuration_has_a_key_for_each_set():
    keys = yaml.safe_load((Path(__file__).parents[2] / "config.yml").read_text(encoding="utf-8"))
    wanted = {entry.key for entry in (*EVALUATION_SETS.values(), *TRAINING_SETS.values())} - {None}
    assert all({key, *OTHER_KEYS.get(key, ())} & set(keys) for key in wanted)


def test_the_old_key_of_lvis_is_read(tmp_path):
    root = str(miniatures.coco_lvis(tmp_path))
    assert len(get_training_set("COCO_LVIS", {"LVIS_PATH": root}, split="val")) == 1
    assert len(get_training_set("COCO_LVIS", {"LVIS_PATH": "elsewhere", "LVIS_v1_PATH": root}, stuff_prob=0.1)) == 2


def test_baselines_on_lvis_see_the_version_that_ritm_saw(tmp_path):
    old = miniatures.lvis(tmp_path / "old")
    (new,) = (old / "train").glob("lvis_v1_train.json")
    content = json.loads(new.read_text())
    new.with_name("lvis_train.json").write_text(json.dumps({**content, "images": content["images"][:1]}))
    paths = {"LVIS_v1_PATH": str(tmp_path / "elsewhere"), "LVIS_PATH": str(old)}
    assert len(get_training_set("LVIS", paths)) == 1 < len(content["images"])
    assert len(get_training_set("LVIS", {"LVIS_v1_PATH": str(old)})) == 1


@pytest.mark.parametrize(
    ("name", "cfg", "words"),
    [
        ("COCO_LVSI", {}, "did you mean COCO_LVIS"),
        ("imagenet", {}, r"known are .*SBD, PascalVOC"),
        ("SBD", {}, r"the path of SBD is not set: add SBD_PATH to config\.yml\."),
        ("SBD", {"SDB_PATH": "x"}, r"which has SDB_PATH: is it misspelt\?"),
        ("PascalVOC", {"SBD_PATH": "x"}, r"add PASCALVOC_PATH to config\.yml\."),
        ("SBD", {"SBD_PATH": 3}, "must be a path"),
        ("SBD", {"SBD_PATH": "no/where"}, r"no data folder no/where \(SBD_PATH in config\.yml\), where SBD should lie"),
    ],
)
def test_wrong_names_keys_and_paths(name, cfg, words):
    with pytest.raises(InputError, match=words):
        get_training_set(name, cfg)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_a_name_that_no_path_can_have_is_unknown(name):
    with pytest.raises(InputError, match="there is no data set named"):
        get_dataset(name, {})


def test_a_folder_without_its_prefix_is_told_how_to_be_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "held").mkdir()
    with pytest.raises(InputError, match=r"no data set named held: write folder:held for that folder\.$"):
        get_dataset("held", {})
