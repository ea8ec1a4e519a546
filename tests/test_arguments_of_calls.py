"""What is no argument of a public call is one sentence that names it, and never an error from deep inside."""

from pathlib import Path

import numpy as np
import pytest
import torch

from isegm import Click, InputError
from isegm.annotations import Region
from isegm.data import DSample, SamplesDataset
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.train_set import CopyPaste, TrainSet
from isegm.data.transforms import Compose, PadIfNeeded, RandomFlip, RandomView, UniformRandomResize
from isegm.engine.config import RunConfig, TrainConfig
from isegm.engine.metrics import AdaptiveIoU, batch_iou
from isegm.engine.schedule import MultiStep
from isegm.engine.tasks import IterativeClicks
from isegm.evaluation import scores
from isegm.inference.clicker import Clicker
from isegm.inference.evaluation import evaluate_dataset
from isegm.inference.predictors import get_predictor
from isegm.inference.utils import compute_noc_metric, find_checkpoint, get_iou
from isegm.recipes import Recipe
from isegm.utils import vis
from tests.analytic import TinyModel

JUNK = {
    "text": "x",
    "negative": -1.5,
    "not a number": float("nan"),
    "infinite": float("inf"),
    "complex": 3 + 2j,
    "object": object(),
    "huge": 10**30,
    "objects": np.array([1, 2], object),
    "complex array": np.zeros((2, 2), complex),
    "NaN array": np.full((4, 5), np.nan),
    "bytes": b"x",
    "list of none": [None],
    "tensor": torch.zeros(2),
}
IMAGE = np.zeros((6, 8, 3), np.uint8)
MASK = np.zeros((6, 8), np.int32)
MASK[2:4, 2:5] = 1
OBJECT = MASK > 0
REGION = Region.of(OBJECT)
SAMPLE = DSample.flat(IMAGE, MASK, [1])
LABELS = torch.zeros(1, 1, 4, 4)
RNG = np.random.default_rng(0)
PATHS = {"checkpoints": Path("a"), "images": Path("a"), "logs": Path("a")}
LEARNT = {"task": IterativeClicks({}), "batch_size": 2, "epochs": 2, "schedule": MultiStep([])}
RECIPE = {
    "data": Path("a"),
    "crop": (32, 32),
    "sampler": MultiPointSampler(3),
    "clicks": 2,
    "losses": {},
    "batch_size": 2,
    "lr": 0.1,
    "epochs": 2,
}


def field(kind, name, others):
    return lambda junk: kind(**{**others, name: junk})


def training_set(**changed):
    given = {"reader": SamplesDataset(), "augment": Compose([]), "sampler": MultiPointSampler(3), **changed}
    return TrainSet(given.pop("reader"), given.pop("augment"), given.pop("sampler"), **given)


CALLS = {
    "init_clicks": lambda junk: Clicker(init_clicks=junk),
    "ignore_label of Clicker": lambda junk: Clicker(gt_mask=MASK, ignore_label=junk),
    "state of Clicker": lambda junk: Clicker().set_state(junk),
    "data set to click": lambda junk: evaluate_dataset(junk, get_predictor(TinyModel(), "NoBRS", "cpu"), max_iou_thr=1),
    "device": lambda junk: get_predictor(TinyModel(), "NoBRS", junk),
    "sample of a sampler": lambda junk: MultiPointSampler(3).sample(junk, RNG),
    "rng of a sampler": lambda junk: MultiPointSampler(3).sample(SAMPLE, junk),
    "index of TrainSet": lambda junk: training_set()[junk],
    "smallest object": SAMPLE.without_small_objects,
    "augmented": SAMPLE.augmented,
    "Region.within": lambda junk: Region.within((6, 8), 0, 0, junk),
    "Region.within top": lambda junk: Region.within((6, 8), junk, 0, OBJECT),
    "Region.union": lambda junk: Region.union((6, 8), junk),
    "Region.from_json": lambda junk: Region.from_json(junk, REGION.to_json()),
    "draw_probmap": lambda junk: vis.draw_probmap(junk),
    "voc_palette": vis.voc_palette,
    "object_color": vis.object_color,
    "draw_clicks": lambda junk: vis.draw_clicks(junk, []),
    "draw_clicks clicks": lambda junk: vis.draw_clicks(IMAGE, junk),
    "dot_radius": vis.dot_radius,
    "tint": lambda junk: vis.tint(junk, OBJECT, (1, 2, 3), 0.5),
    "tint mask": lambda junk: vis.tint(IMAGE.copy(), junk, (1, 2, 3), 0.5),
    "tint color": lambda junk: vis.tint(IMAGE.copy(), OBJECT, junk, 0.5),
    "tint alpha": lambda junk: vis.tint(IMAGE.copy(), OBJECT, (1, 2, 3), junk),
    "blend": vis.draw_with_blend_and_clicks,
    "blend mask": lambda junk: vis.draw_with_blend_and_clicks(IMAGE, junk),
    "blend alpha": lambda junk: vis.draw_with_blend_and_clicks(IMAGE, MASK, junk),
    "blend clicks": lambda junk: vis.draw_with_blend_and_clicks(IMAGE, MASK, clicks_list=junk),
    "blend radius": lambda junk: vis.draw_with_blend_and_clicks(IMAGE, radius=junk),
    "ignore_label of get_iou": lambda junk: get_iou(MASK, OBJECT, junk),
    "all_ious": lambda junk: compute_noc_metric(junk, [0.9]),
    "folder of weights": lambda junk: find_checkpoint(junk, "x"),
    "batch_iou": lambda junk: batch_iou(junk, LABELS),
    "labels of AdaptiveIoU": lambda junk: AdaptiveIoU().update(LABELS, junk),
    "state of AdaptiveIoU": lambda junk: AdaptiveIoU().load_state(junk),
    "beta of AdaptiveIoU": lambda junk: AdaptiveIoU(iou_beta=junk),
    "records of mIoU": scores.miou_per_click,
    "records of NoC": lambda junk: scores.noc(junk, 0.9, 20),
    "p of RandomFlip": RandomFlip,
    "size of PadIfNeeded": PadIfNeeded,
    "scale of UniformRandomResize": UniformRandomResize,
    "zoom of RandomView": lambda junk: RandomView((32, 32), object_zoom=junk),
    "p_whole of RandomView": lambda junk: RandomView((32, 32), p_whole=junk),
    "steps of Compose": Compose,
    "p of CopyPaste": lambda junk: CopyPaste(p=junk),
    **{
        f"{name} of MultiPointSampler": field(MultiPointSampler, name, {})
        for name in ("max_num_points", "prob_gamma", "merge_objects_prob", "use_hierarchy", "sfc_inner_k")
    },
    **{
        f"{name} of TrainSet": field(training_set, name, {})
        for name in ("reader", "augment", "sampler", "epoch_len", "min_object_area", "keep_background_prob", "steps")
    },
    **{
        f"{name} of RunConfig": field(RunConfig, name, PATHS)
        for name in ("checkpoints", "device", "workers", "amp", "seed", "save_every", "lr", "accumulate", "resume")
    },
    **{
        f"{name} of TrainConfig": field(TrainConfig, name, LEARNT)
        for name in ("task", "batch_size", "epochs", "schedule", "lr", "clip_norm", "checkpoint_interval")
    },
    **{
        f"{name} of Recipe": field(Recipe, name, RECIPE)
        for name in ("data", "crop", "sampler", "clicks", "losses", "batch_size", "lr", "epochs", "milestones")
    },
}
MEANT = {("smallest object", "negative"), ("sfc_inner_k of MultiPointSampler", "negative")}


@pytest.mark.parametrize("name", CALLS)
def test_junk_is_one_sentence(name):
    for kind, junk in JUNK.items():
        if (name, kind) in MEANT:
            continue
        with pytest.raises(InputError) as error:
            CALLS[name](junk)
        assert "\n" not in str(error.value) and str(error.value).endswith("."), (kind, error.value)


def test_a_label_of_billions_is_drawn_in_its_colour():
    labels = MASK.astype(np.int64) << 31
    assert vis.draw_with_blend_and_clicks(IMAGE, labels + MASK).any()


def test_a_click_far_outside_is_not_drawn():
    drawn = vis.draw_clicks(IMAGE, [Click(True, (1e30, -1e30))])
    np.testing.assert_array_equal(drawn, IMAGE)


@pytest.mark.parametrize("value", [None, float("nan"), 1 << 70, "x", np.zeros(7)])
def test_what_no_label_is_cannot_be_painted(value):
    with pytest.raises(InputError, match="cannot be painted on an array"):
        REGION.paint(MASK.copy(), value)
