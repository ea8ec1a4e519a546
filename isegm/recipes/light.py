"""Short training of light networks on folders: BCE + soft IoU on every click, views as the predictor sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from isegm.data.corrupted_masks import CorruptedInitialMasks
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.refiner_crops import FocusCrops
from isegm.data.train_set import CopyPaste, TrainSet
from isegm.data.transforms import (
    BlurNoise,
    Compose,
    RandomBrightnessContrast,
    RandomGrey,
    RandomView,
    RGBShift,
)
from isegm.engine.schedule import WarmupDecay
from isegm.engine.tasks import FocalClicks, IterativeClicks, LossTerm
from isegm.engine.trainer import TrainConfig
from isegm.model.base import ClickModel
from isegm.model.losses import SigmoidBinaryCrossEntropyLoss, SoftIoU, Sum
from isegm.model.pretrained import has_folded_batchnorm, unfold_batchnorm
from isegm.model.registry import build_model
from isegm.recipes import folder_training
from isegm.recipes.clickseg import refiner_terms
from isegm.utils.errors import InputError
from isegm.utils.log import logger

BACKBONE_LR = 0.25  # of MobileNetV2, relative to the rest; the published 0.1, with the head, belongs to 230 epochs
CLICK_SCALE = 1.0  # of the click features at the start; the published 0.05 lets clicks count only after long training
# Mostly one click to start with, as people do, on a whole object rather than a part of it.
SAMPLER = MultiPointSampler(
    max_num_points=24, prob_gamma=0.15, merge_objects_prob=0.15, merge_all_prob=0.8, first_click_center=True
)
INTERLEAVED_BATCHES = 10  # batches that are clicked on in turn
PRECISE_BN_BATCHES = 8  # for BatchNorm's statistics, as ten steps in a row see the same number of clicks
MOST_CLICKS = 6  # a batch is clicked from 2 to so many times
WHOLE_VIEWS = 0.45  # share of the views that show all of an image, as the predictor sees it at the first click


def view(side: int) -> Compose:
    """Augmented views of side x side pixels: all of an image, or else around an object or a random part, 5 to 2."""
    seen = RandomView((side, side), p_whole=WHOLE_VIEWS, p_object=(1 - WHOLE_VIEWS) * 5 / 7)
    return Compose((seen, RandomBrightnessContrast(), RGBShift(), RandomGrey(), BlurNoise()))


def mobilenetv2(cfg: Any) -> ClickModel:
    """The MobileNetV2 baseline, whose backbone starts from the ImageNet weights that config.yml names.

    Weights with folded BatchNorm get its statistics back, measured on training images.
    """
    network = build_model("clickseg_mobilenetv2")
    network.maps_transform[-1].scale.data.fill_(CLICK_SCALE)
    backbone = network.feature_extractor.backbone
    if folder_training.start_from_imagenet(network, cfg, "MOBILENETV2") and has_folded_batchnorm(backbone):
        logger.info("the backbone's BatchNorm is folded: measuring its statistics on training images")
        train_reader, _ = folder_training.readers(cfg)
        samples = TrainSet(train_reader, view(256), SAMPLER, epoch_len=128, min_object_area=300, seed=cfg.seed)
        unfold_batchnorm(network, backbone, folder_training.calibration_batches(samples, network))
    return network


def focalclick_hrnet18s(cfg: Any) -> ClickModel:
    """FocalClick S1 on HRNet-18s, whose backbone starts from the ImageNet weights that config.yml names."""
    network = build_model("focalclick_hrnet18s_s1")
    network.maps_transform[-1].scale.data.fill_(CLICK_SCALE)
    folder_training.start_from_imagenet(network, cfg, "HRNETV2_W18_SMALL")
    return network


def train(
    network: ClickModel,
    cfg: Any,
    *,
    crops: Sequence[tuple[int, int]],
    batch_size: int,
    epoch_len: int,
    epochs: int,
    decay_from: float,
    lr: float,
    backbone_lr: float = 1.0,
    freeze_batchnorm: bool = False,
) -> None:
    """Train with constant learning rate until epoch ``decay_from`` and a linear fall to the end.

    Args:
        network: one with an auxiliary output. If it has a refiner, that learns too, from crops as large as its input
            will be; and some samples start from a wrong mask.
        cfg: the run's configuration.
        crops: (from epoch, side of the views in pixels) pairs: small views first, as they cost less.
        batch_size, epoch_len, epochs, lr: see ``TrainConfig`` and ``TrainSet``.
        decay_from: epoch at which the learning rate starts to fall.
        backbone_lr: learning rate of ``feature_extractor.backbone`` relative to the rest; HRNet, whose network has no
            such part and mostly starts from random weights here, learns at one rate.
        freeze_batchnorm: BatchNorm keeps its statistics, as when it predicts; in training mode it takes them from the
            batch, and these differ from click to click. The run must start from a trained network.

    Raises:
        InputError: BatchNorm is to be frozen before it has seen any data.
        ValueError: ``backbone_lr`` is not 1, and the network has no parameter that it would be the rate of.
    """
    if freeze_batchnorm and not (cfg.weights or cfg.resume_exp):
        raise InputError(
            f"{cfg.model_path} goes on from a trained network: give its checkpoint with --weights, such as "
            "weights/mobilenetv2_default.pth."
        )
    backbone = [name for name, _ in network.named_parameters() if name.startswith("feature_extractor.backbone.")]
    if backbone_lr != 1 and not backbone:
        raise ValueError(
            f"backbone_lr is {backbone_lr}, which no parameter of {type(network).__name__} has: leave it out"
        )
    stretch = cfg.epochs / epochs if cfg.epochs > 0 else 1.0  # a run of another length keeps its shape
    epochs, decay_from = round(epochs * stretch), decay_from * stretch
    criterion = Sum(SigmoidBinaryCrossEntropyLoss(), SoftIoU())
    losses = {"instance_loss": LossTerm(criterion), "instance_aux_loss": LossTerm(criterion, 0.4, "instances_aux")}
    if network.has_refiner:
        losses |= _refiner_losses(criterion)
    clicks = FocalClicks if network.has_refiner else IterativeClicks
    task = clicks(losses, max_num_next_clicks=MOST_CLICKS - 1, train_every_click=True)
    config = TrainConfig(
        task,
        batch_size=cfg.batch_size if cfg.batch_size > 0 else batch_size,
        epochs=epochs,
        schedule=WarmupDecay(end=epochs, warmup=min(0.6, 0.1 * epochs), decay_from=decay_from),
        lr=lr,
        lr_multipliers=dict.fromkeys(backbone, backbone_lr),
        clip_norm=5.0,
        freeze_batchnorm=freeze_batchnorm,
        precise_bn_batches=0 if freeze_batchnorm else PRECISE_BN_BATCHES,
        interleaved_batches=INTERLEAVED_BATCHES,
        image_dump_interval=200,
    )
    folder_training.train(
        network,
        cfg,
        config,
        augment=[(round(epoch * stretch), view(side)) for epoch, side in crops],
        val_augment=view(crops[-1][1]),
        sampler=SAMPLER,
        epoch_len=cfg.epoch_len if cfg.epoch_len > 0 else epoch_len,
        min_object_area=300,
        copy_paste=CopyPaste(),
        steps=(FocusCrops(crops[-1][1]), CorruptedInitialMasks()) if network.has_refiner else (),
    )


def _refiner_losses(criterion: nn.Module) -> dict[str, LossTerm]:
    """The criterion on the refined mask, and what the published recipes let the refiner learn."""
    refined = LossTerm(criterion, output="instances_refined", target="instances_focus")
    detail, trimap = refiner_terms()
    return {"refine_loss": refined, "detail_loss": detail, "trimap_loss": trimap}
