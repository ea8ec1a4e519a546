"""Samples and clicks of CFR-ICL's experiments (Sun et al. 2024), for every network that reads a previous mask."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from easydict import EasyDict

from isegm.data.suem import SuemCopyPaste
from isegm.model.checkpoint import start_from
from isegm.model.click_model import ClickModel
from isegm.model.registry import build_model
from isegm.recipes import data_config, ritm, simpleclick
from isegm.recipes.data_config import SplitConfig
from isegm.recipes.training import Recipe
from isegm.utils.errors import InputError

CLICKS = 3
CLICK_WEIGHTS = (1.0, 2.0, 3.0)  # of the iterative click loss, which only the largest networks are trained with
SUEM = SuemCopyPaste(paste_prob=0.5, mix_prob=0.5)
SAMPLER = replace(ritm.SAMPLER, click_orders=True)
COCO_LVIS = replace(data_config.COCO_LVIS, suem=SUEM)
SBD = replace(data_config.SBD_ITERATIVE, train=SplitConfig(20, keep_background=0.01), suem=SUEM)


def vit(cfg: EasyDict, *, name: str, key: str) -> ClickModel:
    """A SimpleClick network with the weights that SimpleClick trained on the same data.

    Args:
        cfg: configuration of the run.
        name: of the network, see ``build_model``.
        key: of the checkpoint below IMAGENET_PRETRAINED_MODELS in config.yml; a run with ``--weights`` needs none.

    Raises:
        InputError: neither names a checkpoint, or it is of another network.
    """
    network = build_model(name, **simpleclick.chosen(cfg))
    if not (cfg.weights or cfg.resume_exp):
        path = (cfg.get("IMAGENET_PRETRAINED_MODELS") or {}).get(key)
        if not path:
            raise InputError(
                f"{cfg.model_path} goes on from a network that SimpleClick trained: give its checkpoint with "
                f"--weights, or as IMAGENET_PRETRAINED_MODELS.{key} in config.yml."
            )
        start_from(network, path)
    return network


base_of_cocolvis = partial(vit, name="simpleclick_vitb", key="CL_VIT_BASE")
base_of_sbd = partial(vit, name="simpleclick_vitb", key="SBD_VIT_BASE")
huge_of_cocolvis = partial(vit, name="simpleclick_vith", key="CL_VIT_HUGE")
huge_of_sbd = partial(vit, name="simpleclick_vith", key="SBD_VIT_HUGE")


def recipe(**numbers: Any) -> Recipe:
    """What the published experiments share: SimpleClick's networks at 448 pixels at a tenth of its rate, no validation.

    Args:
        numbers: further fields of ``Recipe``, and those that differ.
    """
    shared = dict(
        crop=(448, 448), sampler=SAMPLER, clicks=CLICKS, appended_clicks=True, losses=ritm.losses(aux=None),
        batch_size=32, lr=5e-6, milestones=(50, 55), image_every=300, validates=False,
    )  # fmt: skip
    return Recipe(**{**shared, **numbers})


def huge_recipe(**numbers: Any) -> Recipe:
    """Like ``recipe``, with the iterative click loss, 12 clicks of each kind at most and activation checkpointing."""
    return recipe(recompute=True, click_weights=CLICK_WEIGHTS, sampler=replace(SAMPLER, max_num_points=12), **numbers)
