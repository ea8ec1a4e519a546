"""The published data sets as the experiments of RITM (Sofiiuk et al. 2021) and ClickSEG (Chen et al. 2022) see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from easydict import EasyDict

from isegm.data.catalogue import get_training_set
from isegm.data.compose import ComposeDataset, Reader
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.refiner_crops import WholeTargets
from isegm.data.sample_weights import sample_weights
from isegm.data.suem import SuemCopyPaste
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
from isegm.utils.inputs import CALLABLE, SHARE, CheckedFields
from isegm.utils.schema import Anything, Instance, Items, Kind, Nothing, Number, Table, Text, Whole

Size = tuple[int, int]  # (H, W) in pixels
Crops = Mapping[int, Size]  # first epoch of each crop size, and that size
SBD_SCORES = Path("assets/sbd_samples_weights.pkl")  # below the folder in which the command runs, as published
SCORES_GAMMA = 1.25
SWITCH = "CLICKSEG_AS_PUBLISHED"  # in config.yml


def coco_views(crop: Size) -> tuple[Compose, Compose]:
    """Augmentations of training and of validation that most experiments use; both end in crops of (H, W) pixels."""
    window = (PadIfNeeded(crop), RandomCrop(crop))
    colours = (RandomBrightnessContrast(), RGBShift())
    return Compose((UniformRandomResize((0.75, 1.40)), HorizontalFlip(), *window, *colours)), Compose(window)


def sbd_views(crop: Size) -> tuple[Compose, Compose]:
    """Augmentations of the iterative experiments on SBD, with rotations and more flips; see ``coco_views``."""
    scale = UniformRandomResize((0.75, 1.25))
    window = (PadIfNeeded(crop), RandomCrop(crop))
    colours = (RandomBrightnessContrast(), RGBShift())
    rotations = (RandomFlip(), RandomRotate90(), ShiftRotate())
    return Compose((scale, *rotations, *window, *colours)), Compose((scale, *window))


@dataclass(frozen=True)
class SplitConfig(CheckedFields):
    """Settings for drawing samples from one split of a data set.

    Attributes:
        min_area: objects of fewer pixels, after augmentation, are dropped.
        keep_background: probability with which a view without an object is kept.
        epoch_len: random samples in an epoch; None for as many as there are images.
        stuff: probability with which a sample has its stuff as objects too, for data sets that know stuff.
        split: of the data set.

    Raises:
        InputError: a field is of another kind.
    """

    own_kinds: ClassVar[Mapping[str, Kind]] = {
        "min_area": Whole(0),
        "keep_background": SHARE,
        "epoch_len": Whole(1),
        "stuff": SHARE,
        "split": Text(),
    }

    min_area: int
    keep_background: float = 0.0
    epoch_len: int | None = None
    stuff: float = 0.0
    split: str = "train"


SPLIT = Instance(SplitConfig, "a SplitConfig")


@dataclass(frozen=True)
class DataConfig(CheckedFields):
    """The data sets of an experiment, and how samples are drawn from them and augmented.

    Attributes:
        names: of the training sets, see ``isegm.data.TRAINING_SETS``; the last one validates.
        train, val: how samples are drawn.
        ratios: sampling weights of several sets; None: proportional to their images.
        options: further arguments of the readers for training, by name of the set.
        scored: draw hard samples more often, by the published scores of SBD (docs/fidelity.md#scores-by-index).
        views: the augmentations of training and of validation for a crop size, (H, W) in pixels.
        whole_targets: pass over targets that are too small or fill the view, as ClickSEG does, see ``WholeTargets``.
        suem: combining of augmented views in training, as CFR-ICL does; None for none.
        as_published: what the published code drew where that was a bug: taken instead of all the above where
            CLICKSEG_AS_PUBLISHED is true in config.yml. None: there was none.

    Raises:
        InputError: a field is of another kind.
    """

    own_kinds: ClassVar[Mapping[str, Kind]] = {
        "names": Items(Text(), least=1),
        "train": SPLIT,
        "val": SPLIT,
        "ratios": Items(Number(above=0)) | Nothing(),
        "options": Table(Table(Anything())),
        "views": CALLABLE,
        "suem": Instance(SuemCopyPaste, "a SuemCopyPaste") | Nothing(),
    }

    names: tuple[str, ...]
    train: SplitConfig
    val: SplitConfig
    ratios: tuple[float, ...] | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    scored: bool = False
    views: Callable[[Size], tuple[Compose, Compose]] = coco_views
    whole_targets: bool = False
    suem: SuemCopyPaste | None = None
    as_published: DataConfig | None = None

    def open(
        self, cfg: EasyDict, crops: Crops, sampler: MultiPointSampler, steps: Sequence[SampleTransform], validates: bool
    ) -> tuple[TrainSet, TrainSet | None]:
        """Open the data sets at the paths in config.yml; see ``TrainingData``.

        ``--epoch-len`` sets the length of a training epoch, and validation is then no longer than that either.

        Raises:
            InputError: a path is not set, files are not there, or ``--data`` names other images.
        """
        if cfg.get("data"):
            raise InputError(
                f"{cfg.model_path} trains on {' and '.join(self.names)}, at the paths in config.yml: leave --data out, "
                "or take a script for folders, such as models/iter_mask/hrnet18s_folder.py."
            )
        if self.as_published and switched_on(cfg):
            return self.as_published.open(cfg, crops, sampler, steps, validates)
        reader = _open(self.names, self.train, cfg, self.ratios, self.options)
        train_set = TrainSet(
            reader,
            [(epoch, self.views(size)[0]) for epoch, size in crops.items()],
            sampler,
            epoch_len=cfg.epoch_len if cfg.epoch_len > 0 else self.train.epoch_len,
            min_object_area=self.train.min_area,
            keep_background_prob=self.train.keep_background,
            retry_image=True,
            suem=self.suem,
            weights=_sbd_weights(len(reader)) if self.scored else None,
            steps=self._steps(self.train, steps),
            seed=cfg.seed,
        )
        if not validates:
            return train_set, None
        val_reader = _open(self.names[-1:], self.val, cfg)
        val_len = self.val.epoch_len
        if 0 < cfg.epoch_len < (val_len or len(val_reader)):
            val_len = cfg.epoch_len
        val_set = TrainSet(
            val_reader,
            self.views(list(crops.values())[-1])[1],
            sampler,
            epoch_len=val_len,
            min_object_area=self.val.min_area,
            keep_background_prob=self.val.keep_background,
            retry_image=True,
            steps=self._steps(self.val, steps),
            seed=cfg.seed,
        )
        return train_set, val_set

    def _steps(self, split: SplitConfig, steps: Sequence[SampleTransform]) -> tuple[SampleTransform, ...]:
        return (WholeTargets(split.min_area), *steps) if self.whole_targets else tuple(steps)


def switched_on(cfg: EasyDict) -> bool:
    """Whether CLICKSEG_AS_PUBLISHED is true in config.yml.

    Raises:
        InputError: it is neither true nor false.
    """
    value = cfg.get(SWITCH, False)
    if not isinstance(value, bool):
        raise InputError(f"{SWITCH} in config.yml is {value!r}: it must be true or false.")
    return value


# The rows of the published scripts. Joined sets without ratios: an epoch is every image once, without scores.
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


def _open(
    names: Sequence[str],
    split: SplitConfig,
    cfg: EasyDict,
    ratios: Sequence[float] | None = None,
    options: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Reader:
    stuff = {"stuff_prob": split.stuff} if split.stuff else {}
    readers = [get_training_set(name, cfg, split=split.split, **stuff, **options.get(name, {})) for name in names]
    return readers[0] if len(readers) == 1 else ComposeDataset(readers, ratios)


def _sbd_weights(count: int) -> np.ndarray:
    if not SBD_SCORES.is_file():
        raise InputError(
            f"there is no {SBD_SCORES}, the scores by which hard images of SBD are drawn more often: copy it from "
            "github.com/saic-vul/ritm_interactive_segmentation, where it has this very path."
        )
    return sample_weights(SBD_SCORES, count, SCORES_GAMMA)
