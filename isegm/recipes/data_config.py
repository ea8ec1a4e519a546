"""The published data sets as the experiments of RITM and its successors see them (Sofiiuk et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from isegm.data.catalogue import get_training_set
from isegm.data.compose import ComposeDataset, Reader
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.sample_weights import sample_weights
from isegm.data.train_set import SampleTransform, TrainSet
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
class SplitConfig:
    """How samples are drawn in training, or in validation.

    Attributes:
        min_area: objects of fewer pixels, after augmentation, are dropped.
        keep_background: how often a view without an object is kept.
        epoch_len: random samples in an epoch; None: as many as there are images.
        stuff: how often a sample has its stuff as objects too, for data sets that know stuff.
        split: of the data set.
    """

    min_area: int
    keep_background: float = 0.0
    epoch_len: int | None = None
    stuff: float = 0.0
    split: str = "train"


@dataclass(frozen=True)
class DataConfig:
    """The images of an experiment.

    Attributes:
        names: of the training sets, see ``isegm.data.TRAINING_SETS``; the last one validates.
        train, val: how samples are drawn.
        ratios: how often each of several sets is drawn from; None: as often as it has images.
        options: further arguments of the sets' readers in training, by name.
        scored: hard samples are drawn more often, by the published scores of SBD.
        views: from the crop's (H, W) to the augmentations of training and of validation.
    """

    names: tuple[str, ...]
    train: SplitConfig
    val: SplitConfig
    ratios: tuple[float, ...] | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    scored: bool = False
    views: Callable[[Size], tuple[Compose, Compose]] = coco_views


# The rows of the published scripts. Several joined data sets are gone through image by image, without scores.
SBD = DataConfig(("SBD",), SplitConfig(80), SplitConfig(1000, split="val"), scored=True)
SBD_ITERATIVE = DataConfig(
    ("SBD",),
    SplitConfig(80, keep_background=0.01),
    SplitConfig(80, epoch_len=500, split="val"),
    scored=True,
    views=sbd_views,
)
VOC_SBD = DataConfig(("PascalVOC", "SBD"), SplitConfig(80), SplitConfig(1000, split="val"))
ADE20K = DataConfig(
    ("ADE20k",),
    SplitConfig(80, keep_background=0.05, epoch_len=30000, stuff=0.30),
    SplitConfig(80, keep_background=0.05, epoch_len=2000, split="val"),
)
COCO = DataConfig(
    ("COCO",),
    SplitConfig(1000, keep_background=0.05, epoch_len=30000, stuff=0.30),
    SplitConfig(1000, keep_background=0.05, epoch_len=2000, split="val"),
)
OPENIMAGES = DataConfig(
    ("OpenImages",),
    SplitConfig(1000, keep_background=0.05, epoch_len=30000),
    SplitConfig(1000, keep_background=0.05, epoch_len=2000, split="validation"),
)
LVIS = DataConfig(
    ("LVIS",), SplitConfig(1000, keep_background=0.05, epoch_len=30000), SplitConfig(1000, epoch_len=2000, split="val")
)
COCO_LVIS = DataConfig(
    ("COCO_LVIS",),
    SplitConfig(1000, keep_background=0.05, epoch_len=30000, stuff=0.30),
    SplitConfig(1000, epoch_len=2000, split="val"),
)
COCO_LVIS_80 = replace(  # with objects from 80 pixels on
    COCO_LVIS, train=SplitConfig(80, epoch_len=30000, stuff=0.30), val=SplitConfig(80, epoch_len=2000, split="val")
)
# ClickSEG's combined set (Chen et al. 2022). Three of its parts are one: the sets of salient objects.
COMBINED = DataConfig(
    ("Saliency", "ThinObject", "YouTubeVOS", "HFlickr", "ADE20k_full", "COCO_LVIS"),
    SplitConfig(1000, keep_background=0.05, epoch_len=30000),
    COCO_LVIS.val,
    ratios=(0.10, 0.10, 0.20, 0.10, 0.15, 0.35),
)


def open_datasets(
    images: DataConfig,
    cfg: Any,
    crop: Size,
    sampler: MultiPointSampler,
    steps: Callable[[SplitConfig], Sequence[SampleTransform]] = lambda part: (),
) -> tuple[TrainSet, TrainSet]:
    """Training and validation samples.

    ``--epoch-len`` sets the length of a training epoch, and validation is then no longer than that either.

    Args:
        images: one of the rows above.
        cfg: the run's configuration.
        crop: (H, W) in pixels.
        sampler: chooses targets and their first clicks.
        steps: what becomes of a sample then, see ``TrainSet``.

    Raises:
        InputError: a path is not set, files are not there, or ``--data`` names other images.
    """
    if cfg.get("data"):
        raise InputError(
            f"{cfg.model_path} trains on {' and '.join(images.names)}, at the paths in config.yml: leave --data out, "
            "or take a script for folders, such as models/iter_mask/hrnet18s_folder.py."
        )
    reader = _open(images.names, images.train, cfg, images.ratios, images.options)
    val_reader = _open(images.names[-1:], images.val, cfg)
    views, val_views = images.views(crop)
    val_len = images.val.epoch_len
    if 0 < cfg.epoch_len < (val_len or len(val_reader)):
        val_len = cfg.epoch_len
    train_set = TrainSet(
        reader,
        views,
        sampler,
        epoch_len=cfg.epoch_len if cfg.epoch_len > 0 else images.train.epoch_len,
        min_object_area=images.train.min_area,
        keep_background_prob=images.train.keep_background,
        retry_image=True,
        weights=_sbd_weights(len(reader)) if images.scored else None,
        steps=steps(images.train),
        seed=cfg.seed,
    )
    val_set = TrainSet(
        val_reader,
        val_views,
        sampler,
        epoch_len=val_len,
        min_object_area=images.val.min_area,
        keep_background_prob=images.val.keep_background,
        retry_image=True,
        steps=steps(images.val),
        seed=cfg.seed,
    )
    return train_set, val_set


def _open(
    names: Sequence[str],
    part: SplitConfig,
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
            f"there is no {SBD_SCORES}, the scores by which hard images of SBD are drawn more often: copy it from "
            "github.com/saic-vul/ritm_interactive_segmentation, where it has this very path."
        )
    return sample_weights(SBD_SCORES, count, SCORES_GAMMA)
