"""Annotations converted from miniatures of the original data sets."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from isegm import InputError
from isegm.data.convert.ade20k_index import convert_ade20k
from isegm.data.convert.combine_coco_lvis import convert_coco_lvis, merge_masks
from isegm.data.convert.mask_layers import find_hierarchy, mask_iou, pack_layers
from isegm.data.convert.openimages_index import convert_openimages
from isegm.data.datasets.ade20k import Ade20kDataset
from isegm.data.datasets.coco_lvis import CocoLvisDataset, read_layers
from isegm.data.datasets.openimages import OpenImagesDataset
from isegm.utils.safe_pickle import load_plain
from tests import miniatures


def box(top, left, bottom, right, size=(30, 30)):
    mask = np.zeros(size, bool)
    mask[top:bottom, left:right] = True
    return mask


def test_hierarchy_and_layers_of_the_published_example():
    """Spec, appendix A.9."""
    masks = [box(2, 2, 28, 28), box(5, 5, 15, 15), box(7, 7, 10, 10), box(20, 20, 30, 30)]
    tree = find_hierarchy(masks)
    assert [node and (node["parent"], node["node_level"], node["children"]) for node in tree.values()] == [
        (None, 0, [1]),
        (0, 1, [2]),
        (1, 2, []),
        None,
    ]
    layers, mapping = pack_layers(masks)
    assert len(layers) == 3 and mapping == [(0, 1), (1, 2), (2, 1), (1, 1)]
    for mask, (layer, value) in zip(masks, mapping, strict=True):
        assert (layers[layer] == value).tolist() == mask.tolist()


def test_a_layer_holds_no_more_objects_than_a_byte_can_count():
    masks = [box(n // 20, n % 20, n // 20 + 1, n % 20 + 1) for n in range(300)]
    layers, mapping = pack_layers(masks)
    assert len(layers) == 2 and max(value for _, value in mapping) == 255 and len(set(mapping)) == 300


def test_objects_in_both_sets_and_tiny_ones_are_left_out():
    big, bigger, tiny = box(0, 0, 20, 20), box(0, 0, 20, 21), box(25, 25, 29, 29)
    other, half = box(0, 20, 20, 30), box(0, 0, 20, 13)
    assert [mask.sum() for mask in merge_masks([big, other, tiny], [big, bigger, tiny])] == [200, 420]
    assert [mask.sum() for mask in merge_masks([half], [big])] == [260, 400]


def test_boxes_of_one_object_are_compared_by_rows_and_columns():
    """Squares of 22 pixels that are 2 pixels apart in both directions share (20 / 24) ** 2, less than 0.70."""
    mask, apart, below = box(0, 0, 22, 22), box(2, 2, 24, 24), box(2, 0, 24, 22)
    assert mask_iou(mask, apart) > 0.70
    assert len(merge_masks([mask], [apart])) == 2
    assert len(merge_masks([mask], [below])) == 1


def contents(root):
    return {path.relative_to(root): path.read_bytes() for path in sorted(root.rglob("*.pickle"))}


@pytest.mark.parametrize("names", [("train", "val"), pytest.param(("train2017", "val2017"), marks=pytest.mark.long)])
def test_coco_and_lvis_are_combined_alike_by_any_number_of_processes(tmp_path, names):
    coco = miniatures.coco(tmp_path / "coco", names)
    roots = [miniatures.lvis(tmp_path / f"lvis{n_jobs}") for n_jobs in (1, 2)]
    for root, n_jobs in zip(roots, (1, 2), strict=True):
        assert convert_coco_lvis(coco, root, "train", n_jobs) == 2
    assert contents(roots[0]) == contents(roots[1]) and len(contents(roots[0])) == 3
    dataset = CocoLvisDataset(roots[0])
    sample = dataset.get_sample(0)
    # Kept are COCO's second thing and crowd, then LVIS's first, second and last; its third is the last one again.
    assert list(sample.areas().values()) == [1200, 160, 625, 100, 448]
    assert sample.objects[3].parent == 2 and sample.root_objects == [0, 1, 2, 4]
    masks, mapping = read_layers(roots[0] / "train" / "masks" / "000000000001.pickle")
    layer, value = mapping[-1]
    assert len(mapping) == 6 and (masks[..., layer] == value).sum() == 800  # stuff
    entry = load_plain(roots[0] / "train" / "hannotation.pickle")["000000000001"]
    assert entry["hierarchy"][0] is None
    assert entry["hierarchy"][3] == {"children": [], "parent": 2, "node_level": 1}


def test_a_conversion_that_fails_leaves_no_index(tmp_path):
    coco, lvis = miniatures.coco(tmp_path / "coco"), miniatures.lvis(tmp_path / "lvis")
    broken = coco / "annotations" / "panoptic_train" / "000000000002.png"
    broken.write_bytes(b"no image")
    with pytest.raises(InputError, match="does not decode"):
        convert_coco_lvis(coco, lvis, "train")
    assert [path.name for path in contents(lvis)] == ["000000000001.pickle"]
    broken.unlink()
    with pytest.raises(InputError, match="names 1 files that are not there"):
        convert_coco_lvis(coco, lvis, "train")
    index = coco / "annotations" / "panoptic_train.json"
    index.write_text(index.read_text().replace("00000000000", "00000000009"))
    with pytest.raises(InputError, match="have no image in common"):
        convert_coco_lvis(coco, lvis, "train")


def test_ade20k_gets_the_index_that_its_reader_reads(tmp_path):
    made = miniatures.ade20k(tmp_path / "made", index=False)
    drawn = miniatures.ade20k(tmp_path / "drawn")
    for split, count in (("train", 2), ("val", 1)):
        name = f"{split}-annotations-object-segmentation.pkl"
        assert convert_ade20k(made, split) == count == len(Ade20kDataset(made, split))
        assert load_plain(made / name) == load_plain(drawn / name)
    with pytest.raises(InputError, match="names no image of test"):
        convert_ade20k(made, "test")


@pytest.mark.parametrize("content", ["1 # 0 # 0", "x # 0 # 0 # wall # wall #", "1 # 4 # 0 # wall # wall #"])
def test_broken_attributes_of_ade20k(tmp_path, content):
    root = miniatures.ade20k(tmp_path, index=False)
    next(root.rglob("*2_atr.txt")).write_text(content)
    with pytest.raises(InputError, match=r"ADE_train_00000002_atr\.txt does not hold ADE20k's attributes"):
        convert_ade20k(root, "train")
    (root / "index_ade20k.mat").write_bytes(b"MATLAB")
    with pytest.raises(InputError, match=r"index_ade20k\.mat does not hold"):
        convert_ade20k(root, "train")
    assert not list(root.glob("*.pkl"))


def test_openimages_gets_an_index_of_the_files_that_are_there(tmp_path):
    made = miniatures.openimages(tmp_path / "made", index=False)
    drawn = miniatures.openimages(tmp_path / "drawn")
    assert convert_openimages(made, "train") == len(OpenImagesDataset(made)) == 2
    name = "train/train-annotations-object-segmentation_clean.pkl"
    assert load_plain(made / name) == load_plain(drawn / name)
    (made / "train" / "train-annotations-object-segmentation.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="does not hold OpenImages' masks"):
        convert_openimages(made, "train")
    with pytest.raises(InputError, match="there is no annotation file"):
        convert_openimages(made, "val")


def test_the_command_line_converts_what_config_names(tmp_path, monkeypatch, capsys):
    paths = {"OPENIMAGES_PATH": str(miniatures.openimages(tmp_path / "o", index=False)), "ADE20K_PATH": "no/where"}
    (tmp_path / "config.yml").write_text(yaml.safe_dump(paths))
    script = str(Path(__file__).parents[3] / "scripts" / "convert_annotations.py")
    for dataset, code in (("openimages", 0), ("ade20k", 2), ("coco_lvis", 2)):
        monkeypatch.setattr(sys, "argv", [script, dataset, "--config-path", str(tmp_path / "config.yml")])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(script, run_name="__main__")
        assert ended.value.code == code
    assert [len(OpenImagesDataset(tmp_path / "o", split)) for split in ("train", "validation")] == [2, 1]
    errors = capsys.readouterr().err
    assert "no data folder no/where (ADE20K_PATH" in errors and "add LVIS_v1_PATH to config.yml" in errors
