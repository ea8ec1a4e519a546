"""The published data sets as the experiments of RITM and its successors see them (Sofiiuk et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from isegm.data.catalogue import get_training_set
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.scores import score_weights
from isegm.data.train_set import ComposeDataset, Reader, SampleStep, TrainSet
from isegm.data.transforms import (
    Compose,
    HorizontalFlip,
    PadIfNeeded,
    RandomBrightnessContrast,
    RandomCrop,
    RandomFlip,
    RandomRotate90,
    RGBShift,
    ShiftRotate,
    UniformRandomResize,
)
from isegm.utils.errors import InputError

Size = tuple[int, int]
SBD_SCORES = Path("assets/sbd_samples_weights.pkl")  # below the folder in which the command runs, as published
SCORES_GAMMA = 1.25


def coco_views(crop: Size) -> tuple[Compose, Compose]:
    """Augmentations of training and validation that most experiments use: crops of (H, W) pixels."""
    window = (PadIfNeeded(crop), RandomCrop(crop))
    colours = (RandomBrightnessContrast(), RGBShift())
    return Compose((UniformRandomResize((0.75, 1.40)), HorizontalFlip(), *window, *colours)), Compose(window)


def sbd_views(crop: Size) -> tuple[Compose, Compose]:
    """Augmentations of the iterative experiments on SBD, which turn and mirror more."""
    scale = UniformRandomResize((0.75, 1.25))
    window = (PadIfNeeded(crop), RandomCrop(crop))
    colours = (RandomBrightnessContrast(), RGBShift())
    turned = (RandomFlip(), RandomRotate90(), ShiftRotate())
    return Compose((scale, *turned, *window, *colours)), Compose((scale, *window))


@dataclass(frozen=True)
class Part:
    """How samples are drawn in training, or in validation.

    Attributes:
        min_area: objects of fewer pixels, after augmentation, are dropped.
        keep_background: how often a view without an object is kept.
        epoch_len: random samples in an epoch; None: as many as there are photos.
        stuff: how often a sample has its stuff as objects too, for data sets that know stuff.
        split: of the data set.
    """

    min_area: int
    keep_background: float = 0.0
    epoch_len: int | None = None
    stuff: float = 0.0
    split: str = "train"


@dataclass(frozen=True)
class Photos:
    """The photos of an experiment.

    Attributes:
        names: of the training sets, see ``isegm.data.TRAINING_SETS``; the last one validates.
        train, val: how samples are drawn.
        ratios: how often each of several sets is drawn from; None: as often as it has photos.
        options: further arguments of the sets' readers in training, by name.
        scored: hard samples are drawn more often, by the published scores of SBD.
        views: from the crop's (H, W) to the augmentations of training and of validation.
    """

    names: tuple[str, ...]
    train: Part
    val: Part
    ratios: tuple[float, ...] | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    scored: bool = False
    views: Callable[[Size], tuple[Compose, Compose]] = coco_views


# The rows of the published scripts. Several joined data sets are gone through photo by photo, without scores.
SBD = Photos(("SBD",), Part(80), Part(1000, split="val"), scored=True)
SBD_ITERATIVE = Photos(
    ("SBD",), Part(80, keep_background=0.01), Part(80, epoch_len=500, split="val"), scored=True, views=sbd_views
)
VOC_SBD = Photos(("PascalVOC", "SBD"), Part(80), Part(1000, split="val"))
ADE20K = Photos(
    ("ADE20k",),
    Part(80, keep_background=0.05, epoch_len=30000, stuff=0.30),
    Part(80, keep_background=0.05, epoch_len=2000, split="val"),
)
COCO = Photos(
    ("COCO",),
    Part(1000, keep_background=0.05, epoch_len=30000, stuff=0.30),
    Part(1000, keep_background=0.05, epoch_len=2000, split="val"),
)
OPENIMAGES = Photos(
    ("OpenImages",),
    Part(1000, keep_background=0.05, epoch_len=30000),
    Part(1000, keep_background=0.05, epoch_len=2000, split="validation"),
)
LVIS = Photos(("LVIS",), Part(1000, keep_background=0.05, epoch_len=30000), Part(1000, epoch_len=2000, split="val"))
COCO_LVIS = Photos(
    ("COCO_LVIS",),
    Part(1000, keep_background=0.05, epoch_len=30000, stuff=0.30),
    Part(1000, epoch_len=2000, split="val"),
)
COCO_LVIS_80 = replace(  # with objects from 80 pixels on
    COCO_LVIS, train=Part(80, epoch_len=30000, stuff=0.30), val=Part(80, epoch_len=2000, split="val")
)
# ClickSEG's combined set (Chen et al. 2022). Three of its parts are one: the sets of salient objects.
COMBINED = Photos(
    ("Saliency", "ThinObject", "YouTubeVOS", "HFlickr", "ADE20k_full", "COCO_LVIS"),
    Part(1000, keep_background=0.05, epoch_len=30000),
    COCO_LVIS.val,
    ratios=(0.10, 0.10, 0.20, 0.10, 0.15, 0.35),
)


def open_photos(
    photos: Photos,
    cfg: Any,
    crop: Size,
    sampler: MultiPointSampler,
    steps: Callable[[Part], Sequence[SampleStep]] = lambda part: (),
) -> tuple[TrainSet, TrainSet]:
    """Training and validation samples.

    ``--epoch-len`` sets the length of a training epoch, and validation is then no longer than that either.

    Args:
        photos: one of the rows above.
        cfg: the run's configuration.
        crop: (H, W) in pixels.
        sampler: chooses targets and their first clicks.
        steps: what becomes of a sample then, see ``TrainSet``.

    Raises:
        InputError: a path is not set, files are not there, or ``--data`` names other photos.
    """
    if cfg.get("data"):
        raise InputError(
            f"{cfg.model_path} trains on {' and '.join(photos.names)}, at the paths in config.yml: leave --data out, "
            "or take a script for folders, such as models/iter_mask/hrnet18s_folder.py."
        )
    reader = _open(photos.names, photos.train, cfg, photos.ratios, photos.options)
    val_reader = _open(photos.names[-1:], photos.val, cfg)
    views, val_views = photos.views(crop)
    val_len = photos.val.epoch_len
    if 0 < cfg.epoch_len < (val_len or len(val_reader)):
        val_len = cfg.epoch_len
    train_set = TrainSet(
        reader,
        views,
        sampler,
        epoch_len=cfg.epoch_len if cfg.epoch_len > 0 else photos.train.epoch_len,
        min_object_area=photos.train.min_area,
        keep_background_prob=photos.train.keep_background,
        retry_photo=True,
        weights=_sbd_weights(len(reader)) if photos.scored else None,
        steps=steps(photos.train),
        seed=cfg.seed,
    )
    val_set = TrainSet(
        val_reader,
        val_views,
        sampler,
        epoch_len=val_len,
        min_object_area=photos.val.min_area,
        keep_background_prob=photos.val.keep_background,
        retry_photo=True,
        steps=steps(photos.val),
        seed=cfg.seed,
    )
    return train_set, val_set


def _open(
    names: Sequence[str],
    part: Part,
    cfg: Any,
    ratios: Sequence[float] | None = None,
    more: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Reader:
    options = {"stuff_prob": part.stuff} if part.stuff else {}
    readers = [get_training_set(name, cfg, split=part.split, **options, **more.get(name, {})) for name in names]
    return readers[0] if len(readers) == 1 else ComposeDataset(readers, ratios)


def _sbd_weights(count: int) -> np.ndarray:
    if not SBD_SCORES.is_file():
        raise InputError(
            f"there is no {SBD_SCORES}, the scores by which hard photos of SBD are drawn more often: copy it from "
            "github.com/saic-vul/ritm_interactive_segmentation, where it has this very path."
        )
    return score_weights(SBD_SCORES, count, SCORES_GAMMA)
