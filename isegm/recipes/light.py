"""Networks, samples and losses of the short trainings of light networks on folders.

Their recipes differ from the published ones of 230 epochs, for these reasons:

- ``backbone_lr=0.25``: the published tenth of the learning rate, for MobileNetV2's backbone and head alike, is too
  little in so few epochs.
- ``clicks=5, train_every_click=True``: each batch is trained on at two to six clicks, so that no prediction is spent on
  simulation alone.
- ``interleaved_batches=10``: a batch's next click right after its last one would be seen by a network that has just
  learnt these very objects.
- ``precise_bn_batches=8``: ten steps in a row see the same number of clicks, which biases running averages.
- ``freeze_batchnorm=True`` in the last stage: in training BatchNorm normalises by the batch, whose statistics differ
  from click to click; frozen it normalises as in prediction.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from easydict import EasyDict
from torch import nn

from isegm.data.points_sampler import MultiPointSampler
from isegm.data.train_set import CopyPaste, TrainSet
from isegm.data.transforms import (
    BlurNoise,
    Compose,
    RandomBrightnessContrast,
    RandomGrey,
    RandomView,
    RGBShift,
)
from isegm.engine.tasks import LossTerm
from isegm.model.click_model import ClickModel
from isegm.model.losses import SigmoidBinaryCrossEntropyLoss, SoftIoU, Sum
from isegm.model.pretrained import has_folded_batchnorm, unfold_batchnorm
from isegm.model.registry import build_model
from isegm.recipes import launch
from isegm.recipes.clickseg import refiner_losses
from isegm.recipes.data_config import Size
from isegm.recipes.folder_data import FolderData, open_folders
from isegm.recipes.training import Recipe
from isegm.utils.log import logger

RECOMPUTE_ABOVE = 16 * 256 * 256  # pixels of a batch of MobileNetV2 whose activations fit into an 8 GB laptop
CLICK_SCALE = 1.0  # of the click features at the start; the published 0.05 lets clicks count only after long training
# Mostly one click to start with, as people do, on a whole object rather than a part of it.
SAMPLER = MultiPointSampler(
    max_num_points=24, prob_gamma=0.15, merge_objects_prob=0.15, merge_all_prob=0.8, first_click_center=True
)
# All regions of a landscape together are no object; some that lie side by side may be one.
NEIGHBOURS = replace(SAMPLER, merge_all_prob=0.1, merge_neighbours=True)
WHOLE_VIEWS = 0.45  # share of the views that show all of an image, as the predictor sees it at the first click
TRAINED = "a trained network: give its checkpoint with --weights, such as weights/mobilenetv2_default.pth"


def views(size: Size) -> tuple[Compose, Compose]:
    """Augmentations to (H, W) pixels, the same in training and validation.

    A view shows the whole image with probability 0.45; else an object or a random part of the image, 5 to 2.
    """
    view = RandomView(size, p_whole=WHOLE_VIEWS, p_object=(1 - WHOLE_VIEWS) * 5 / 7)
    augment = Compose((view, RandomBrightnessContrast(), RGBShift(), RandomGrey(), BlurNoise()))
    return augment, augment


def folders(*, epoch_len: int) -> FolderData:
    """Folders of images and masks with pasted objects.

    Args:
        epoch_len: samples in an epoch.
    """
    return FolderData(epoch_len, min_area=300, views=views, copy_paste=CopyPaste())


def losses(*, aux: float | None, refiner: bool = False) -> dict[str, LossTerm]:
    """Binary cross-entropy plus one minus the soft IoU.

    Args:
        aux: weight of the same on the auxiliary output; None for networks without that output.
        refiner: the same on the refined mask, and the published losses of FocalClick's refiner.
    """
    criterion = Sum(SigmoidBinaryCrossEntropyLoss(), SoftIoU())
    terms = {"instance_loss": LossTerm(criterion)}
    if aux is not None:
        terms["instance_aux_loss"] = LossTerm(criterion, aux, "instances_aux")
    if refiner:
        terms["refine_loss"] = LossTerm(criterion, output="instances_refined", target="instances_focus")
        terms["detail_loss"], terms["trimap_loss"] = refiner_losses()
    return terms


def mixed_clicks(**fields: Any) -> Recipe:
    """The recipe of images that stay on a GPU: every click is trained, with samples of one to eight in each step.

    Args:
        fields: of ``Recipe``, what the network needs besides.
    """
    return Recipe(
        data=folders(epoch_len=9600), crop={0: (256, 256), 12: (384, 384)}, sampler=NEIGHBOURS,
        clicks=7, mixed_clicks=True, clicks_anywhere=0.15, losses=losses(aux=0.4), ema=0.998, image_every=0,
        batch_size=12, lr=1.5e-3, clip_norm=5.0, epochs=20, warmup=0.5, decay_from=0, **fields,
    )  # fmt: skip


def mobilenetv2(cfg: EasyDict, *, strokes: bool = False) -> ClickModel:
    """The MobileNetV2 baseline, whose backbone starts from the ImageNet weights that config.yml names.

    With ``strokes`` it reads boxes and scribbles as well. Weights with folded BatchNorm get its statistics back,
    measured on training images.
    """
    network = build_model("clickseg_mobilenetv2", **({"strokes": True} if strokes else {}))
    _scale_clicks(network)
    backbone = network.get_submodule("feature_extractor.backbone")
    if launch.start_from_imagenet(network, cfg, "MOBILENETV2") and has_folded_batchnorm(backbone):
        logger.info("the backbone's BatchNorm is folded: measuring its statistics on training images")
        train_reader, _ = open_folders(cfg)
        augment, _ = views((256, 256))
        samples = TrainSet(train_reader, augment, SAMPLER, epoch_len=128, min_object_area=300, seed=cfg.seed)
        unfold_batchnorm(network, backbone, launch.calibration_batches(samples, network))
    return network


def focalclick_hrnet18s(cfg: EasyDict) -> ClickModel:
    """FocalClick S1 on HRNet-18s, whose backbone starts from the ImageNet weights that config.yml names."""
    network = launch.built("focalclick_hrnet18s_s1", cfg, "HRNETV2_W18_SMALL")
    _scale_clicks(network)
    return network


def timm_lraspp(cfg: EasyDict, *, backbone_lr_mult: float) -> ClickModel:
    """A light network on the timm backbone of ``--backbone``, with the ImageNet weights that config.yml names.

    Args:
        cfg: configuration of the run.
        backbone_lr_mult: learning rate of the backbone relative to the rest.

    Raises:
        InputError: timm has no such backbone, or it or its weights cannot be used.
    """
    backbone = cfg.backbone or "resnet18"
    return launch.built("timm_lraspp", cfg, "TIMM_BACKBONE", backbone=backbone, backbone_lr_mult=backbone_lr_mult)


def _scale_clicks(network: ClickModel) -> None:
    """Set the factor at the end of ``maps_transform``, by which the click features are multiplied."""
    *_, scale = network.get_submodule("maps_transform").children()
    nn.init.constant_(scale.get_parameter("scale"), CLICK_SCALE)
