"""Starting a run: options of the command line, ImageNet weights, the trainer in the experiment's folder."""

from __future__ import annotations

import shlex
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
import yaml
from easydict import EasyDict

from isegm.data.catalogue import split_names
from isegm.data.train_set import TrainSet
from isegm.engine.config import RunConfig, TrainConfig
from isegm.engine.loading import default_workers
from isegm.engine.trainer import Trainer
from isegm.evaluation.reports import device_name
from isegm.model.click_model import ClickModel
from isegm.model.pretrained import is_timm_source
from isegm.model.registry import build_model
from isegm.recipes.device_data import place_data
from isegm.utils.distributed import device_of_process, is_main, local_processes
from isegm.utils.errors import InputError
from isegm.utils.exp import checkpoint_to_resume, create_experiment, running
from isegm.utils.files import atomic_write
from isegm.utils.log import log_to_file, logger
from isegm.utils.memory import peak_memory, peak_memory_of_children
from isegm.utils.quantities import counted, in_bytes, in_minutes

FEW_IMAGES = 5  # on which an IoU of validation is little more than chance
HRNET_RELEASE = "of github.com/HRNet/HRNet-Image-Classification"
# Keys below IMAGENET_PRETRAINED_MODELS in config.yml and the file that each takes; all but SegFormer's take "timm" too.
IMAGENET_FILES = {
    "MOBILENETV2": "torchvision's mobilenet_v2-*.pth",
    "HRNETV2_W18_SMALL": f"hrnet_w18_small_model_v2.pth {HRNET_RELEASE}",
    "HRNETV2_W18": f"hrnetv2_w18_imagenet_pretrained.pth {HRNET_RELEASE}",
    "HRNETV2_W32": f"hrnetv2_w32_imagenet_pretrained.pth {HRNET_RELEASE}",
    "RESNET34": "gluon_resnet34_v1b-*.pth of github.com/rwightman/pytorch-pretrained-gluonresnet",
    "SEGFORMER_B0": "mit_b0.pth of github.com/NVlabs/SegFormer",
    "SEGFORMER_B3": "mit_b3.pth of github.com/NVlabs/SegFormer",
    "PPLCNET_X1": "PPLCNet_x1_0_ssld_pretrained.pth with the parameter names of ClickSEG",
    "MAE_BASE": "mae_pretrain_vit_base.pth of github.com/facebookresearch/mae",
    "MAE_LARGE": "mae_pretrain_vit_large.pth of github.com/facebookresearch/mae",
    "MAE_HUGE": "mae_pretrain_vit_huge.pth of github.com/facebookresearch/mae",
    "TIMM_BACKBONE": "timm's weights of the backbone of models/light/timm_*.py, as a file",
}


def run_config(cfg: EasyDict) -> RunConfig:
    """Build the trainer's configuration of where and how a run happens from the options of the command line.

    Raises:
        InputError: the devices do not fit the processes (see ``device_of_process``), or no single checkpoint fits
            ``--resume-prefix``.
    """
    resume = checkpoint_to_resume(cfg) if cfg.resume_exp else None
    if resume is not None and cfg.weights is not None:
        logger.info("%s is not read again: the run goes on with weights of its own", cfg.weights)
    return RunConfig(
        checkpoints=cfg.CHECKPOINTS_PATH,
        images=cfg.VIS_PATH,
        logs=cfg.LOGS_PATH,
        device=device_of_process(cfg.gpus, cfg.ngpus, cfg.cpu, cfg.local_rank),
        workers=default_workers(local_processes()) if cfg.workers is None else cfg.workers,
        amp=cfg.amp,
        seed=cfg.seed,
        save_every=cfg.save_every,
        save_seconds=cfg.save_seconds,
        resume=resume,
        start_epoch=cfg.start_epoch,
        init_from=None if resume is not None or cfg.weights is None else Path(cfg.weights),
        lr=cfg.lr,
        clip_norm=cfg.clip_grad_norm,
        accumulate=cfg.accumulate_grad,
        sync_batchnorm=cfg.sync_bn,
        compile=cfg.compile,
        minutes=cfg.minutes,
    )


def built(name: str, cfg: EasyDict, imagenet: str | None, /, **arguments: Any) -> ClickModel:
    """Build a registered network whose backbone starts from the ImageNet weights that config.yml names.

    Args:
        name: of the network, see ``build_model``.
        cfg: configuration of the run.
        imagenet: key of the weights, see ``start_from_imagenet``; None for random weights.
        arguments: of the network.

    Raises:
        InputError: see ``build_model`` and ``start_from_imagenet``.
    """
    network = build_model(name, **arguments)
    if imagenet is not None:
        start_from_imagenet(network, cfg, imagenet)
    return network


def start_from_imagenet(network: ClickModel, cfg: EasyDict, key: str) -> bool:
    """Load the backbone's ImageNet weights, where config.yml names some under IMAGENET_PRETRAINED_MODELS.

    An entry is the path of a file, "timm" for timm's weights of the same network, or "timm:<name>" for others of timm
    (see ``isegm.model.pretrained``). A run that goes on, or starts from ``--weights``, loads none.

    Args:
        network: whose backbone is loaded.
        cfg: configuration of the run.
        key: one of ``IMAGENET_FILES``.

    Returns:
        whether weights were loaded.

    Raises:
        InputError: the weights are not there, cannot be fetched or do not fit, or IMAGENET_PRETRAINED_MODELS is no
            mapping.
    """
    if cfg.resume_exp or cfg.weights:
        return False
    listed = cfg.get("IMAGENET_PRETRAINED_MODELS") or {}
    if not isinstance(listed, dict):
        raise InputError(
            "IMAGENET_PRETRAINED_MODELS in config.yml must map names of backbones to paths or timm's names."
        )
    source = listed.get(key)
    if not source:
        logger.warning(
            "IMAGENET_PRETRAINED_MODELS.%s is not set: the backbone starts from random weights, not from %s",
            key,
            IMAGENET_FILES[key],
        )
        return False
    if not is_timm_source(source) and not Path(source).is_file():
        raise InputError(
            f"there is no {source} (IMAGENET_PRETRAINED_MODELS.{key} in config.yml): get {IMAGENET_FILES[key]}, write "
            "timm to download timm's weights, or leave the entry blank to start from random weights."
        )
    network.load_imagenet_weights(source)
    return True


def start(model: ClickModel, cfg: EasyDict, config: TrainConfig, train_set: TrainSet, val_set: TrainSet | None) -> None:
    """Train in the experiment's folder, which is made once the input is known to be good.

    No other run works in that folder meanwhile.

    Raises:
        InputError: see ``run_config`` and ``Trainer``; or another run works in the folder.
    """
    with ExitStack() as stack:
        if is_main() and cfg.resume_exp:
            stack.enter_context(running(cfg))
        run = run_config(cfg)
        samples, config = place_data(train_set, config, run.device, cfg.data_on_device)
        trainer = Trainer(model, samples, val_set, config, run)
        if is_main():
            create_experiment(cfg)
            if not cfg.resume_exp:
                stack.enter_context(running(cfg))
            log = log_to_file(cfg.LOGS_PATH)
            with atomic_write(log.with_suffix(".yml"), "w") as file:
                yaml.safe_dump({key: str(value) for key, value in sorted(cfg.items())}, file)
            logger.info("configuration: the options of this run are in %s", log.with_suffix(".yml"))
        _announce(trainer)
        started = time.perf_counter()
        try:
            finished = trainer.run()
        finally:
            logger.info("%s", used_memory(run.device))
        if not finished:
            _pause(cfg, trainer)
        _conclude(cfg, time.perf_counter() - started)


def _announce(trainer: Trainer) -> None:
    """Say on what a run trains, where, and how long an epoch is."""
    run, train_set, val_set = trainer.run_config, trainer.train_set, trainer.val_set
    images = len(train_set.reader)
    seen = 0 if val_set is None else len(val_set.reader)
    logger.info(
        "training on %s, validating on %s; %d epochs of %d batches of %d samples",
        counted(images, "image"), counted(seen, "image"), trainer.config.epochs, trainer.steps_per_epoch,
        trainer.config.batch_size,
    )  # fmt: skip
    threads = f" with {counted(torch.get_num_threads(), 'thread')}" if run.device.type == "cpu" else ""
    workers = counted(run.workers, "process") if run.workers else "the training process"
    logger.info("device: %s%s; data are loaded by %s", device_name(run.device), threads, workers)
    if 0 < seen < FEW_IMAGES:
        logger.warning(
            "validation sees %s: its IoU says next to nothing about others; keep a folder of images that are not "
            "trained on, and compare the checkpoints before and after with isegm evaluate",
            "one image" if seen == 1 else f"{seen} images",
        )


def used_memory(device: torch.device) -> str:
    """Say how much memory this process, the processes that loaded its data and its GPU took at most."""
    said = f"peak memory: {in_bytes(peak_memory())}"
    loading = peak_memory_of_children()
    if loading:
        said += f", and {in_bytes(loading)}, a part of it shared, in each process that loaded data"
    if device.type == "cuda":
        said += f"; on {device} {in_bytes(torch.cuda.max_memory_allocated(device))}"
    return said


def _pause(cfg: EasyDict, trainer: Trainer) -> None:
    """Say how far a run is whose minutes are over, and how to go on."""
    logger.info(
        "the %g minutes are over after %.1f of %d epochs; go on with the same options and --resume-exp %s",
        cfg.minutes, trainer.epochs_done, trainer.config.epochs, cfg.EXP_PATH.name,
    )  # fmt: skip


def _conclude(cfg: EasyDict, seconds: float) -> None:
    """Say how long a run took, where its checkpoint lies, and what to do with it next."""
    last = cfg.CHECKPOINTS_PATH / "last_checkpoint.pth"
    logger.info("trained in %s; the network is in %s", in_minutes(seconds), last)
    data = [] if not cfg.get("data") else [f"folder:{name}:val" for name in split_names(cfg.data)]
    words = ["isegm", "evaluate", "--checkpoint", str(last), "--datasets", ",".join(data) or "Samples"]
    logger.info("evaluate it: %s", shlex.join(words))
    logger.info("use it: %s", shlex.join(["isegm", "annotate", "--checkpoint", str(last), "IMAGES"]))


def calibration_batches(
    train_set: TrainSet, model: ClickModel, count: int = 16, batch_size: int = 8
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Read the first ``count * batch_size`` training samples as batches, to measure BatchNorm's statistics on.

    Returns:
        ``count`` pairs: the network's input (B, 3, H, W), or (B, 4, H, W) with an empty previous mask, and points
        (B, 2N, 3).
    """
    batches = []
    for start in range(0, count * batch_size, batch_size):
        samples = [train_set[index] for index in range(start, start + batch_size)]
        image = torch.stack([sample["images"] for sample in samples])
        if model.with_prev_mask:
            image = torch.cat((image, torch.zeros_like(image[:, :1])), dim=1)
        batches.append((image, torch.stack([sample["points"] for sample in samples])))
    return batches
