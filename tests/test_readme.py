"""What the README shows works: its API lines, and its tables of networks and checkpoints."""

import re

import numpy as np

from isegm import list_models
from isegm.data.datasets.samples import SamplesDataset
from isegm.evaluation.published_values import published_values
from isegm.model.weights_table import WEIGHTS
from isegm.utils.files import write_image
from tests.documents import ROOT, blocks
from tests.networks import parameters, without_weights

README = (ROOT / "README.md").read_text(encoding="utf-8")
DATASETS = ("GrabCut", "Berkeley", "SBD", "DAVIS")
# Rows of checkpoints that no command fetches: method, network and training data of their published scores.
BY_HAND = {
    "FocalClick HRNet18s-S2": ("FocalClick", "HRNet18s-S2", "COCO+LVIS"),
    "FocalClick SegFormerB3-S2": ("FocalClick", "SegFormerB3-S2", "COCO+LVIS"),
    "CDNet ResNet34": ("CDNet", "ResNet34", "COCO+LVIS"),
    "ClickSEG MobileNetV2": ("ClickSEG baseline", "MobileNetV2", "COCO+LVIS"),
}


def test_the_ten_lines_run_and_find_the_object(tmp_path, monkeypatch):
    (block,) = (block for block in blocks(ROOT / "README.md") if block.language == "python")
    sample = SamplesDataset().get_sample(2)  # the cat
    write_image(tmp_path / "image.jpg", sample.image)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(block.body.replace("(60, 200)", "(10, 10)"), "README.md", "exec"), names)
    mask, probs = names["mask"], names["probs"]
    assert mask.shape == probs.shape == sample.image.shape[:2]
    assert mask.dtype == bool and probs.dtype == np.float32
    assert mask.any() and not mask.all()
    lines = block.body.splitlines()
    assert len([line for line in lines if line and not line.startswith(("import", "from"))]) <= 10


def test_it_is_short_and_names_the_two_commands():
    assert len(README.splitlines()) <= 120
    assert "make quickstart" in README and "make test" in README


def rows(header):
    """The rows of the table whose header begins with a word, as lists of cells."""
    table = README[README.index(f"| {header}") :].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def millions(network):
    return f"{parameters(without_weights(network)) / 1e6:.1f} M"


def test_the_table_of_networks_names_all_of_them_with_their_parameters():
    shown = {}
    for names, said, _ in rows("network"):
        found, last = [], ""
        for name in re.findall(r"`([^`]+)`", names):  # an ending stands for the network before it
            if name.startswith("_"):
                name = last.rpartition("_")[0] + name
            elif last and "_" in name and name.split("_")[0] in ("b1", "b2", "b3", "b4", "b5"):
                name = re.sub(r"b\d_s\d", name, last)
            found, last = [*found, name], name
        shown |= dict.fromkeys(found, re.findall(r"[\d.]+ M", said))
    assert set(shown) == set(list_models())
    for name, said in shown.items():
        if "segformer" not in name:
            assert millions(name) in said, name
    assert shown["focalclick_segformerb0_s1"] == [
        millions("focalclick_segformerb0_s1"),
        millions("focalclick_segformerb5_s2"),
    ]


def test_the_table_of_checkpoints_says_what_was_published():
    known = {row.name: row for row in WEIGHTS}
    networks = {row.name: row.network for row in WEIGHTS} | {
        "FocalClick HRNet18s-S2": "focalclick_hrnet18s_s2",
        "FocalClick SegFormerB3-S2": "focalclick_segformerb3_s2",
        "CDNet ResNet34": "cdnet_resnet34",
        "ClickSEG MobileNetV2": "clickseg_mobilenetv2",
    }
    shown = {cells[0].strip("`"): cells[1:] for cells in rows("checkpoint")}
    assert set(shown) == {"`mobilenetv2_default` (ours)".strip("`"), *known, *BY_HAND}
    for name, (said, *scores, _, how) in shown.items():
        if name not in networks:
            continue
        assert said == millions(networks[name]), name
        key = (known[name].method, known[name].variant, known[name].training) if name in known else BY_HAND[name]
        published = [published_values(*key, dataset).get("NoC@90") for dataset in DATASETS]
        assert ["" if value is None else f"{value:.2f}" for value in published] == scores, name
        fetched = name in known and known[name].url is not None
        assert (f"`isegm download weights {name}`" == how) == fetched
