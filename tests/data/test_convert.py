"""Annotations converted from miniatures of the original data sets."""

import numpy as np
import pytest

from isegm import InputError
from isegm.data.coco_lvis import CocoLvisDataset, read_layers
from isegm.data.convert.coco_lvis import convert_coco_lvis, merge
from isegm.data.convert.masks import hierarchy, pack
from isegm.data.pickles import load_plain_pickle
from tests import miniatures


def box(top, left, bottom, right, size=(30, 30)):
    mask = np.zeros(size, bool)
    mask[top:bottom, left:right] = True
    return mask


def test_hierarchy_and_layers_of_the_published_example():
    """Spec, appendix A.9."""
    masks = [box(2, 2, 28, 28), box(5, 5, 15, 15), box(7, 7, 10, 10), box(20, 20, 30, 30)]
    tree = hierarchy(masks)
    assert [node and (node["parent"], node["node_level"], node["children"]) for node in tree.values()] == [
        (None, 0, [1]),
        (0, 1, [2]),
        (1, 2, []),
        None,
    ]
    layers, mapping = pack(masks)
    assert len(layers) == 3 and mapping == [(0, 1), (1, 2), (2, 1), (1, 1)]
    for mask, (layer, value) in zip(masks, mapping, strict=True):
        assert (layers[layer] == value).tolist() == mask.tolist()


def test_a_layer_holds_no_more_objects_than_a_byte_can_count():
    masks = [box(n // 20, n % 20, n // 20 + 1, n % 20 + 1) for n in range(300)]
    layers, mapping = pack(masks)
    assert len(layers) == 2 and max(value for _, value in mapping) == 255 and len(set(mapping)) == 300


def test_objects_in_both_sets_and_tiny_ones_are_left_out():
    big, bigger, tiny = box(0, 0, 20, 20), box(0, 0, 20, 21), box(25, 25, 29, 29)
    other, half = box(0, 20, 20, 30), box(0, 0, 20, 13)
    assert [mask.sum() for mask in merge([big, other, tiny], [big, bigger, tiny])] == [200, 420]
    assert [mask.sum() for mask in merge([half], [big])] == [260, 400]


def contents(root):
    return {path.relative_to(root): path.read_bytes() for path in sorted(root.rglob("*.pickle"))}


@pytest.mark.parametrize("names", [("train", "val"), ("train2017", "val2017")])
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
    entry = load_plain_pickle(roots[0] / "train" / "hannotation.pickle")["000000000001"]
    assert entry["hierarchy"][0] is None
    assert entry["hierarchy"][3] == {"children": [], "parent": 2, "node_level": 1}


def test_a_conversion_that_fails_leaves_no_index(tmp_path):
    coco, lvis = miniatures.coco(tmp_path / "coco"), miniatures.lvis(tmp_path / "lvis")
    broken = coco / "annotations" / "panoptic_train" / "000000000002.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(InputError, match="does not decode"):
        convert_coco_lvis(coco, lvis, "train")
    assert [path.name for path in contents(lvis)] == ["000000000001.pickle"]
    broken.unlink()
    with pytest.raises(InputError, match="names 1 files that are not there"):
        convert_coco_lvis(coco, lvis, "train")
    index = coco / "annotations" / "panoptic_train.json"
    index.write_text(index.read_text().replace("00000000000", "00000000009"))
    with pytest.raises(InputError, match="have no picture in common"):
        convert_coco_lvis(coco, lvis, "train")
