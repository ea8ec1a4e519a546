"""A recipe, which holds all numbers of an experiment, and the one function that trains by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol

from easydict import EasyDict

from isegm.data.points_sampler import MultiPointSampler
from isegm.data.refiner_crops import FocusCrops
from isegm.data.train_set import SampleTransform, TrainSet
from isegm.engine.config import DECAY, INTERVAL, TrainConfig
from isegm.engine.corrected_clicks import CorrectedClicks
from isegm.engine.iterative_click_loss import AppendedClicks, IterativeClickLoss
from isegm.engine.mixed_clicks import MixedClicks
from isegm.engine.schedule import MultiStep, WarmupDecay
from isegm.engine.tasks import FocalClicks, IterativeClicks, LossTerm, TrainingTask
from isegm.model.click_model import ClickModel
from isegm.model.recomputation import always_recompute
from isegm.recipes import launch
from isegm.recipes.data_config import Crops, Size
from isegm.recipes.layer_decay import layer_decay
from isegm.recipes.overrides import with_fields
from isegm.utils import distributed
from isegm.utils.errors import InputError
from isegm.utils.inputs import CALLABLE, KINDS, SHARE, CheckedFields, require, require_epochs
from isegm.utils.schema import Instance, Items, Kind, Nothing, Number, Table, Text, Whole

SIZE = KINDS["tuple[int, int]"]
MakeTask = Callable[[Mapping[str, LossTerm], int], TrainingTask]
OF_TASK = (  # what chooses one of the library's tasks, or is one's own
    "train_every_click", "mixed_clicks", "appended_clicks", "click_weights", "sampled_clicks", "clicks_anywhere",
    "clicks_ratio",
)  # fmt: skip


class TrainingData(Protocol):
    """Images to train on: ``DataConfig`` for published data sets, ``FolderData`` for images-and-masks folders."""

    def open(
        self, cfg: EasyDict, crops: Crops, sampler: MultiPointSampler, steps: Sequence[SampleTransform], validates: bool
    ) -> tuple[TrainSet, TrainSet | None]:
        """Open the samples of training and validation.

        Args:
            cfg: configuration of the run.
            crops: first epoch of each crop size, and that size, (H, W) in pixels.
            sampler: chooses the target of each sample and its first clicks.
            steps: changes of the finished samples, see ``TrainSet``.
            validates: whether there is validation; without it its images need not be there, and None stands for them.

        Raises:
            InputError: the data are not there, or not as they must be.
        """


@dataclass(frozen=True)
class Recipe(CheckedFields):
    """All numbers of an experiment, to be compared with the table of its paper.

    ``--batch-size``, ``--lr``, ``--epochs`` and ``--clip-grad-norm`` replace a number for one run, and ``--set`` any
    other field. With ``--epochs`` every other epoch number is scaled, so that a run of another length keeps its shape.

    Attributes:
        data: images, how they are drawn and augmented.
        crop: size of the augmented images, (H, W) in pixels; a mapping from first epoch to size where it grows. The
            crops for a refiner are squares as high as the last one.
        sampler: chooses the target of each sample and its first clicks.
        clicks: simulated clicks before a step: their number is uniform from 0 to this, or follows ``clicks_ratio``.
        clicks_ratio: for networks that correct masks, see ``CorrectedClicks``.
        losses: terms by name; every output that they name must be one of the network's.
        batch_size: samples per step, those of all processes together.
        lr: base learning rate of Adam.
        epochs: passes over the training samples.
        milestones: epochs from which on the learning rate is a tenth of what it was.
        decay_from: epoch from which the learning rate falls linearly to a fiftieth at the end, instead of milestones.
        warmup: epochs, at most a tenth of all, in which it rises linearly; with ``decay_from`` only.
        checkpoint_every: epochs between two numbered checkpoints, or (from epoch, interval) pairs.
        image_every: steps between two images of a training sample in the experiment's folder.
        train_every_click: every simulated click is a step of its own, see ``IterativeClicks``.
        interleaved_batches: batches that are trained a click each in turn, see ``TrainConfig``.
        cpu_micro_batch: samples whose gradients are computed at once on a CPU, see ``TrainConfig``; ``--micro-batch``
            replaces it on every device.
        recompute: activation checkpointing in the blocks of the network, on every device: less memory and more time.
        recompute_above: pixels of a batch above which there is activation checkpointing, see ``TrainConfig``.
        initial_masks: lets some samples start from a mask with errors; None for none.
        prompts: lets some samples begin with a box or a scribble, see ``DrawnPrompts``, for networks that read strokes;
            None for clicks alone.
        backbone_lr: learning rate of ``feature_extractor.backbone`` relative to ``lr``, everything else learning at
            ``lr``; None for the network's own rates.
        published_layer_decay: ``--layerwise-decay`` leaves the embedding of clicks untrained, as published.
        clip_norm: largest norm of the gradient; None for no clipping.
        precise_bn_batches: batches for precise BatchNorm statistics at the end of an epoch, see ``TrainConfig``.
        freeze_batchnorm: BatchNorm keeps its statistics, as in prediction; needs ``starts_from``.
        mixed_clicks: train on samples of all click numbers in each step, see ``MixedClicks``; ``batch_size`` is then
            the number of new samples that a step brings.
        appended_clicks: simulate clicks as CFR-ICL does, 1 to ``clicks`` of them in free rows, see ``AppendedClicks``.
        click_weights: the iterative click loss, see ``IterativeClickLoss``: the weights of a batch's first pass through
            the network, of the second and so on, ``clicks`` numbers or more; None for losses of the last click alone.
        sampled_clicks: False: these two start from one simulated click instead of those of ``sampler``.
        clicks_anywhere: share of simulated clicks that lie anywhere in an error, not only in its inner part, where
            clicks are simulated on the device.
        ema: decay of the running average of the weights, see ``TrainConfig``.
        sync_bn: BatchNorm over the samples of all GPUs, where several train, as with ``--sync-bn``.
        validates: whether an epoch ends with validation; SimpleClick's and CFR-ICL's do not.
        task: makes the task from ``losses`` and ``clicks``, such as ``MixedClicks`` or a class of your own; it goes
            without the fields that choose one, ``OF_TASK``. None for the task that those and the network choose.
        starts_from: the trained network that ``--weights`` must give, and where to find it, as the end of the sentence
            "SCRIPT goes on from ..."; None if none is needed.

    Raises:
        InputError: a number is of another kind.
        ValueError: the numbers contradict each other.
    """

    own_kinds: ClassVar[Mapping[str, Kind]] = {
        **dict.fromkeys(("batch_size", "epochs", "interleaved_batches"), Whole(1)),
        **dict.fromkeys(("clicks", "precise_bn_batches", "image_every"), Whole(0)),
        "lr": Number(0),
        "data": Instance(object, "data to train on, with open", lambda data: hasattr(data, "open")),
        "crop": SIZE | Table(SIZE, keys=Whole(0), least=1),
        "sampler": Instance(MultiPointSampler, "a MultiPointSampler"),
        "losses": Table(Instance(LossTerm, "a LossTerm"), least=1),
        "milestones": Items(Whole(0)),
        "checkpoint_every": INTERVAL,
        "initial_masks": CALLABLE | Nothing(),
        "prompts": CALLABLE | Nothing(),
        "task": CALLABLE | Nothing(),
        "starts_from": Text() | Nothing(),
        "clip_norm": Number(above=0) | Nothing(),
        "click_weights": Items(Number(0), least=1) | Nothing(),
        "clicks_anywhere": SHARE,
        "ema": DECAY | Nothing(),
        "clicks_ratio": DECAY | Nothing(),
    }

    data: TrainingData
    crop: Size | Crops
    sampler: MultiPointSampler
    clicks: int
    losses: Mapping[str, LossTerm]
    batch_size: int
    lr: float
    epochs: int
    milestones: Sequence[int] = ()
    decay_from: float | None = None
    warmup: float = 0.0
    checkpoint_every: int | Sequence[tuple[int, int]] = 5
    image_every: int = 3000
    train_every_click: bool = False
    interleaved_batches: int = 1
    cpu_micro_batch: int | None = None
    recompute: bool = False
    recompute_above: int | None = None
    initial_masks: SampleTransform | None = None
    prompts: SampleTransform | None = None
    backbone_lr: float | None = None
    published_layer_decay: bool = False
    clip_norm: float | None = None
    precise_bn_batches: int = 0
    freeze_batchnorm: bool = False
    mixed_clicks: bool = False
    appended_clicks: bool = False
    click_weights: Sequence[float] | None = None
    sampled_clicks: bool = True
    clicks_anywhere: float = 0.0
    ema: float | None = None
    clicks_ratio: float | None = None
    sync_bn: bool = False
    validates: bool = True
    task: MakeTask | None = None
    starts_from: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_epochs(list(self.crops), "crop of Recipe")
        if not isinstance(self.checkpoint_every, int):
            require_epochs([start for start, _ in self.checkpoint_every], "checkpoint_every of Recipe")
        if self.milestones and self.decay_from is not None:
            raise ValueError("the learning rate falls at milestones or from decay_from on: give one of them")
        if self.warmup and self.decay_from is None:
            raise ValueError("warmup goes with decay_from: leave it out")
        if self.freeze_batchnorm and self.starts_from is None:
            raise ValueError("BatchNorm has no statistics to keep: say in starts_from where they come from")
        if self.cpu_micro_batch and not self.freeze_batchnorm:
            raise ValueError("cpu_micro_batch would change what BatchNorm learns from: set freeze_batchnorm too")
        chosen = [
            each.name for each in fields(self) if each.name in OF_TASK and getattr(self, each.name) != each.default
        ]
        if self.task is not None and chosen:
            raise ValueError(f"task says how clicks are trained: leave out {' and '.join(chosen)}")
        rows = self.sampler.max_num_points
        if self.clicks > rows and not self.appended_clicks and self.click_weights is None:
            raise ValueError(
                f"{self.clicks} simulated clicks do not fit into {rows} rows: raise sampler.max_num_points"
            )
        if self.mixed_clicks and self.interleaved_batches > 1:
            raise ValueError("mixed_clicks takes one step with each batch: leave out interleaved_batches")
        if self.mixed_clicks and self.initial_masks is not None:
            raise ValueError("mixed_clicks begins without a mask: leave out initial_masks")
        if self.click_weights is not None:
            if self.train_every_click or self.mixed_clicks:
                raise ValueError(
                    "click_weights trains every click in its own way: leave out train_every_click and mixed_clicks"
                )
            if not 1 <= self.clicks <= len(self.click_weights):
                raise ValueError(
                    f"click_weights has {len(self.click_weights)} numbers for {self.clicks} clicks: give one for each"
                )
        elif self.appended_clicks and (self.mixed_clicks or not self.clicks):
            raise ValueError("appended_clicks simulates one click or more, and goes without mixed_clicks")
        elif not self.sampled_clicks and not self.appended_clicks:
            raise ValueError("sampled_clicks goes with appended_clicks or click_weights: leave it out")

    @property
    def crops(self) -> Crops:
        """First epoch of each crop size, and that size."""
        return self.crop if isinstance(self.crop, Mapping) else {0: self.crop}


def train(network: ClickModel, cfg: EasyDict, recipe: Recipe) -> None:
    """Train a network by a recipe in the experiment's folder, which is made once the input is known to be good.

    FocalClick's refiner, where the network has one, learns too, from crops of its own.

    Args:
        network: whose weights are the start.
        cfg: configuration of the run, with the options of the command line.
        recipe: the numbers.

    Raises:
        InputError: a trained network to start from, data or files are missing, or are not as they must be; or
            ``--backbone`` is given and the network takes none; or the recipe does not fit the network, such as a
            backbone's learning rate where no parameter is a backbone's.
    """
    require(network, Instance(ClickModel, "a network of isegm"), f"the network that {cfg.model_path} trains")
    require(recipe, Instance(Recipe, "a Recipe"), f"the recipe of {cfg.model_path}")
    settings = cfg.get("recipe_fields") or ()
    recipe = with_fields(recipe, [settings] if isinstance(settings, str) else settings)  # text is of config.yml
    if cfg.get("backbone") and (network.config or {}).get("params", {}).get("backbone") != cfg.backbone:
        raise InputError(f"{cfg.model_path} has a backbone of its own: leave --backbone out.")
    _check_options(network, cfg, recipe)
    for size in recipe.crops.values():
        network.check_size(size)
    if recipe.starts_from and not (cfg.weights or cfg.resume_exp):
        raise InputError(f"{cfg.model_path} goes on from {recipe.starts_from}.")
    if recipe.recompute and not always_recompute(network):
        raise InputError(
            f"recompute is set, and no block of {type(network).__name__} has activation checkpointing: leave it out."
        )
    if recipe.sync_bn and not cfg.cpu and distributed.world_size() > 1:
        cfg = EasyDict(cfg, sync_bn=True)
    config = train_config(network, cfg, recipe)
    stretch = _stretch(cfg, recipe)
    crops = {round(epoch * stretch): size for epoch, size in recipe.crops.items()}
    steps: list[SampleTransform] = []
    if network.has_refiner:
        steps.append(FocusCrops(list(recipe.crops.values())[-1][0]))
    if recipe.initial_masks:
        if not network.with_prev_mask:
            raise InputError(
                f"initial_masks are for networks that read the previous mask, which {type(network).__name__} does not: "
                "leave them out."
            )
        steps.append(recipe.initial_masks)
    if recipe.prompts:
        _check_prompts(network, recipe)
        steps.append(recipe.prompts)
    launch.start(network, cfg, config, *recipe.data.open(cfg, crops, recipe.sampler, tuple(steps), recipe.validates))


def train_config(network: ClickModel, cfg: EasyDict, recipe: Recipe) -> TrainConfig:
    """Build the trainer's configuration from a recipe and the options of the command line.

    Raises:
        InputError: see ``train``.
    """
    stretch = _stretch(cfg, recipe)
    epochs = round(recipe.epochs * stretch)
    schedule: MultiStep | WarmupDecay = MultiStep(
        [max(round(milestone * stretch), min(milestone, 1)) for milestone in recipe.milestones]  # 0 stays 0 alone
    )
    if recipe.decay_from is not None:
        warmup = min(recipe.warmup, 0.1 * epochs)
        schedule = WarmupDecay(end=epochs, warmup=warmup, decay_from=recipe.decay_from * stretch)
    interval = recipe.checkpoint_every
    if not isinstance(interval, int):
        interval = [(round(start * stretch), every) for start, every in interval]
    rates, decays = _rates_and_decays(network, cfg, recipe)
    return TrainConfig(
        _task(network, recipe),
        batch_size=cfg.batch_size if cfg.batch_size > 0 else recipe.batch_size,
        epochs=epochs,
        schedule=schedule,
        lr=recipe.lr,
        lr_multipliers=rates,
        weight_decays=decays,
        clip_norm=recipe.clip_norm,
        freeze_batchnorm=recipe.freeze_batchnorm,
        precise_bn_batches=recipe.precise_bn_batches,
        interleaved_batches=recipe.interleaved_batches,
        micro_batch=cfg.micro_batch,
        cpu_micro_batch=recipe.cpu_micro_batch,
        recompute_above=recipe.recompute_above,
        ema=recipe.ema,
        checkpoint_interval=interval,
        image_dump_interval=recipe.image_every,
    )


def _task(network: ClickModel, recipe: Recipe) -> TrainingTask:
    if recipe.task is not None:
        return recipe.task(recipe.losses, recipe.clicks)
    kind: type[IterativeClicks] = FocalClicks if network.has_refiner else IterativeClicks
    more: dict[str, Any] = {}
    other_clicks = recipe.mixed_clicks or recipe.appended_clicks or recipe.click_weights is not None
    if network.corrects_masks:
        if other_clicks or recipe.train_every_click:
            raise InputError(
                f"{type(network).__name__} corrects masks, and trains the last click of a batch: leave "
                "train_every_click, mixed_clicks, appended_clicks and click_weights out."
            )
        kind = CorrectedClicks
        more = {} if recipe.clicks_ratio is None else {"ratio": recipe.clicks_ratio}
    elif recipe.clicks_ratio is not None:
        raise InputError("clicks_ratio is for networks that correct masks: leave it out.")
    if recipe.mixed_clicks:
        if network.has_refiner:
            raise InputError("mixed_clicks trains no refiner: leave it out.")
        kind = MixedClicks
    if recipe.appended_clicks or recipe.click_weights is not None:
        if network.has_refiner:
            raise InputError("CFR-ICL's clicks train no refiner: leave appended_clicks and click_weights out.")
        kind, more = AppendedClicks, {"sampled_clicks": recipe.sampled_clicks}
    if recipe.click_weights is not None:
        kind, more = IterativeClickLoss, {**more, "weights": recipe.click_weights}
    return kind(
        recipe.losses,
        max_num_next_clicks=recipe.clicks,
        train_every_click=recipe.train_every_click,
        anywhere=recipe.clicks_anywhere,
        **more,
    )


def _stretch(cfg: EasyDict, recipe: Recipe) -> float:
    """Length of the run relative to the recipe's."""
    return cfg.epochs / recipe.epochs if cfg.epochs > 0 else 1.0


def _check_prompts(network: ClickModel, recipe: Recipe) -> None:
    """Check that the network and the way in which it learns take boxes and scribbles."""
    if not network.reads_strokes:
        raise InputError(
            f"prompts are for networks that read strokes: build {type(network).__name__} with strokes=True."
        )
    if recipe.appended_clicks or recipe.click_weights is not None:
        raise InputError("prompts go without appended_clicks and click_weights: leave one of them out.")


def _check_options(network: ClickModel, cfg: EasyDict, recipe: Recipe) -> None:
    """Check that the network has what SimpleClick's options change."""
    params = (network.config or {}).get("params", {})
    for option, default in (("upsample", "x1"), ("random_split", False)):
        if cfg.get(option, default) != params.get(option, default):
            name = option.replace("_", "-")
            raise InputError(f"{cfg.model_path} has no network that --{name} changes: leave it out.")
    if cfg.get("layerwise_decay") and not network.layer_numbers():
        raise InputError(f"{cfg.model_path} has no plain vision transformer: leave --layerwise-decay out.")
    if recipe.published_layer_decay and not cfg.get("layerwise_decay"):
        raise InputError("published_layer_decay goes with --layerwise-decay: give that too, or leave it out.")


def _rates_and_decays(
    network: ClickModel, cfg: EasyDict, recipe: Recipe
) -> tuple[dict[str, float] | None, dict[str, float]]:
    """Return learning-rate multipliers, None for the network's own, and weight decays, by parameter name."""
    if cfg.get("layerwise_decay"):
        return layer_decay(network, skips_clicks=recipe.published_layer_decay)
    return None if recipe.backbone_lr is None else _backbone_rates(network, recipe.backbone_lr), {}


def _backbone_rates(network: ClickModel, rate: float) -> dict[str, float]:
    backbone = [name for name, _ in network.named_parameters() if name.startswith("feature_extractor.backbone.")]
    if rate != 1 and not backbone:
        raise InputError(f"backbone_lr is {rate}, which no parameter of {type(network).__name__} has: leave it out.")
    return dict.fromkeys(backbone, rate)
