"""Networks, samples and losses of RITM's experiments (Sofiiuk et al. 2021)."""

from __future__ import annotations

from easydict import EasyDict
from torch import nn

from isegm.data.points_sampler import MultiPointSampler
from isegm.data.transforms import Compose, LimitLongestSide, PadIfNeeded, RandomCrop
from isegm.engine.tasks import LossTerm
from isegm.model.click_model import ClickModel
from isegm.model.losses import NormalizedFocalLoss, SigmoidBinaryCrossEntropyLoss
from isegm.recipes import launch
from isegm.recipes.data_config import Size, coco_views

COCO_SIDE = 640  # longer side of COCO's images, for which the published crops and scales are chosen
SAMPLER = MultiPointSampler(max_num_points=24, prob_gamma=0.8, merge_objects_prob=0.15, max_num_merged_objects=2)


def hrnet18s(cfg: EasyDict) -> ClickModel:
    """HRNet-18s with OCR and previous mask; like all networks here it starts from ImageNet weights, if configured."""
    return launch.built("ritm_hrnet18s", cfg, "HRNETV2_W18_SMALL")


def hrnet18(cfg: EasyDict) -> ClickModel:
    """HRNet-18 with OCR and previous mask."""
    return launch.built("ritm_hrnet18", cfg, "HRNETV2_W18")


def hrnet32(cfg: EasyDict) -> ClickModel:
    """HRNet-32 with OCR and previous mask."""
    return launch.built("ritm_hrnet32", cfg, "HRNETV2_W32")


def hrnet18_baseline(cfg: EasyDict) -> ClickModel:
    """HRNet-18 with OCR, without previous mask."""
    return launch.built("ritm_hrnet18", cfg, "HRNETV2_W18", with_prev_mask=False)


def resnet34_baseline(cfg: EasyDict) -> ClickModel:
    """DeepLabV3+ on ResNet-34 with 128 channels ("dh128"), without previous mask."""
    return launch.built("ritm_resnet34", cfg, "RESNET34")


def losses(*, aux: float | None, criterion: nn.Module | None = None) -> dict[str, LossTerm]:
    """The loss on the mask, and cross-entropy on the auxiliary output.

    Args:
        aux: weight of the auxiliary loss; None for networks without that output.
        criterion: of the mask; None for the normalised focal loss with alpha 0.5 and gamma 2.
    """
    terms = {"instance_loss": LossTerm(criterion or NormalizedFocalLoss(alpha=0.5, gamma=2))}
    if aux is not None:
        terms["instance_aux_loss"] = LossTerm(SigmoidBinaryCrossEntropyLoss(), aux, "instances_aux")
    return terms


def folder_views(crop: Size) -> tuple[Compose, Compose]:
    """RITM's augmentations on COCO+LVIS for images of any size: those larger than COCO's are shrunk to its size."""
    training = Compose((LimitLongestSide(COCO_SIDE), coco_views(crop)[0]))
    return training, Compose((LimitLongestSide(COCO_SIDE), PadIfNeeded(crop), RandomCrop(crop)))
