"""RITM's training recipes (Sofiiuk et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from isegm.data.points_sampler import MultiPointSampler
from isegm.data.transforms import Compose, LimitLongestSide, PadIfNeeded, RandomCrop
from isegm.engine.schedule import MultiStep
from isegm.engine.tasks import IterativeClicks, LossTerm, TrainingTask
from isegm.engine.trainer import TrainConfig
from isegm.model.base import ClickModel
from isegm.model.losses import NormalizedFocalLoss, SigmoidBinaryCrossEntropyLoss
from isegm.model.registry import build_model
from isegm.recipes import folder_training
from isegm.recipes.data_config import DataConfig, coco_views, open_datasets

CROP = (320, 480)  # (H, W) in pixels
LR = 5e-4
COCO_SIDE = 640  # longer side of COCO's images, at whose size the published crops and scales look
SAMPLER = MultiPointSampler(max_num_points=24, prob_gamma=0.8, merge_objects_prob=0.15, max_num_merged_objects=2)


def _hrnet(size: str, cfg: Any, pretrained: str, **overrides: Any) -> ClickModel:
    network = build_model(f"ritm_hrnet{size}", **overrides)
    folder_training.start_from_imagenet(network, cfg, pretrained)
    return network


def hrnet18s(cfg: Any) -> ClickModel:
    """HRNet-18s with OCR and previous mask; its backbone starts from ImageNet weights, as that of all networks here."""
    return _hrnet("18s", cfg, "HRNETV2_W18_SMALL")


def hrnet18(cfg: Any) -> ClickModel:
    """HRNet-18 with OCR and previous mask."""
    return _hrnet("18", cfg, "HRNETV2_W18")


def hrnet32(cfg: Any) -> ClickModel:
    """HRNet-32 with OCR and previous mask."""
    return _hrnet("32", cfg, "HRNETV2_W32")


def hrnet18_baseline(cfg: Any) -> ClickModel:
    """HRNet-18 with OCR, without previous mask."""
    return _hrnet("18", cfg, "HRNETV2_W18", with_prev_mask=False)


def resnet34_baseline(cfg: Any) -> ClickModel:
    """DeepLabV3+ on ResNet-34 with 128 channels ("dh128"), without previous mask."""
    network = build_model("ritm_resnet34")
    folder_training.start_from_imagenet(network, cfg, "RESNET34")
    return network


def augmentation(crop: tuple[int, int]) -> Compose:
    """Views of (H, W) pixels as RITM's on COCO+LVIS; large images are shrunk before."""
    return Compose((LimitLongestSide(COCO_SIDE), coco_views(crop)[0]))


def train_config(
    network: ClickModel,
    cfg: Any,
    *,
    batch_size: int,
    epochs: int,
    milestones: Sequence[int],
    max_num_next_clicks: int,
    image_dump_interval: int,
    loss: nn.Module | None = None,
    checkpoint_interval: int | Sequence[tuple[int, int]] = 5,
) -> TrainConfig:
    """A loss on the mask, cross-entropy on the auxiliary output where there is one, steps of the learning rate.

    A run of another length (``--epochs``) keeps its shape.

    Args:
        network: what is trained.
        cfg: the run's configuration.
        max_num_next_clicks: simulated clicks before a step, see ``IterativeClicks``.
        milestones: epochs at which the learning rate falls to a tenth.
        loss: of the mask; None for the normalised focal loss.
        batch_size, epochs, image_dump_interval, checkpoint_interval: see ``TrainConfig``.
    """
    losses = {"instance_loss": LossTerm(loss or NormalizedFocalLoss(alpha=0.5, gamma=2))}
    if network.with_aux_output:
        losses["instance_aux_loss"] = LossTerm(SigmoidBinaryCrossEntropyLoss(), 0.4, "instances_aux")
    task = IterativeClicks(losses, max_num_next_clicks=max_num_next_clicks)
    return stepped_config(
        task,
        cfg,
        lr=LR,
        batch_size=batch_size,
        epochs=epochs,
        milestones=milestones,
        checkpoint_interval=checkpoint_interval,
        image_dump_interval=image_dump_interval,
    )


def stepped_config(
    task: TrainingTask,
    cfg: Any,
    *,
    lr: float,
    batch_size: int,
    epochs: int,
    milestones: Sequence[int],
    checkpoint_interval: int | Sequence[tuple[int, int]],
    image_dump_interval: int,
) -> TrainConfig:
    """A plan whose learning rate falls to a tenth at each milestone, stretched to the run's ``--epochs``.

    Args:
        task: how a batch becomes losses.
        cfg: the run's configuration.
        milestones: in epochs.
        lr, batch_size, epochs, checkpoint_interval, image_dump_interval: see ``TrainConfig``.
    """
    stretch = cfg.epochs / epochs if cfg.epochs > 0 else 1.0
    if not isinstance(checkpoint_interval, int):
        checkpoint_interval = [(round(start * stretch), every) for start, every in checkpoint_interval]
    return TrainConfig(
        task,
        batch_size=cfg.batch_size if cfg.batch_size > 0 else batch_size,
        epochs=round(epochs * stretch),
        schedule=MultiStep([round(milestone * stretch) for milestone in milestones]),
        lr=lr,
        checkpoint_interval=checkpoint_interval,
        image_dump_interval=image_dump_interval,
    )


def train_iterative(
    network: ClickModel,
    cfg: Any,
    images: DataConfig,
    **schedule: Any,
) -> None:
    """Train a network that reads the previous mask, with up to three simulated clicks before each step ("ITER-M").

    Args:
        network: ``hrnet18s``, ``hrnet18`` or ``hrnet32``.
        cfg: the run's configuration.
        images: what it sees, see ``isegm.recipes.data_config``.
        schedule: batch_size, epochs, milestones and checkpoint_interval of ``train_config``.
    """
    config = train_config(network, cfg, max_num_next_clicks=3, image_dump_interval=3000, **schedule)
    folder_training.start(network, cfg, config, *open_datasets(images, cfg, CROP, SAMPLER))


def train_baseline(
    network: ClickModel, cfg: Any, images: DataConfig, *, image_dump_interval: int = 2000, **schedule: Any
) -> None:
    """Train on the sampled clicks alone, without a previous mask.

    Args:
        network: ``hrnet18_baseline`` or ``resnet34_baseline``.
        cfg: the run's configuration.
        images: what it sees, see ``isegm.recipes.data_config``.
        schedule: epochs and milestones of ``train_config``, and loss and checkpoint_interval where they differ.
    """
    schedule |= {"batch_size": 28, "max_num_next_clicks": 0, "image_dump_interval": image_dump_interval}
    config = train_config(network, cfg, **schedule)
    folder_training.start(network, cfg, config, *open_datasets(images, cfg, CROP, SAMPLER))


def train_on_folders(
    network: ClickModel,
    cfg: Any,
    *,
    crop: tuple[int, int],
    epoch_len: int,
    **schedule: Any,
) -> None:
    """Train as ``train_iterative`` does, on images-and-masks folders.

    Args:
        network: ``hrnet18s``, ``hrnet18`` or ``hrnet32``.
        cfg: the run's configuration.
        crop: (H, W) in pixels.
        epoch_len: see ``TrainSet``.
        schedule: batch_size, epochs and milestones of ``train_config``.
    """
    config = train_config(network, cfg, max_num_next_clicks=3, image_dump_interval=500, **schedule)
    folder_training.train(
        network,
        cfg,
        config,
        augment=augmentation(crop),
        val_augment=Compose((LimitLongestSide(COCO_SIDE), PadIfNeeded(crop), RandomCrop(crop))),
        sampler=SAMPLER,
        epoch_len=cfg.epoch_len if cfg.epoch_len > 0 else epoch_len,
        min_object_area=80,
    )
