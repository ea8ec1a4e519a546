"""COCO, LVIS and both combined in their published layouts."""

import json
import pickle

import numpy as np
import pytest

from isegm import InputError
from isegm.data.datasets.coco import CocoDataset
from isegm.data.datasets.coco_lvis import CocoLvisDataset
from isegm.data.datasets.lvis import LvisDataset
from tests import miniatures


@pytest.mark.parametrize("names", [("train", "val"), ("train2017", "val2017")])
def test_coco_has_things_and_sometimes_stuff_but_no_crowds(tmp_path, names):
    root = miniatures.coco(tmp_path, names)
    dataset = CocoDataset(root)
    assert (len(dataset), len(CocoDataset(root, "val"))) == (3, 2)
    sample = dataset.get_sample(1)
    assert sample.sample_id == "000000000002"
    assert list(sample.areas().values()) == [625, 1200] and sample.encoded_masks.max() == 2
    assert sample.background_mask[55].all() and sample.background_mask[2, 70]
    always = CocoDataset(root, stuff_prob=1).get_sample(1)
    assert list(always.areas().values()) == [625, 1200, 800]


def test_chance_of_stuff_comes_from_the_generator(tmp_path):
    for dataset, least in (
        (CocoDataset(miniatures.coco(tmp_path / "coco"), stuff_prob=0.3), 2),
        (CocoLvisDataset(miniatures.coco_lvis(tmp_path / "both"), stuff_prob=0.3), 3),
    ):
        drawn = [len(dataset.draw_sample(0, np.random.default_rng(seed)).objects) - least for seed in range(100)]
        assert drawn == [len(dataset.draw_sample(0, np.random.default_rng(s)).objects) - least for s in range(100)]
        assert set(drawn) == {0, 1} and 15 <= sum(drawn) <= 45


@pytest.mark.parametrize("version", ["v1", "v0.5"])
def test_lvis_leaves_out_what_shares_too_much(tmp_path, version):
    dataset = LvisDataset(miniatures.lvis(tmp_path, version))
    assert len(dataset) == 2
    seen = set()
    for seed in range(40):
        sample = dataset.draw_sample(0, np.random.default_rng(seed))
        values = tuple(node.value for node in sample.objects.values())
        seen.add(values)
        areas = dict(zip(values, sample.areas().values(), strict=True))
        assert areas.get(3, 480) == 480 and areas.get(4, 448) == 448
    # 2 lies in 1: drawn first it is covered whole by 1, which then is left out; drawn later it lies on 1, and is.
    # 3 and 4 are nearly the same.
    assert seen == {(1, 3), (1, 4), (2, 3), (2, 4)}


def test_lvis_finds_images_of_val_in_the_folder_of_train(tmp_path):
    dataset = LvisDataset(miniatures.lvis(tmp_path), "val", max_overlap_ratio=1)
    assert [name for name, _ in dataset.items] == ["val/images/000000000004.jpg", "train/images/000000000003.jpg"]
    assert pickle.loads(pickle.dumps(dataset)).get_sample(1).sample_id == "000000000003"


def test_combined_samples_have_a_hierarchy(tmp_path):
    dataset = CocoLvisDataset(miniatures.coco_lvis(tmp_path))
    assert [name for name, *_ in dataset.items] == ["000000000001", "000000000002"]
    sample = dataset.get_sample(0)
    assert sample.root_objects == [0, 2]
    assert sample.objects[0].children == (1,) and sample.objects[1].parent == 0
    assert sample.areas() == {0: 625, 1: 100, 2: 1200}
    assert sample.background_mask[55].all() and sample.encoded_masks.shape == (60, 80, 2)
    with_stuff = CocoLvisDataset(tmp_path, stuff_prob=1).get_sample(0)
    assert with_stuff.areas()[3] == 800 and with_stuff.objects[3].parent is None


def test_an_allow_list_keeps_the_images_that_it_names(tmp_path):
    root = miniatures.coco_lvis(tmp_path)
    (root / "train" / "good.json").write_text('["000000000002", "x"]')
    assert [name for name, *_ in CocoLvisDataset(root, allow_list_name="good.json").items] == ["000000000002"]
    for content, words in (('["x"]', "names no image of"), ('{"a": 1}', "does not hold a list of image ids")):
        (root / "train" / "good.json").write_text(content)
        with pytest.raises(InputError, match=words):
            CocoLvisDataset(root, allow_list_name="good.json")


READERS = [
    (miniatures.coco, CocoDataset, "annotations/panoptic_train.json", "train/000000000002.jpg"),
    (miniatures.lvis, LvisDataset, "train/lvis_v1_train.json", "train/images/000000000002.jpg"),
    (miniatures.coco_lvis, CocoLvisDataset, "train/hannotation.pickle", "train/masks/000000000002.pickle"),
]


@pytest.mark.parametrize(("make", "reader", "index", "part"), READERS)
def test_an_index_that_names_absent_files(tmp_path, make, reader, index, part):
    root = make(tmp_path)
    (root / part).unlink()
    with pytest.raises(InputError, match=r"names 1 files that are not there: .*000000000002"):
        reader(root)
    (root / index).unlink()
    with pytest.raises(InputError, match="there is no annotation file"):
        reader(root)


FOREIGN = [{}, [], 5, {"images": [{"id": 1}], "annotations": []}, {"annotations": [], "categories": []}, {"a": {}}]


@pytest.mark.parametrize(("make", "reader", "index", "part"), READERS)
@pytest.mark.parametrize("content", [*FOREIGN, None], ids=str)
def test_broken_and_foreign_indexes(tmp_path, make, reader, index, part, content):
    path = make(tmp_path) / index
    if content is None:
        path.write_bytes(path.read_bytes()[:-20])
    else:
        path.write_bytes(json.dumps(content).encode() if path.suffix == ".json" else pickle.dumps(content))
    with pytest.raises(InputError, match=rf"{path.name} (does not hold|is not a JSON|is no readable pickle)"):
        reader(tmp_path)


NODE = {"parent": None, "children": [], "node_level": 0}
HIERARCHIES = {
    "a child of none": {0: {**NODE, "children": [77]}},
    "a child that is text": {0: {**NODE, "children": ["a"]}},
    "children that are a number": {0: {**NODE, "children": 5}},
    "a parent of none": {0: {**NODE, "parent": 77}},
    "its own child": {0: {**NODE, "children": [0]}},
    "no such object": {9: None},
    "no node": {0: "node"},
    "more objects than memory": None,
    "endless objects": None,
}


@pytest.mark.parametrize("what", HIERARCHIES)
def test_an_image_whose_hierarchy_is_none_is_left_out(tmp_path, caplog, what):
    path = miniatures.coco_lvis(tmp_path) / "train" / "hannotation.pickle"
    content = pickle.loads(path.read_bytes())
    count = {"more objects than memory": 10**20, "endless objects": float("inf")}.get(what, 3)
    hierarchy = HIERARCHIES[what] or {10**19 if what.startswith("more") else 0: "node"}
    content["000000000001"] = {"num_instance_masks": count, "hierarchy": hierarchy}
    path.write_bytes(pickle.dumps(content))
    others = len(content) - 1
    assert len(CocoLvisDataset(tmp_path)) == others
    assert f"1 of {others + 1} records cannot be read and are left out: 000000000001" in caplog.text
    path.write_bytes(pickle.dumps({"000000000001": content["000000000001"]}))
    with pytest.raises(InputError, match=r"hannotation\.pickle does not hold the published COCO\+LVIS index"):
        CocoLvisDataset(tmp_path)


@pytest.mark.parametrize("points", [["a", "b"], [1, 2, 3], "text", [[1], [2, 3]], [None, 1], None, 5], ids=str)
def test_an_object_whose_polygons_are_none_is_left_out(tmp_path, caplog, points):
    path = miniatures.lvis(tmp_path) / "train" / "lvis_v1_train.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["segmentation"] = [points]
    path.write_text(json.dumps(content))
    dataset, count = LvisDataset(tmp_path), len(content["annotations"])
    assert sum(len(objects) for _, objects in dataset.items) == count - 1
    assert f"1 of {count} records cannot be read and are left out: annotation 0" in caplog.text
    for annotation in content["annotations"]:
        annotation["segmentation"] = [points]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"lvis_v1_train\.json does not hold LVIS annotations"):
        LvisDataset(tmp_path)


@pytest.mark.parametrize("broken", [None, 5, "text", {}, {"file_name": 3, "segments_info": []}], ids=str)
def test_a_panoptic_record_that_is_none_is_left_out(tmp_path, caplog, broken):
    path = miniatures.coco(tmp_path) / "annotations" / "panoptic_train.json"
    content = json.loads(path.read_text())
    content["annotations"][1] = broken
    content["categories"].append(broken)
    path.write_text(json.dumps(content))
    assert len(CocoDataset(tmp_path)) == 2
    assert "1 of 3 records cannot be read and are left out: annotation 1" in caplog.text


@pytest.mark.parametrize("content", [([], []), ([b"no image"], [(0, 1)]), 3, ("a", "b"), ([], [(0, 1)])], ids=str)
def test_foreign_mask_files(tmp_path, content):
    root = miniatures.coco_lvis(tmp_path)
    (root / "train" / "masks" / "000000000001.pickle").write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=r"000000000001\.pickle does not hold layers"):
        CocoLvisDataset(root).get_sample(0)


def test_masks_and_index_must_belong_together(tmp_path):
    root = miniatures.coco_lvis(tmp_path)
    path = root / "train" / "masks" / "000000000001.pickle"
    layers, mapping = pickle.loads(path.read_bytes())
    path.write_bytes(pickle.dumps((layers, mapping[:2])))
    with pytest.raises(InputError, match=r"holds 2 masks, .* says 3"):
        CocoLvisDataset(root).get_sample(0)
    path.write_bytes(pickle.dumps((layers, [(7, 1), *mapping[1:]])))
    with pytest.raises(InputError, match="does not hold layers"):
        CocoLvisDataset(root).get_sample(0)
