"""Networks, samples and numbers of SegNext's experiments (Liu et al. 2024)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from easydict import EasyDict

from isegm.data.transforms import (
    Compose,
    PadIfNeeded,
    RandomBrightnessContrast,
    RandomFlip,
    RandomRotate90,
    ResizeLongestSide,
    RGBShift,
    ShiftRotate,
    Stretch,
    Transform,
    UniformRandomResize,
)
from isegm.model.click_model import ClickModel
from isegm.recipes import data_config, launch, ritm
from isegm.recipes.data_config import DataConfig, Size, SplitConfig
from isegm.recipes.training import Recipe

SIDE = 1024  # of the square inputs in pixels


def vit(cfg: EasyDict, *, name: str, mae: str | None = "MAE_BASE", **arguments: Any) -> ClickModel:
    """A SegNext network whose encoder starts from MAE's weights, if config.yml names them.

    Args:
        cfg: configuration of the run.
        name: of the network, see ``build_model``.
        mae: key of the weights below IMAGENET_PRETRAINED_MODELS; None for random weights.
        arguments: of the network.
    """
    return launch.built(name, cfg, mae, **arguments)


sax1 = partial(vit, name="segnext_vitb_sax1")
sax2 = partial(vit, name="segnext_vitb_sax2")
tiny = partial(vit, name="segnext_vit_tiny", mae=None)


def letterboxed_views(size: Size) -> tuple[Compose, Compose]:
    """The published augmentations to (H, W) pixels: images keep their shape, at the top left of black squares.

    In inference images are stretched instead (docs/fidelity.md#segnext-letterbox).
    """
    return _views(ResizeLongestSide(max(size)), PadIfNeeded(size, at_top_left=True))


def stretched_views(size: Size) -> tuple[Compose, Compose]:
    """The same augmentations with images stretched to (H, W) pixels, as in inference."""
    return _views(Stretch(size))


def _views(*end: Transform) -> tuple[Compose, Compose]:
    turns = (RandomFlip(), RandomRotate90(), ShiftRotate())
    colours = (RandomBrightnessContrast(), RGBShift())
    return Compose((UniformRandomResize((0.75, 1.40)), *turns, *colours, *end)), Compose(end)


COCO_LVIS = replace(data_config.COCO_LVIS, views=letterboxed_views)
HQSEG44K = DataConfig(
    ("HQSeg44K",),
    SplitConfig(1000, keep_background=0.05, epoch_len=30000),
    SplitConfig(1000, epoch_len=1500, split="val"),
    views=letterboxed_views,
)


def stretched(data: DataConfig) -> DataConfig:
    """The same data in ``stretched_views``."""
    return replace(data, views=stretched_views)


def recipe(*, data: DataConfig = COCO_LVIS) -> Recipe:
    """What the published experiments share: 100 epochs, three clicks at most, normalised focal loss, no validation.

    Args:
        data: see ``Recipe``.
    """
    return Recipe(
        data=data,
        crop=(SIDE, SIDE),
        sampler=ritm.SAMPLER,
        clicks=3,
        losses=ritm.losses(aux=None),
        batch_size=32,
        lr=5e-5,
        epochs=100,
        milestones=(50, 90),
        checkpoint_every=((0, 10), (90, 1)),
        validates=False,
    )
