"""Scores published by papers and repositories, for comparison with measured ones.

Each block is a table as its source prints it: rows are networks and their training data, columns data sets; a cell
holds the values of the block's metrics separated by /, - for a value that the source does not give. NoC and NoF are for
at most 20 clicks; NoF counts objects whose NoC is 20 (docs/fidelity.md#failures-at-the-last-click). mIoU is in percent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedValue:
    """One published score.

    Attributes:
        method: of the paper.
        network: name of the network, with its way of training, in the source's table.
        training: training data.
        dataset: name of the evaluation set, as ``--datasets`` takes it.
        metric: "NoC@85", "NoC@90", "NoC@95", "NoF@95" or "mIoU@5".
        value: the score.
        source: where it is published.
    """

    method: str
    network: str
    training: str
    dataset: str
    metric: str
    value: float
    source: str


_RITM = """
                 | training  | GrabCut     | Berkeley | SBD         | DAVIS       | PascalVOC | COCO_MVal
HRNet18 IT-M     | SBD       | 1.76 / 2.04 | - / 3.22 | 3.39 / 5.43 | 4.94 / 6.71 | 2.51 / -  | - / 4.39
HRNet18 baseline | C+L       | 1.54 / 1.70 | - / 2.48 | 4.26 / 6.86 | 4.79 / 6.00 | 2.59 / -  | - / 3.58
HRNet18s IT-M    | C+L       | 1.54 / 1.68 | - / 2.60 | 4.04 / 6.48 | 4.70 / 5.98 | 2.57 / -  | - / 3.33
HRNet18 IT-M     | C+L       | 1.42 / 1.54 | - / 2.26 | 3.80 / 6.06 | 4.36 / 5.74 | 2.28 / -  | - / 2.98
HRNet32 IT-M     | C+L       | 1.46 / 1.56 | - / 2.10 | 3.59 / 5.71 | 4.11 / 5.34 | 2.57 / -  | - / 2.97
"""

_CDNET = """
         | training | GrabCut   | Berkeley  | PascalVOC | COCO_MVal | SBD       | DAVIS     | D585_ZERO | D585_SP
ResNet34 | SBD      | 1.86/2.18 | 1.95/3.27 | 3.61/4.51 | 4.13/5.88 | 5.18/7.89 | 5.00/6.89 | 6.68/9.59 | 5.04/7.06
ResNet34 | C+L      | 1.40/1.52 | 1.47/2.06 | 2.74/3.30 | 2.51/3.88 | 4.30/7.04 | 4.27/5.56 | 4.86/7.37 | 4.21/5.92
"""

_FOCALCLICK = """
               | data | GrabCut   | Berkeley  | PascalVOC | COCO_MVal | SBD       | DAVIS     | D585_ZERO | D585_SP
HRNet18s-S1    | C+L  | 1.64/1.88 | 1.84/2.89 | 3.24/3.91 | 2.89/4.00 | 4.74/7.29 | 4.77/6.56 | 5.62/8.08 | 2.72/3.82
HRNet18s-S2    | C+L  | 1.48/1.62 | 1.60/2.23 | 2.93/3.46 | 2.61/3.59 | 4.43/6.79 | 3.90/5.23 | 4.87/6.87 | 2.47/3.30
HRNet32-S2     | C+L  | 1.64/1.80 | 1.70/2.36 | 2.80/3.35 | 2.62/3.65 | 4.24/6.61 | 4.01/5.39 | 4.77/6.84 | 2.32/3.09
HRNet32-S2     | comb | 1.30/1.34 | 1.49/1.85 | 2.84/3.38 | 2.80/3.85 | 4.35/6.61 | 3.19/4.81 | 4.80/6.63 | 2.37/3.26
SegFormerB0-S1 | C+L  | 1.60/1.86 | 2.05/3.29 | 3.54/4.22 | 3.08/4.21 | 4.98/7.60 | 5.13/7.42 | 6.21/9.06 | 2.63/3.69
SegFormerB0-S2 | C+L  | 1.40/1.66 | 1.59/2.27 | 2.97/3.52 | 2.65/3.59 | 4.56/6.86 | 4.04/5.49 | 5.01/7.22 | 2.21/3.08
SegFormerB3-S2 | C+L  | 1.44/1.50 | 1.55/1.92 | 2.46/2.88 | 2.32/3.12 | 3.53/5.59 | 3.61/4.90 | 4.06/5.89 | 2.00/2.76
SegFormerB3-S2 | comb | 1.22/1.26 | 1.35/1.48 | 2.54/2.96 | 2.51/3.33 | 3.70/5.84 | 2.92/4.52 | 3.98/5.75 | 1.98/2.72
"""

_CLICKSEG = """
            | training | GrabCut   | Berkeley  | PascalVOC | COCO_MVal | SBD       | DAVIS     | D585_ZERO | D585_SP
MobileNetV2 | C+L      | 1.82/2.02 | 1.95/2.69 | 2.97/3.61 | 2.74/3.73 | 4.44/6.75 | 3.65/5.81 | 5.25/7.28 | 2.15/3.04
PPLCNet     | C+L      | 1.74/1.92 | 1.96/2.66 | 2.95/3.51 | 2.72/3.75 | 4.41/6.66 | 4.40/5.78 | 5.11/7.28 | 2.03/2.90
MobileNetV2 | comb     | 1.50/1.62 | 1.62/2.25 | 3.00/3.61 | 2.80/3.96 | 4.66/7.05 | 3.59/5.24 | 5.05/7.12 | 2.06/2.97
PPLCNet     | comb     | 1.46/1.66 | 1.63/1.99 | 2.88/3.44 | 2.75/3.89 | 4.44/6.74 | 3.65/5.34 | 5.02/6.98 | 1.96/2.81
"""

_SEGNEXT = """
     | training | HQSeg44K                   | DAVIS
sax1 | C+L      | 85.41 / 7.47 / 11.94 / 731 | 90.13 / 5.46 / 13.31 / 177
sax2 | C+L      | 85.71 / 7.18 / 11.52 / 700 | 89.85 / 5.34 / 12.80 / 163
sax2 | C+L+HQ   | 91.75 / 5.32 / 9.42 / 583  | 91.87 / 4.43 / 10.73 / 123
"""

_SIMPLECLICK = """
      | training | GrabCut   | Berkeley  | SBD       | DAVIS
ViT-B | SBD      | 1.40/1.54 | 1.44/2.46 | 3.28/5.24 | 4.10/5.48
ViT-L | SBD      | 1.38/1.46 | 1.40/2.33 | 2.69/4.46 | 4.12/5.39
ViT-H | SBD      | 1.32/1.44 | 1.36/2.09 | 2.51/4.15 | 4.20/5.34
ViT-B | C+L      | 1.38/1.48 | 1.36/1.97 | 3.43/5.62 | 3.66/5.06
ViT-L | C+L      | 1.32/1.40 | 1.34/1.89 | 2.95/4.89 | 3.26/4.81
ViT-H | C+L      | 1.38/1.50 | 1.36/1.75 | 2.85/4.70 | 3.41/4.78
"""

_TRAINING = {
    "C+L": "COCO+LVIS",
    "C+L+HQ": "COCO+LVIS, HQSeg44K",
    "comb": "COCO+LVIS and others (ClickSEG's combined set)",
}


def _parse(table: str, method: str, metrics: tuple[str, ...], source: str) -> Iterator[PublishedValue]:
    """Parse a block."""
    header, *rows = ([cell.strip() for cell in line.split("|")] for line in table.strip("\n").splitlines())
    for network, training, *cells in rows:
        for dataset, cell in zip(header[2:], cells, strict=True):
            for metric, value in zip(metrics, cell.split("/"), strict=True):
                if value.strip() != "-":
                    data = _TRAINING.get(training, training)
                    yield PublishedValue(method, network, data, dataset, metric, float(value), source)


CLICKSEG_README = "READMEs of ClickSEG, threshold 0.5"
SIMPLECLICK_PAPER = "Liu et al. 2023, comparison with other methods on natural images"
PUBLISHED_VALUES = (
    *_parse(_RITM, "RITM", ("NoC@85", "NoC@90"), "README of RITM, NoBRS"),
    *_parse(_CDNET, "CDNet", ("NoC@85", "NoC@90"), CLICKSEG_README),
    *_parse(_FOCALCLICK, "FocalClick", ("NoC@85", "NoC@90"), CLICKSEG_README),
    *_parse(_CLICKSEG, "ClickSEG baseline", ("NoC@85", "NoC@90"), CLICKSEG_README),
    *_parse(_SIMPLECLICK, "SimpleClick", ("NoC@85", "NoC@90"), SIMPLECLICK_PAPER),
    *_parse(_SEGNEXT, "SegNext", ("mIoU@5", "NoC@90", "NoC@95", "NoF@95"), "README of SegNext"),
)

# Registered names of the networks of the tables, whatever they were trained on.
_REGISTERED = {
    ("RITM", "HRNet18s IT-M"): "ritm_hrnet18s",
    ("RITM", "HRNet18 IT-M"): "ritm_hrnet18",
    ("RITM", "HRNet32 IT-M"): "ritm_hrnet32",
    ("CDNet", "ResNet34"): "cdnet_resnet34",
    ("FocalClick", "HRNet18s-S1"): "focalclick_hrnet18s_s1",
    ("FocalClick", "HRNet18s-S2"): "focalclick_hrnet18s_s2",
    ("FocalClick", "HRNet32-S2"): "focalclick_hrnet32_s2",
    ("FocalClick", "SegFormerB0-S1"): "focalclick_segformerb0_s1",
    ("FocalClick", "SegFormerB0-S2"): "focalclick_segformerb0_s2",
    ("FocalClick", "SegFormerB3-S2"): "focalclick_segformerb3_s2",
    ("ClickSEG baseline", "MobileNetV2"): "clickseg_mobilenetv2",
    ("ClickSEG baseline", "PPLCNet"): "clickseg_pplcnet",
    ("SimpleClick", "ViT-B"): "simpleclick_vitb",
    ("SimpleClick", "ViT-L"): "simpleclick_vitl",
    ("SimpleClick", "ViT-H"): "simpleclick_vith",
    ("SegNext", "sax1"): "segnext_vitb_sax1",
    ("SegNext", "sax2"): "segnext_vitb_sax2",
}


def published_of(registered: str, dataset: str, metric: str) -> list[PublishedValue]:
    """Find the published scores of a registered network, one for each of its training sets.

    Args:
        registered: name of the network, see ``isegm.model.list_models``.
        dataset, metric: see ``PublishedValue``.
    """
    return [
        one
        for one in PUBLISHED_VALUES
        if one.dataset == dataset and one.metric == metric and _REGISTERED.get((one.method, one.network)) == registered
    ]


def find_published(method: str, network: str, training: str, dataset: str) -> list[PublishedValue]:
    """Find all published scores of a network on a data set; empty if there are none."""
    wanted = (method, network, training, dataset)
    return [one for one in PUBLISHED_VALUES if (one.method, one.network, one.training, one.dataset) == wanted]


def published_values(method: str, network: str, training: str, dataset: str) -> dict[str, float]:
    """Map metrics to the published scores of a network on a data set."""
    return {one.metric: one.value for one in find_published(method, network, training, dataset)}
