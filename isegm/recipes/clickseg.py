"""ClickSEG's training recipes: FocalClick (Chen et al. 2022), CDNet (Chen et al. 2021) and the light baselines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from isegm.data.aligned_crop import AlignedCrop, RandomResizedCrop
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.refiner_crops import FocusCrops, WholeTargets
from isegm.data.train_set import SampleTransform
from isegm.data.transforms import Compose, RandomBrightnessContrast, RandomFlip, RGBShift, Transform
from isegm.engine.tasks import FocalClicks, IterativeClicks, LossTerm, TrainingTask
from isegm.model.base import ClickModel
from isegm.model.losses import (
    ClickLoss,
    DiversityLoss,
    NormalizedFocalLoss,
    SigmoidBinaryCrossEntropyLoss,
    WeightedNormalizedFocalLoss,
)
from isegm.model.registry import build_model
from isegm.recipes import data_config, folder_training
from isegm.recipes.data_config import DataConfig, Size, SplitConfig, open_datasets
from isegm.recipes.ritm import stepped_config
from isegm.utils.errors import InputError

FOCAL_CROP = (256, 256)  # (H, W) in pixels
CROP = (384, 384)
SWITCH = "CLICKSEG_AS_PUBLISHED"  # in config.yml
FIRST_IMAGES = 30000  # of COCO+LVIS, which the published combined set sees
IMAGENET = {  # what each network's backbone starts from, see isegm.recipes.folder_training.IMAGENET_FILES
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
LONG = dict(epochs=230, milestones=(190, 210))
CDNET = dict(epochs=120, milestones=(80, 105), checkpoint_interval=((0, 50), (100, 5)))
IMAGES = 3000  # steps between two images of a training sample; ours, as the published number is not known


def network(name: str, cfg: Any) -> ClickModel:
    """A registered network whose backbone starts from the ImageNet weights that config.yml names.

    Raises:
        InputError: it is not known which weights those are, or they are not there or do not fit.
    """
    if name not in IMAGENET:
        raise InputError(
            f"{name} has no ImageNet weights to start from: known are those of {', '.join(IMAGENET)}; add a row to "
            "IMAGENET in isegm/recipes/clickseg.py, or start from random weights with build_model."
        )
    model = build_model(name)
    folder_training.start_from_imagenet(model, cfg, IMAGENET[name])
    return model


def as_published(cfg: Any) -> bool:
    """Whether to train on what the published code saw where that was a slip: see CLICKSEG_AS_PUBLISHED in config.yml.

    Raises:
        InputError: it is neither true nor false.
    """
    value = cfg.get(SWITCH, False)
    if not isinstance(value, bool):
        raise InputError(f"{SWITCH} in config.yml is {value!r}: it must be true or false.")
    return value


def coco_lvis(cfg: Any, *, colours: bool = False, oldaug: bool = False) -> DataConfig:
    """COCO+LVIS in which one image of five shows its stuff as objects, in crops around 0.8 of its sides.

    Args:
        cfg: the run's configuration.
        colours: change brightness, contrast and colours too.
        oldaug: crops of random area instead, of about the whole image.
    """
    row = replace(data_config.COCO_LVIS, train=replace(data_config.COCO_LVIS.train, stuff=0.2))
    return replace(row, views=_old_views if oldaug else _views(cfg, colours))


def sbd(cfg: Any) -> DataConfig:
    """SBD, hard images more often, in crops around 0.8 of their sides and changed colours."""
    return replace(data_config.SBD, views=_views(cfg, colours=True))


def combined(cfg: Any, *, stuff: float = 0.1, colours: bool = False) -> DataConfig:
    """ClickSEG's combined set, in crops around the whole of its images.

    Args:
        cfg: the run's configuration.
        stuff: how often images of COCO+LVIS show their stuff as objects.
        colours: see ``coco_lvis``.
    """
    options: dict[str, Any] = {"stuff_prob": stuff}
    if as_published(cfg):
        options["first"] = FIRST_IMAGES
    views = _views(cfg, colours, ratio=(0.5, 1.3), centre=1.0)
    return replace(data_config.COMBINED, options={"COCO_LVIS": options}, views=views)


def _views(
    cfg: Any, colours: bool, ratio: tuple[float, float] = (0.3, 1.3), centre: float = 0.8
) -> Callable[[Size], tuple[Compose, Compose]]:
    crop = partial(AlignedCrop, ratio=ratio, centre=centre, spread=0.4, published=as_published(cfg))
    more: tuple[Transform, ...] = (RandomBrightnessContrast(), RGBShift()) if colours else ()
    return lambda size: (Compose((crop(size), *more)), Compose((crop(size),)))


def _old_views(size: Size) -> tuple[Compose, Compose]:
    views = Compose((RandomResizedCrop(size), RandomFlip()))
    return views, views


def sampler(prob_gamma: float, first_click_center: bool = True) -> MultiPointSampler:
    """Targets and first clicks, as all experiments here choose them."""
    return MultiPointSampler(
        max_num_points=24,
        prob_gamma=prob_gamma,
        merge_objects_prob=0.15,
        max_num_merged_objects=2,
        first_click_center=first_click_center,
    )


def _instance_loss() -> dict[str, LossTerm]:
    return {"instance_loss": LossTerm(NormalizedFocalLoss(alpha=0.5, gamma=2))}


def refiner_terms() -> tuple[LossTerm, LossTerm]:
    """What FocalClick's refiner learns: the mask in its crop, with weight on details, and where these are."""
    mask = LossTerm(
        WeightedNormalizedFocalLoss(alpha=0.5, gamma=2),
        output="instances_refined",
        target="instances_focus",
        inputs=("trimap_focus",),
    )
    return mask, LossTerm(SigmoidBinaryCrossEntropyLoss(), output="trimap", target="trimap_focus")


def focal_task(aux: bool) -> FocalClicks:
    """FocalClick's losses; ``aux``: cross-entropy on the auxiliary output too, for HRNet."""
    losses = _instance_loss()
    if aux:
        losses["instance_aux_loss"] = LossTerm(SigmoidBinaryCrossEntropyLoss(), 0.4, "instances_aux")
    losses["instance_refine_loss"], losses["trimap_loss"] = refiner_terms()
    return FocalClicks(losses, max_num_next_clicks=3)


def train_focal_hrnet(network: ClickModel, cfg: Any, data: DataConfig) -> None:
    """FocalClick on HRNet: 230 epochs in batches of 32.

    Args:
        network: what is trained.
        cfg: the run's configuration.
        data: ``coco_lvis``, ``sbd`` or ``combined``.
    """
    _train(network, cfg, data, focal_task(aux=True), lr=5e-4, **LONG, checkpoint_interval=((0, 50), (200, 10)))


def train_focal_segformer(network: ClickModel, cfg: Any, data: DataConfig) -> None:
    """FocalClick on SegFormer: 230 epochs in batches of 28; see ``train_focal_hrnet``."""
    late = ((0, 50), (200, 5))
    _train(network, cfg, data, focal_task(aux=False), lr=5e-3, batch_size=28, **LONG, checkpoint_interval=late)


def train_cdnet(network: ClickModel, cfg: Any, data: DataConfig) -> None:
    """CDNet, on the sampled clicks alone: 120 epochs in batches of 32; see ``train_focal_hrnet``."""
    losses = _instance_loss()
    losses["fdm_loss"] = LossTerm(NormalizedFocalLoss(alpha=0.5, gamma=2, from_sigmoid=True), 0.4, "fdm_instances")
    losses["diversity_loss"] = LossTerm(DiversityLoss(), output="latent_instances", inputs=("click_map",))
    _train(network, cfg, data, IterativeClicks(losses, max_num_next_clicks=0), lr=5e-4, **CDNET)


def train_baseline(
    network: ClickModel,
    cfg: Any,
    data: DataConfig,
    *,
    lr: float,
    clicks: MultiPointSampler | None = None,
    finetunes: bool = False,
) -> None:
    """A light baseline: 230 epochs in batches of 32.

    Args:
        network, cfg, data: see ``train_focal_hrnet``.
        lr: base learning rate.
        clicks: ``sampler`` of another kind than most experiments have.
        finetunes: start from a trained network (``--weights``), on the sampled clicks alone, with the loss on clicks.

    Raises:
        InputError: a trained network is needed and not given.
    """
    losses = _instance_loss()
    losses["instance_aux_loss"] = LossTerm(NormalizedFocalLoss(alpha=0.5, gamma=2), 0.4, "instances_aux")
    if finetunes:
        if not (cfg.weights or cfg.resume_exp):
            raise InputError(
                f"{cfg.model_path} goes on from the network that the script without _noiter has trained: give that "
                "run's last checkpoint with --weights."
            )
        losses["click_loss"] = LossTerm(ClickLoss(), inputs=("click_map",))
    task = IterativeClicks(losses, max_num_next_clicks=0 if finetunes else 3)
    late = ((0, 50), (200, 10))
    _train(network, cfg, data, task, clicks=clicks or sampler(0.7), lr=lr, **LONG, checkpoint_interval=late)


def _train(
    network: ClickModel,
    cfg: Any,
    data: DataConfig,
    task: TrainingTask,
    *,
    clicks: MultiPointSampler | None = None,
    batch_size: int = 32,
    **schedule: Any,
) -> None:
    config = stepped_config(task, cfg, batch_size=batch_size, image_dump_interval=IMAGES, **schedule)
    crop = FOCAL_CROP if network.has_refiner else CROP

    def steps(part: SplitConfig) -> Sequence[SampleTransform]:
        whole = WholeTargets(part.min_area)
        return (whole, FocusCrops(crop[0])) if network.has_refiner else (whole,)

    folder_training.start(network, cfg, config, *open_datasets(data, cfg, crop, clicks or sampler(0.8), steps))
