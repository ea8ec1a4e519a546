"""Networks and numbers of SimpleClick's experiments (Liu et al. 2023, section 4.1)."""

from __future__ import annotations

from functools import partial
from typing import Any

from easydict import EasyDict

from isegm.model.click_model import ClickModel
from isegm.model.heads.feature_pyramid import UPSAMPLING
from isegm.recipes import data_config, launch, ritm
from isegm.recipes.training import Recipe, TrainingData


def vit(cfg: EasyDict, *, name: str, mae: str | None, channels: int = 256, **arguments: Any) -> ClickModel:
    """A SimpleClick network that reads the previous mask, and starts from MAE's weights, if config.yml names them.

    Args:
        cfg: configuration of the run.
        name: of the network, see ``build_model``.
        mae: key of the weights below IMAGENET_PRETRAINED_MODELS; None for random weights.
        channels: width of the head.
        arguments: of the network.
    """
    return launch.built(name, cfg, mae, **arguments, **chosen(cfg, channels))


def chosen(cfg: EasyDict, channels: int = 256) -> dict[str, Any]:
    """Return a network's arguments by ``--upsample``, which keeps the width of the head, and ``--random-split``.

    Args:
        cfg: configuration of the run.
        channels: width of the head.
    """
    arguments: dict[str, Any] = {}
    if cfg.upsample != "x1":
        arguments |= dict(upsample=cfg.upsample, head_channels=channels // UPSAMPLING[cfg.upsample])
    if cfg.random_split:
        arguments["random_split"] = True
    return arguments


xtiny = partial(vit, name="simpleclick_vit_xtiny", mae=None, channels=128)
base = partial(vit, name="simpleclick_vitb", mae="MAE_BASE")
large = partial(vit, name="simpleclick_vitl", mae="MAE_LARGE")
huge = partial(vit, name="simpleclick_vith", mae="MAE_HUGE")
base224, base896, base1024 = (
    partial(base, img_size=(side, side), out_dims=(256, 256, 256, 256)) for side in (224, 896, 1024)
)
large224 = partial(large, img_size=(224, 224))


def recipe(
    *,
    side: int = 448,
    data: TrainingData = data_config.COCO_LVIS,
    lr: float = 5e-5,
    epochs: int = 55,
    milestones: tuple[int, int] = (50, 55),
    checkpoint_every: tuple[tuple[int, int], ...] = ((0, 20), (50, 1)),
    image_every: int = 300,
    recompute: bool = False,
) -> Recipe:
    """What the published experiments share: batches of 32, three clicks at most, normalised focal loss, no validation.

    Args:
        side: of the square crops in pixels.
        data, lr, epochs, milestones, checkpoint_every, image_every, recompute: see ``Recipe``.
    """
    return Recipe(
        data=data,
        crop=(side, side),
        sampler=ritm.SAMPLER,
        clicks=3,
        losses=ritm.losses(aux=None),
        batch_size=32,
        lr=lr,
        epochs=epochs,
        milestones=milestones,
        checkpoint_every=checkpoint_every,
        image_every=image_every,
        recompute=recompute,
        validates=False,
    )
