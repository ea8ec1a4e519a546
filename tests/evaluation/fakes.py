"""A drawn data set and a parameter-free network for tests of the evaluation."""

from dataclasses import replace

import numpy as np
from PIL import Image

from isegm.data.sample import DSample
from isegm.evaluation.records import ObjectRecord
from isegm.evaluation.reports import RunInfo
from isegm.evaluation.scores import DatasetScores
from isegm.inference.predictor import Predictor
from isegm.inference.protocols import settings_for
from tests.analytic import BlobModel

HEIGHT, WIDTH = 48, 64


def ellipse(y, x, ry, rx):
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return ((rows - y) / ry) ** 2 + ((columns - x) / rx) ** 2 <= 1


def drawing(seed, objects=1):
    """A noisy image and a mask of ids 1..objects; 255 is a band to ignore."""
    rng = np.random.default_rng(seed)
    image = rng.integers(60, 120, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    for value in range(1, objects + 1):
        x = WIDTH * value / (objects + 1)
        shape = ellipse(rng.uniform(18, 30), x, rng.uniform(8, 16), rng.uniform(4, 14))
        mask[shape] = value
        image[shape] += 80
    mask[:, -2:] = 255
    return image, mask


class DrawnDataset:
    """Samples with one, two and three objects in turn; counts how often they are read."""

    name = "Drawn"
    fingerprint = "drawn"

    def __init__(self, samples=4, empty=None, init_mask=None):
        self.samples, self.empty, self.init_mask, self.reads = samples, empty, init_mask, 0

    def __len__(self):
        return self.samples

    def get_sample(self, index):
        self.reads += 1
        image, mask = drawing(index, 1 + index % 3)
        ids = list(range(1, 2 + index % 3))
        if index == self.empty:
            ids.append(99)
        return DSample.flat(image, mask, ids, [255], sample_id=f"image{index}", init_mask=self.init_mask)


def write_folder(root, samples):
    """The same as an images/ and masks/ folder."""
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for index in range(samples):
        image, mask = drawing(index, 1 + index % 3)
        Image.fromarray(image).save(root / "images" / f"image{index}.png")
        Image.fromarray(mask).save(root / "masks" / f"image{index}.png")
    return root


def blob_predictor(protocol="ritm"):
    """A protocol's rules on crops that are as small as the drawings."""
    settings = settings_for(protocol, infer_size=64)
    if protocol == "ritm":
        settings = replace(settings, zoom_in=replace(settings.zoom_in, target_size=64, min_crop_size=20))
    return Predictor(BlobModel(), "cpu", settings=settings)


def record(ious, index=0, object_id=0, clicks=None, seconds=1.0, dataset="Drawn"):
    """A record with the given IoUs; clicks are made up."""
    clicks = clicks or [(k % WIDTH, k % HEIGHT, k % 2) for k in range(len(ious))]
    exact = tuple(float(np.float32(iou)) for iou in ious)
    return ObjectRecord(dataset, index, object_id, f"image{index}", tuple(map(tuple, clicks)), exact, seconds)


INFO = RunInfo(
    model_name="others/x",
    mode="NoBRS",
    protocol="ritm",
    eval_mode="cvpr",
    checkpoint="x.pth",
    sha256="ab" * 32,
    network="net",
    device="cpu",
    command="evaluate_model.py NoBRS",
    started="2025-01-01T00:00:00",
)

SCORES = DatasetScores(
    dataset="GrabCut",
    target_iou=0.90,
    max_clicks=20,
    objects=4,
    images=4,
    clicks=9,
    seconds=3725.9,
    thresholds=(0.80, 0.85, 0.90),
    noc=(1.5, 2.25, 3.0),
    noc_std=(0.5, 0.25, 1.0),
    nof=(0, 0, 1),
    nof_published=(0, 1, 2),
    miou=(0.5,),
    spc=0.1234,
    spi=0.5,
)
