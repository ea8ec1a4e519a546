"""Networks, samples and losses of ClickSEG: FocalClick (Chen et al. 2022), CDNet (Chen et al. 2021), baselines."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from easydict import EasyDict

from isegm.data.aligned_crop import AlignedCrop, RandomResizedCrop
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.transforms import Compose, RandomBrightnessContrast, RandomFlip, RGBShift, Transform
from isegm.engine.tasks import LossTerm
from isegm.model.click_model import ClickModel
from isegm.model.losses import (
    ClickLoss,
    DiversityLoss,
    NormalizedFocalLoss,
    SigmoidBinaryCrossEntropyLoss,
    WeightedNormalizedFocalLoss,
)
from isegm.recipes import data_config, launch
from isegm.recipes.data_config import DataConfig, Size
from isegm.utils.errors import InputError

FIRST_IMAGES = 30000  # of COCO+LVIS: all that the published combined set sees
IMAGENET = {  # key of ``launch.IMAGENET_FILES`` for the backbone of each network
    "focalclick_hrnet18s_s1": "HRNETV2_W18_SMALL",
    "focalclick_hrnet18s_s2": "HRNETV2_W18_SMALL",
    "focalclick_hrnet32_s2": "HRNETV2_W32",
    "focalclick_segformerb0_s1": "SEGFORMER_B0",
    "focalclick_segformerb0_s2": "SEGFORMER_B0",
    "focalclick_segformerb3_s2": "SEGFORMER_B3",
    "clickseg_mobilenetv2": "MOBILENETV2",
    "clickseg_pplcnet": "PPLCNET_X1",
    "cdnet_resnet34": "RESNET34",
}


def sampler(*, prob_gamma: float, first_click_center: bool = True) -> MultiPointSampler:
    """Return the sampler of targets and first clicks of these experiments; see ``MultiPointSampler``."""
    return MultiPointSampler(
        max_num_points=24,
        prob_gamma=prob_gamma,
        merge_objects_prob=0.15,
        max_num_merged_objects=2,
        first_click_center=first_click_center,
    )


SAMPLER = sampler(prob_gamma=0.8)  # of FocalClick and CDNet
LIGHT_SAMPLER = sampler(prob_gamma=0.7)  # of the light baselines


def network(name: str, cfg: EasyDict) -> ClickModel:
    """Build a registered network whose backbone starts from the ImageNet weights that config.yml names.

    Raises:
        InputError: it is not known which weights those are, or they are not there or do not fit.
    """
    if name not in IMAGENET:
        raise InputError(
            f"{name} has no ImageNet weights to start from: known are those of {', '.join(IMAGENET)}; add a row to "
            "IMAGENET in isegm/recipes/clickseg.py, or start from random weights with build_model."
        )
    return launch.built(name, cfg, IMAGENET[name])


def coco_lvis(*, stuff: float, colours: bool = False, oldaug: bool = False) -> DataConfig:
    """COCO+LVIS in crops whose sides are around 0.8 of the image's.

    Args:
        stuff: probability with which an image shows its stuff as objects.
        colours: change brightness, contrast and colours too.
        oldaug: instead of these crops, ones of random area around that of the whole image, without changed colours.
    """
    data = replace(data_config.COCO_LVIS, train=replace(data_config.COCO_LVIS.train, stuff=stuff), whole_targets=True)
    if not oldaug:
        return _with_aligned_crops(data, colours=colours)
    as_published = replace(data, views=partial(_old_views, published=True))
    return replace(data, views=partial(_old_views, published=False), as_published=as_published)


def sbd() -> DataConfig:
    """SBD in crops whose sides are around 0.8 of the image's, with changed colours, hard images more often."""
    return _with_aligned_crops(replace(data_config.SBD, whole_targets=True), colours=True)


def combined(*, stuff: float, colours: bool = False) -> DataConfig:
    """ClickSEG's combined set in crops whose sides are around the image's; for arguments see ``coco_lvis``.

    As published only the first 30000 images of COCO+LVIS are seen (docs/fidelity.md#first-30000).
    """
    options: dict[str, Any] = {"stuff_prob": stuff}
    data = replace(data_config.COMBINED, options={"COCO_LVIS": options}, whole_targets=True)
    first = replace(data, options={"COCO_LVIS": options | {"first": FIRST_IMAGES}})
    return _with_aligned_crops(data, first, colours=colours, ratio=(0.5, 1.3), centre=1.0)


def _with_aligned_crops(
    data: DataConfig,
    published: DataConfig | None = None,
    *,
    colours: bool,
    ratio: tuple[float, float] = (0.3, 1.3),
    centre: float = 0.8,
) -> DataConfig:
    """Add ClickSEG's crops, which as published go on to the image's edge (docs/fidelity.md#crop-to-the-edge)."""
    views = partial(_aligned_views, colours=colours, ratio=ratio, centre=centre)
    as_published = replace(published or data, views=partial(views, published=True))
    return replace(data, views=partial(views, published=False), as_published=as_published)


def _aligned_views(
    size: Size, *, colours: bool, ratio: tuple[float, float], centre: float, published: bool
) -> tuple[Compose, Compose]:
    crop = AlignedCrop(size, ratio=ratio, centre=centre, spread=0.4, published=published)
    more: tuple[Transform, ...] = (RandomBrightnessContrast(), RGBShift()) if colours else ()
    return Compose((crop, *more)), Compose((crop,))


def _old_views(size: Size, *, published: bool) -> tuple[Compose, Compose]:
    views = Compose((RandomResizedCrop(size, published=published), RandomFlip()))
    return views, views


def focal_losses(*, aux: float | None) -> dict[str, LossTerm]:
    """Losses of FocalClick.

    Args:
        aux: weight of cross-entropy on the auxiliary output; None for networks without that output (SegFormer).
    """
    losses = _mask_loss()
    if aux is not None:
        losses["instance_aux_loss"] = LossTerm(SigmoidBinaryCrossEntropyLoss(), aux, "instances_aux")
    losses["instance_refine_loss"], losses["trimap_loss"] = refiner_losses()
    return losses


def refiner_losses() -> tuple[LossTerm, LossTerm]:
    """Losses of FocalClick's refiner: on the refined mask in its crop, details weighing more, and on the trimap."""
    mask = LossTerm(
        WeightedNormalizedFocalLoss(alpha=0.5, gamma=2),
        output="instances_refined",
        target="instances_focus",
        inputs=("trimap_focus",),
    )
    return mask, LossTerm(SigmoidBinaryCrossEntropyLoss(), output="trimap", target="trimap_focus")


def cdnet_losses(*, fdm: float, diversity: float) -> dict[str, LossTerm]:
    """Losses of CDNet.

    Args:
        fdm: weight of the normalised focal loss on the output of the feature diffusion module.
        diversity: weight of the diversity loss on the candidate masks.
    """
    losses = _mask_loss()
    losses["fdm_loss"] = LossTerm(NormalizedFocalLoss(alpha=0.5, gamma=2, from_sigmoid=True), fdm, "fdm_instances")
    losses["diversity_loss"] = LossTerm(DiversityLoss(), diversity, "latent_instances", inputs=("click_map",))
    return losses


def light_losses(*, aux: float, click: float | None = None) -> dict[str, LossTerm]:
    """Losses of the light baselines.

    Args:
        aux: weight of the normalised focal loss on the auxiliary output.
        click: weight of the loss around clicks; None for none.
    """
    losses = _mask_loss()
    losses["instance_aux_loss"] = LossTerm(NormalizedFocalLoss(alpha=0.5, gamma=2), aux, "instances_aux")
    if click is not None:
        losses["click_loss"] = LossTerm(ClickLoss(), click, inputs=("click_map",))
    return losses


def _mask_loss() -> dict[str, LossTerm]:
    return {"instance_loss": LossTerm(NormalizedFocalLoss(alpha=0.5, gamma=2))}
