"""Training on images-and-masks folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from isegm.data.compose import ComposeDataset
from isegm.data.datasets.folder import FolderDataset
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.train_set import CopyPaste, SampleTransform, TrainSet
from isegm.data.transforms import Transform
from isegm.engine.trainer import RunConfig, TrainConfig, Trainer
from isegm.model.base import ClickModel
from isegm.utils.distributed import is_main, training_device
from isegm.utils.errors import InputError
from isegm.utils.exp import create_experiment
from isegm.utils.log import log_to_file, logger

HRNET_RELEASE = "of github.com/HRNet/HRNet-Image-Classification"
# Keys below IMAGENET_PRETRAINED_MODELS in config.yml, and which file each takes.
IMAGENET_FILES = {
    "MOBILENETV2": "torchvision's mobilenet_v2-*.pth",
    "HRNETV2_W18_SMALL": f"hrnet_w18_small_model_v2.pth {HRNET_RELEASE}",
    "HRNETV2_W18": f"hrnetv2_w18_imagenet_pretrained.pth {HRNET_RELEASE}",
    "HRNETV2_W32": f"hrnetv2_w32_imagenet_pretrained.pth {HRNET_RELEASE}",
    "RESNET34": "gluon_resnet34_v1b-*.pth of github.com/rwightman/pytorch-pretrained-gluonresnet",
    "SEGFORMER_B0": "mit_b0.pth of github.com/NVlabs/SegFormer",
    "SEGFORMER_B3": "mit_b3.pth of github.com/NVlabs/SegFormer",
    "PPLCNET_X1": "PPLCNet_x1_0_ssld_pretrained.pth with the parameter names of ClickSEG",
}


def folders(cfg: Any) -> tuple[list[str], list[float] | None]:
    """The training folders of a run and their ratios: ``--data a,b``, or TRAIN_FOLDERS in config.yml.

    TRAIN_FOLDERS is a list of paths, or a mapping from path to ratio.
    """
    if cfg.get("data"):
        return [name.strip() for name in cfg.data.split(",")], None
    listed = cfg.get("TRAIN_FOLDERS")
    if not listed:
        raise InputError("no training data: give --data FOLDER, or TRAIN_FOLDERS in config.yml.")
    if isinstance(listed, dict) and all(isinstance(ratio, int | float) and ratio > 0 for ratio in listed.values()):
        return list(listed), [float(ratio) for ratio in listed.values()]
    if isinstance(listed, list):
        return [str(path) for path in listed], None
    raise InputError("TRAIN_FOLDERS in config.yml must be a list of paths, or a mapping from paths to positive ratios.")


def run_options(cfg: Any) -> RunConfig:
    """What the command line says about where and how a run happens.

    Raises:
        InputError: the devices do not fit the processes (see ``training_device``), weights to start from are given
            together with a run to go on with, or no single checkpoint fits ``--resume-prefix``.
    """
    if cfg.resume_exp and cfg.weights is not None:
        raise InputError("--resume-exp goes on with a run's own weights: leave --weights out, or start a new run.")
    resume = None
    if cfg.resume_exp:
        found = sorted(cfg.CHECKPOINTS_PATH.glob(f"{cfg.resume_prefix}*.pth"))
        if len(found) != 1:
            raise InputError(
                f"--resume-prefix {cfg.resume_prefix} fits {len(found)} files in {cfg.CHECKPOINTS_PATH}: "
                "give the start of the name of one checkpoint."
            )
        resume = found[0]
    return RunConfig(
        checkpoints=cfg.CHECKPOINTS_PATH,
        images=cfg.VIS_PATH,
        logs=cfg.LOGS_PATH,
        device=training_device(cfg.gpus, cfg.ngpus, cfg.cpu, cfg.local_rank),
        workers=cfg.workers,
        amp=cfg.amp,
        seed=cfg.seed,
        save_every=cfg.save_every,
        resume=resume,
        start_epoch=cfg.start_epoch,
        init_from=None if cfg.weights is None else Path(cfg.weights),
        lr=cfg.lr,
        clip_norm=cfg.clip_grad_norm,
        accumulate=cfg.accumulate_grad,
        sync_batchnorm=cfg.sync_bn,
        compile=cfg.compile,
    )


def start_from_imagenet(network: ClickModel, cfg: Any, key: str) -> bool:
    """Load the backbone's ImageNet weights, where config.yml names some under IMAGENET_PRETRAINED_MODELS.

    A run that goes on, or starts from ``--weights``, needs none.

    Args:
        key: one of ``IMAGENET_FILES``.

    Returns:
        whether weights were loaded.

    Raises:
        InputError: the file is not there or does not fit, or IMAGENET_PRETRAINED_MODELS is no mapping.
    """
    if cfg.resume_exp or cfg.weights:
        return False
    listed = cfg.get("IMAGENET_PRETRAINED_MODELS") or {}
    if not isinstance(listed, dict):
        raise InputError("IMAGENET_PRETRAINED_MODELS in config.yml must map names of backbones to paths.")
    if not listed.get(key):
        logger.warning(
            "IMAGENET_PRETRAINED_MODELS.%s is not set: the backbone starts from random weights, not from %s",
            key,
            IMAGENET_FILES[key],
        )
        return False
    if not Path(listed[key]).is_file():
        raise InputError(
            f"there is no {listed[key]} (IMAGENET_PRETRAINED_MODELS.{key} in config.yml): get {IMAGENET_FILES[key]}, "
            "or leave the entry blank to start from random weights."
        )
    network.load_imagenet_weights(listed[key])
    return True


def readers(cfg: Any) -> tuple[ComposeDataset, ComposeDataset]:
    """Training and validation part of the run's folders."""
    paths, ratios = folders(cfg)
    return (
        ComposeDataset([FolderDataset(path, part="train", allow_empty=True) for path in paths], ratios),
        ComposeDataset([FolderDataset(path, part="val", allow_empty=True) for path in paths]),
    )


def train(
    model: ClickModel,
    cfg: Any,
    config: TrainConfig,
    *,
    augment: Transform | Sequence[tuple[int, Transform]],
    sampler: MultiPointSampler,
    epoch_len: int,
    min_object_area: int,
    copy_paste: CopyPaste | None = None,
    steps: Sequence[SampleTransform] = (),
    val_augment: Transform,
) -> None:
    """Train ``model`` on the folders of ``cfg`` by ``plan``, with about every 20th image kept for validation."""
    train_reader, val_reader = readers(cfg)
    train_set = TrainSet(
        train_reader,
        augment,
        sampler,
        epoch_len=epoch_len,
        min_object_area=min_object_area,
        copy_paste=copy_paste,
        steps=steps,
        seed=cfg.seed,
    )
    val_set = TrainSet(
        val_reader,
        val_augment,
        sampler,
        min_object_area=min_object_area,
        allow_background=True,
        steps=steps,
        seed=cfg.seed,
    )
    start(model, cfg, config, train_set, val_set)


def start(model: ClickModel, cfg: Any, config: TrainConfig, train_set: TrainSet, val_set: TrainSet) -> None:
    """Train by ``plan`` in the experiment's folder, which is made once nothing about the input is in doubt."""
    trainer = Trainer(model, train_set, val_set, config, run_options(cfg))
    if is_main():
        create_experiment(cfg)  # the input is known to be good by now
        log_to_file(cfg.LOGS_PATH)
    logger.info("configuration: %s", {key: str(value) for key, value in cfg.items()})
    trainer.run()


def calibration_batches(
    train_set: TrainSet, model: ClickModel, count: int = 16, batch_size: int = 8
) -> Sequence[tuple[torch.Tensor, torch.Tensor]]:
    """Network inputs and points of the first training samples, with an empty previous mask."""
    batches = []
    for start in range(0, count * batch_size, batch_size):
        samples = [train_set[index] for index in range(start, start + batch_size)]
        image = torch.stack([sample["images"] for sample in samples])
        if model.with_prev_mask:
            image = torch.cat((image, torch.zeros_like(image[:, :1])), dim=1)
        batches.append((image, torch.stack([sample["points"] for sample in samples])))
    return batches
