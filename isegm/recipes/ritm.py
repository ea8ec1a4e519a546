"""RITM's training recipe (Sofiiuk et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isegm.data.points_sampler import MultiPointSampler
from isegm.data.transforms import (
    Compose,
    HorizontalFlip,
    LimitLongestSide,
    PadIfNeeded,
    RandomBrightnessContrast,
    RandomCrop,
    RGBShift,
    UniformRandomResize,
)
from isegm.engine.schedule import MultiStep
from isegm.engine.tasks import IterativeClicks, LossTerm
from isegm.engine.trainer import TrainingPlan
from isegm.model.base import ClickModel
from isegm.model.losses import NormalizedFocalLoss, SigmoidBinaryCrossEntropyLoss
from isegm.model.registry import build_model
from isegm.recipes import folder

COCO_SIDE = 640  # longer side of COCO's photos, at whose size the published crops and scales look
SAMPLER = MultiPointSampler(max_num_points=24, prob_gamma=0.8, merge_objects_prob=0.15, max_num_merged_objects=2)


def hrnet(size: str, cfg: Any, pretrained: str) -> ClickModel:
    """HRNet with OCR and previous mask; its backbone starts from the ImageNet weights that config.yml names."""
    network = build_model(f"ritm_hrnet{size}")
    folder.start_from_imagenet(network, cfg, pretrained)
    return network


def augmentation(crop: tuple[int, int]) -> Compose:
    """Resize, flip, crop to (H, W) and change colours, as RITM does on COCO+LVIS; large photos are shrunk before."""
    return Compose(
        (
            LimitLongestSide(COCO_SIDE),
            UniformRandomResize((0.75, 1.40)),
            HorizontalFlip(),
            PadIfNeeded(crop),
            RandomCrop(crop),
            RandomBrightnessContrast(),
            RGBShift(),
        )
    )


def train_on_folders(
    network: ClickModel,
    cfg: Any,
    *,
    crop: tuple[int, int],
    batch_size: int,
    epoch_len: int,
    epochs: int,
    milestones: Sequence[int],
    lr: float = 5e-4,
) -> None:
    """Normalised focal loss, auxiliary cross-entropy, and up to three simulated clicks before each step.

    Args:
        network: made by ``hrnet``.
        cfg: the run's configuration.
        crop: (H, W) in pixels.
        batch_size, epoch_len, epochs, lr: see ``TrainingPlan`` and ``TrainSet``.
        milestones: epochs at which the learning rate falls to a tenth.
    """
    stretch = cfg.epochs / epochs if cfg.epochs > 0 else 1.0  # a run of another length keeps its shape
    task = IterativeClicks(
        {
            "instance_loss": LossTerm(NormalizedFocalLoss(alpha=0.5, gamma=2)),
            "instance_aux_loss": LossTerm(SigmoidBinaryCrossEntropyLoss(), 0.4, "instances_aux"),
        },
        max_num_next_clicks=3,
    )
    plan = TrainingPlan(
        task,
        batch_size=cfg.batch_size if cfg.batch_size > 0 else batch_size,
        epochs=round(epochs * stretch),
        schedule=MultiStep([round(milestone * stretch) for milestone in milestones]),
        lr=lr,
        image_dump_interval=500,
    )
    folder.train(
        network,
        cfg,
        plan,
        augment=augmentation(crop),
        val_augment=Compose((LimitLongestSide(COCO_SIDE), PadIfNeeded(crop), RandomCrop(crop))),
        sampler=SAMPLER,
        epoch_len=cfg.epoch_len if cfg.epoch_len > 0 else epoch_len,
        min_object_area=80,
    )
