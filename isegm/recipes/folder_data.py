"""Images-and-masks folders, or packed files of them, to train on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from easydict import EasyDict

from isegm.data.catalogue import split_names
from isegm.data.checking import check_samples
from isegm.data.compose import ComposeDataset
from isegm.data.datasets.packed import joint_ratios, open_each_folder
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.suem import SuemCopyPaste
from isegm.data.train_set import CopyPaste, SampleTransform, TrainSet
from isegm.data.transforms import Transform
from isegm.recipes.data_config import Crops, Size
from isegm.utils.distributed import is_main
from isegm.utils.errors import InputError
from isegm.utils.files import given_twice
from isegm.utils.inputs import CALLABLE, CheckedFields
from isegm.utils.schema import Instance, Kind, Number, Whole


@dataclass(frozen=True)
class FolderData(CheckedFields):
    """Settings for drawing samples from the folders of ``--data`` or TRAIN_FOLDERS; about every 20th image validates.

    Attributes:
        epoch_len: random samples in an epoch; ``--epoch-len`` replaces it.
        min_area: objects of fewer pixels, after augmentation, are dropped.
        views: the augmentations of training and of validation for a crop size, (H, W) in pixels.
        copy_paste: pasting of foreign objects before augmentation; None for none.
        suem: combining of augmented views, as CFR-ICL does; None for none.

    Raises:
        InputError: a field is of another kind.
    """

    own_kinds: ClassVar[Mapping[str, Kind]] = {
        "epoch_len": Whole(1),
        "min_area": Whole(0),
        "views": CALLABLE,
        "copy_paste": Instance(CopyPaste, "a CopyPaste"),
        "suem": Instance(SuemCopyPaste, "a SuemCopyPaste"),
    }

    epoch_len: int
    min_area: int
    views: Callable[[Size], tuple[Transform, Transform]]
    copy_paste: CopyPaste | None = None
    suem: SuemCopyPaste | None = None

    def open(
        self, cfg: EasyDict, crops: Crops, sampler: MultiPointSampler, steps: Sequence[SampleTransform], validates: bool
    ) -> tuple[TrainSet, TrainSet | None]:
        """Open the folders and read every image with its mask once; see ``TrainingData``.

        Raises:
            InputError: no folder is given, or one is absent, malformed or too small; or some images or masks are
                broken, of which up to ten are named.
        """
        train_reader, val_reader = open_folders(cfg)
        if is_main():
            joined = ComposeDataset([*train_reader.readers, *val_reader.readers])
            check_samples(joined.get_sample, range(len(joined)), ", ".join(training_folders(cfg)[0]))
        train_set = TrainSet(
            train_reader,
            [(epoch, self.views(size)[0]) for epoch, size in crops.items()],
            sampler,
            epoch_len=cfg.epoch_len if cfg.epoch_len > 0 else self.epoch_len,
            min_object_area=self.min_area,
            copy_paste=self.copy_paste,
            suem=self.suem,
            steps=steps,
            seed=cfg.seed,
        )
        if not validates:
            return train_set, None
        _, val_view = self.views(list(crops.values())[-1])
        val_set = TrainSet(
            val_reader,
            val_view,
            sampler,
            min_object_area=self.min_area,
            allow_background=True,
            steps=steps,
            seed=cfg.seed,
        )
        return train_set, val_set


def open_folders(cfg: EasyDict) -> tuple[ComposeDataset, ComposeDataset]:
    """Open the training part and the validation part of the run's folders.

    A packed file counts as its folders, with the shares that are noted in it, see ``joint_ratios``.
    """
    paths, ratios = training_folders(cfg)
    training, validation = ([open_each_folder(path, part, True) for path in paths] for part in ("train", "val"))
    return (
        ComposeDataset([each for file in training for each in file], joint_ratios(training, ratios)),
        ComposeDataset([each for file in validation for each in file]),
    )


def training_folders(cfg: Mapping[str, Any]) -> tuple[list[str], list[float] | None]:
    """Return the training folders of a run and their ratios: ``--data a,b``, or TRAIN_FOLDERS in config.yml.

    TRAIN_FOLDERS is a list of paths, or a mapping from path to ratio. Without ratios (None) images are drawn alike.

    Raises:
        InputError: neither is given, TRAIN_FOLDERS is of another form, or a folder is given twice.
    """
    paths, ratios = _listed_folders(cfg)
    twice = given_twice(paths)
    if twice is not None:
        raise InputError(
            f"{twice} is given twice in the training data: give each folder once, and to draw more from it a ratio in "
            "TRAIN_FOLDERS."
        )
    return paths, ratios


def _listed_folders(cfg: Mapping[str, Any]) -> tuple[list[str], list[float] | None]:
    if cfg.get("data"):
        return split_names(cfg["data"]), None
    listed = cfg.get("TRAIN_FOLDERS")
    if not listed:
        raise InputError("no training data: give --data FOLDER, or TRAIN_FOLDERS in config.yml.")
    if isinstance(listed, dict) and all(Number(above=0).fits(ratio) for ratio in listed.values()):
        return list(listed), [float(ratio) for ratio in listed.values()]
    if isinstance(listed, list):
        return [str(path) for path in listed], None
    raise InputError("TRAIN_FOLDERS in config.yml must be a list of paths, or a mapping from paths to positive ratios.")
