"""The training sets that ClickSEG joins, in its layouts, and its readings of COCO_MVal, ADE20k and COCO+LVIS."""

import json
import logging

import numpy as np
import pytest

from isegm import InputError
from isegm.data import get_dataset, get_training_set
from isegm.data.compose import ComposeDataset
from isegm.data.datasets.ade20k import Ade20kFullDataset
from isegm.data.datasets.coco_lvis import CocoLvisDataset
from isegm.data.datasets.voc import PascalVocEvaluationDataset
from isegm.data.datasets.youtube_vos import YouTubeVosDataset
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.train_set import TrainSet
from isegm.data.transforms import Compose
from isegm.utils.files import write_image
from tests import clickseg_miniatures as drawn
from tests import miniatures
from tests.data.test_catalogue import MINIATURES

FOREGROUNDS = ("MSRA10K_PATH", "DUT_TR_PATH", "DUT_TE_PATH", "THINOBJECT_PATH", "HFLICKER_PATH")
NAMES = dict(zip(FOREGROUNDS, ("MSRA10K", "DUTS_TR", "DUTS_TE", "ThinObject", "HFlickr"), strict=True))


def areas(dataset):
    return [[*dataset.get_sample(index).areas().values()] for index in range(len(dataset))]


def make(tmp_path, key):
    return {key: str(MINIATURES[key](tmp_path / key))}


@pytest.mark.parametrize("key", FOREGROUNDS)
def test_foregrounds_are_what_is_brighter_than_128(tmp_path, key):
    expected = {"MSRA10K_PATH": [[625], []], "HFLICKER_PATH": [[625], [1200], [625]]}.get(key, [[625], [1200]])
    dataset = get_training_set(NAMES[key], make(tmp_path, key))
    assert dataset.name == NAMES[key] and areas(dataset) == expected


@pytest.mark.parametrize("key", FOREGROUNDS)
def test_foregrounds_with_broken_or_missing_files(tmp_path, key):
    cfg = make(tmp_path, key)
    image, mask = get_training_set(NAMES[key], cfg).pairs[0]
    with pytest.raises(InputError, match=f"{NAMES[key]} has no part val"):
        get_training_set(NAMES[key], cfg, split="val")
    write_image(mask, np.zeros((30, 80), np.uint8))
    with pytest.raises(InputError, match=f"{mask.name} is 80x30 pixels, its image {image.name} 80x60"):
        get_training_set(NAMES[key], cfg).get_sample(0)
    image.write_bytes(b"")
    with pytest.raises(InputError, match=f"{image.name} does not decode"):
        get_training_set(NAMES[key], cfg).get_sample(0)
    lost = image if key in ("THINOBJECT_PATH", "HFLICKER_PATH") else mask
    lost.unlink()
    with pytest.raises(InputError, match=rf"names \d files that are not there: .*{lost.name}"):
        get_training_set(NAMES[key], cfg)
    for path in (tmp_path / key).rglob("*.[jp][pn]g"):
        path.unlink()
    with pytest.raises(InputError, match=f"holds no files of {NAMES[key]}"):
        get_training_set(NAMES[key], cfg)


def test_duts_may_be_named_by_its_folder_of_images(tmp_path):
    root = drawn.duts(tmp_path, "TR")
    inside = get_training_set("DUTS_TR", {"DUT_TR_PATH": str(root / "DUTS-TR-Image")})
    assert areas(inside) == areas(get_training_set("DUTS_TR", {"DUT_TR_PATH": str(root)}))
    with pytest.raises(InputError, match=r"there is no folder .*DUTS-TE-Image"):
        get_training_set("DUTS_TE", {"DUT_TE_PATH": str(root / "DUTS-TR-Image")})


def test_duts_may_be_two_links_to_folders_of_other_names(tmp_path):
    drawn.duts(tmp_path / "store", "TR")
    (real,) = {path.parent for path in (tmp_path / "store").rglob("DUTS-TR-Image")}
    root = tmp_path / "datasets" / "DUTS-TR"
    root.mkdir(parents=True)
    for part, name in (("Image", "pictures"), ("Mask", "truth")):
        (real / f"DUTS-TR-{part}").rename(real / name)
        (root / f"DUTS-TR-{part}").symlink_to(real / name)
    for path in (root, root / "DUTS-TR-Image"):
        assert areas(get_training_set("DUTS_TR", {"DUT_TR_PATH": str(path)})) == [[625], [1200]]


def test_saliency_is_three_sets_as_one_and_empty_masks_are_passed_over_in_training(tmp_path):
    cfg = {}
    for key in FOREGROUNDS[:3]:
        cfg |= make(tmp_path, key)
    saliency = get_training_set("Saliency", cfg)
    assert areas(saliency) == [[625], [], [625], [1200], [625], [1200]]
    joined = ComposeDataset([saliency, get_training_set("HFlickr", make(tmp_path, "HFLICKER_PATH"))], (0.4, 0.6))
    samples = TrainSet(joined, Compose(()), MultiPointSampler(2), epoch_len=40)
    seen = {int(samples[index]["instances"].sum()) for index in range(len(samples))}
    assert seen == {625, 1200}
    cfg.pop("DUT_TE_PATH")
    with pytest.raises(InputError, match="the path of DUTS_TE is not set"):
        get_training_set("Saliency", cfg)
    with pytest.raises(InputError, match="did you mean Saliency"):
        get_training_set("Saliancy", cfg)


def test_youtube_vos_draws_an_annotated_frame(tmp_path):
    root = drawn.youtube_vos(tmp_path)
    dataset = get_training_set("YouTubeVOS", {"YTBVOS_PATH": str(root)})
    assert areas(dataset)[0] == [625, 1200] and len(dataset) == 2
    samples = [dataset.draw_sample(1, np.random.default_rng(seed)) for seed in range(20)]
    assert {(s.sample_id, *s.areas().values()) for s in samples} == {("v2_00000", 625), ("v2_00005", 1200)}
    again = dataset.draw_sample(1, np.random.default_rng(7))
    assert again.sample_id == samples[7].sample_id


def test_youtube_vos_with_broken_or_missing_files(tmp_path):
    root = drawn.youtube_vos(tmp_path)
    masks, meta = root / "train" / "Annotations" / "v1", root / "train" / "meta.json"
    (root / "train" / "JPEGImages" / "v1" / "00010.jpg").unlink()
    with pytest.raises(InputError, match=r"there is no image file .*v1/00010\.jpg"):
        YouTubeVosDataset(root).get_sample(0)
    (masks / "00010.png").unlink()
    with pytest.raises(InputError, match="v1 holds no masks"):
        YouTubeVosDataset(root).get_sample(0)
    masks.rmdir()
    with pytest.raises(InputError, match=r"meta\.json names 1 files that are not there: .*v1"):
        YouTubeVosDataset(root)
    for content in ([], {"videos": []}, {"videos": {}}, {}):
        meta.write_text(json.dumps(content))
        with pytest.raises(InputError, match=r"meta\.json does not hold YouTube-VOS's list of videos"):
            YouTubeVosDataset(root)
    with pytest.raises(InputError, match=r"there is no annotation file .*val/meta\.json"):
        YouTubeVosDataset(root, "val")


@pytest.mark.parametrize("inside", ["", "ADE20K_2016_07_26"])
def test_ade20k_as_it_is_shows_stuff_and_at_will_parts(tmp_path, inside):
    root = miniatures.ade20k(tmp_path, index=False) / inside
    plain, parts = Ade20kFullDataset(root), Ade20kFullDataset(root, with_part=True)
    assert areas(plain) == [[625, 1200, 800]] * 2 and len(Ade20kFullDataset(root, "val")) == 1
    drawn_areas = [tuple(parts.draw_sample(0, np.random.default_rng(seed)).areas().values()) for seed in range(20)]
    assert set(drawn_areas) == {(625, 1200, 800), (100,)}


def test_ade20k_with_missing_files(tmp_path):
    root = miniatures.ade20k(tmp_path, index=False)
    next(root.rglob("*_00000002_seg.png")).unlink()
    with pytest.raises(InputError, match=r"names 1 files that are not there: .*_00000002_seg\.png"):
        Ade20kFullDataset(root)
    with pytest.raises(InputError, match="has no part test: it has train and val"):
        Ade20kFullDataset(root, "test")
    with pytest.raises(InputError, match=r"there are no images below .*training"):
        Ade20kFullDataset(root / "elsewhere")


def test_a_soft_edge_is_object_to_ritm_and_background_to_clickseg(tmp_path):
    cfg = {"COCO_MVAL_PATH": str(drawn.coco_mval(tmp_path))}
    assert [areas(get_dataset(name, cfg)) for name in ("COCO_MVal", "COCO_MVal_CS")] == [[[625 + 1200]], [[625]]]


def test_the_first_images_of_coco_lvis_by_sorted_ids(tmp_path):
    root = miniatures.coco_lvis(tmp_path)
    both = CocoLvisDataset(root)
    assert [len(CocoLvisDataset(root, first=count)) for count in (1, 2, 30000)] == [1, 2, 2]
    first = get_training_set("COCO_LVIS", {"LVIS_v1_PATH": str(root)}, first=1, stuff_prob=1.0)
    assert first.items == both.items[:1] == [min(both.items, key=lambda item: item[0])]
    with pytest.raises(ValueError, match="first is 0"):
        CocoLvisDataset(root, first=0)


def test_the_log_says_which_list_of_voc_objects_was_read(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        PascalVocEvaluationDataset(miniatures.voc(tmp_path))
    assert "PascalVOC: 4 objects, all of the images that" in caplog.text and "val.txt lists" in caplog.text
