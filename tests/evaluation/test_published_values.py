"""The table of published scores against numbers read off the sources by hand."""

import pytest

from isegm.evaluation.published_values import PUBLISHED_VALUES, published_values
from isegm.model import list_models
from isegm.model.weights_table import WEIGHTS, find_weights, published_file
from isegm.utils.errors import InputError
from tests.networks import without_weights

C_L, COMBINED = "COCO+LVIS", "COCO+LVIS and others (ClickSEG's combined set)"


@pytest.mark.parametrize(
    "row, dataset, values",
    [
        (("RITM", "HRNet18 IT-M", "SBD"), "SBD", {"NoC@85": 3.39, "NoC@90": 5.43}),
        (("RITM", "HRNet18s IT-M", C_L), "Berkeley", {"NoC@90": 2.60}),
        (("RITM", "HRNet32 IT-M", C_L), "PascalVOC", {"NoC@85": 2.57}),
        (("RITM", "HRNet18 IT-M", C_L), "COCO_MVal", {"NoC@90": 2.98}),
        (("RITM", "HRNet18 baseline", C_L), "DAVIS", {"NoC@85": 4.79, "NoC@90": 6.00}),
        (("CDNet", "ResNet34", "SBD"), "D585_SP", {"NoC@85": 5.04, "NoC@90": 7.06}),
        (("FocalClick", "HRNet32-S2", COMBINED), "DAVIS", {"NoC@85": 3.19, "NoC@90": 4.81}),
        (("FocalClick", "SegFormerB3-S2", C_L), "GrabCut", {"NoC@85": 1.44, "NoC@90": 1.50}),
        (("ClickSEG baseline", "MobileNetV2", C_L), "Berkeley", {"NoC@85": 1.95, "NoC@90": 2.69}),
        (("ClickSEG baseline", "PPLCNet", COMBINED), "D585_ZERO", {"NoC@85": 5.02, "NoC@90": 6.98}),
        (("SimpleClick", "ViT-H", "SBD"), "SBD", {"NoC@85": 2.51, "NoC@90": 4.15}),
        (("SimpleClick", "ViT-B", C_L), "DAVIS", {"NoC@85": 3.66, "NoC@90": 5.06}),
        (("SimpleClick", "ViT-L", C_L), "GrabCut", {"NoC@85": 1.32, "NoC@90": 1.40}),
        (
            ("SegNext", "sax2", "COCO+LVIS, HQSeg44K"),
            "HQSeg44K",
            {"mIoU@5": 91.75, "NoC@90": 5.32, "NoC@95": 9.42, "NoF@95": 583},
        ),
    ],
)
def test_values_are_those_of_the_source(row, dataset, values):
    assert published_values(*row, dataset) == values


def test_the_table_is_whole_and_says_nothing_twice():
    # RITM 5 rows of 9 numbers, ClickSEG 14 of 8 pairs, SimpleClick 6 of 4 pairs, SegNext 3 of 2 times 4
    assert len(PUBLISHED_VALUES) == 5 * 9 + 14 * 8 * 2 + 6 * 4 * 2 + 3 * 2 * 4
    keys = {(one.method, one.network, one.training, one.dataset, one.metric) for one in PUBLISHED_VALUES}
    assert len(keys) == len(PUBLISHED_VALUES)
    for one in PUBLISHED_VALUES:
        if one.metric == "NoC@90":  # a transposed cell would break this
            easier = published_values(one.method, one.network, one.training, one.dataset).get("NoC@85", 1)
            assert easier <= one.value <= 20, one


def test_what_is_not_published_is_empty():
    assert published_values("RITM", "HRNet18 IT-M", C_L, "HARD") == {}


@pytest.mark.parametrize("row", WEIGHTS, ids=lambda row: row.name)
def test_published_weights_name_networks_and_scores_that_exist(row):
    assert row.network in list_models()
    dataset = "DAVIS" if row.method == "SegNext" else "GrabCut"
    assert published_values(row.method, row.variant, row.training, dataset) or row.method == "CFR-ICL"
    assert (row.url is None) == (row.by_hand != "") and (row.url or row.file).endswith(row.file)
    assert published_file(row.file) is find_weights(row.name) is row
    assert find_weights(row.file) is row


@pytest.mark.parametrize(
    "row", [row for row in WEIGHTS if row.network.startswith(("simpleclick", "segnext"))], ids=lambda r: r.name
)
def test_sizes_of_files_by_hand_are_those_of_their_networks(row):
    size = sum(parameter.numel() for parameter in without_weights(row.network).parameters()) * 4
    assert row.megabytes * 1e6 == pytest.approx(size, rel=0.001)


def test_an_unknown_name_of_weights_suggests_the_nearest():
    assert published_file("mobilenetv2_default.pth") is None
    with pytest.raises(InputError, match="did you mean coco_lvis_h18_itermask"):
        find_weights("cocolvis_h18_itermask")
    with pytest.raises(InputError, match="known are sbd_h18_itermask"):
        find_weights("yolo")
