"""Tiny training runs of one or two processes; as a script, one of the processes of such runs."""

import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from isegm.click_maps import DistMaps
from isegm.data.datasets.folder import FolderDataset
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.train_set import TrainSet
from isegm.data.transforms import Compose, HorizontalFlip, RandomView, RGBShift
from isegm.engine.iterative_click_loss import IterativeClickLoss
from isegm.engine.schedule import WarmupDecay
from isegm.engine.tasks import IterativeClicks, LossTerm
from isegm.engine.trainer import RunConfig, TrainConfig, Trainer
from isegm.engine.training_step import parallelize
from isegm.model.click_model import ClickModel
from isegm.model.losses import NormalizedFocalLoss, SigmoidBinaryCrossEntropyLoss
from isegm.model.registry import build_model
from isegm.utils import distributed
from isegm.utils.cli import run

UNEVEN = "ValLosses/refine_loss"  # without gradients it has the denominator of a process's part of a batch


class TinyModel(ClickModel):
    """Two convolutions on image, previous mask and click maps; its unused layer never gets a gradient."""

    def __init__(self, norm=False, dropout=0.0):
        super().__init__()
        self.maps = DistMaps(3, True)
        self.first = nn.Conv2d(6, 8, 3, padding=1, bias=not norm)
        self.norm = nn.BatchNorm2d(8) if norm else nn.Identity()
        self.dropout = nn.Dropout2d(dropout)
        self.last = nn.Conv2d(8, 1, 3, padding=1)
        self.unused = nn.Linear(2, 2)
        self.config = {"model": "tiny", "params": {}}

    def decode(self, features, points, prev_mask=None, cache=None):
        image = features["image"]
        x = torch.cat((image, prev_mask, self.maps(points, image.shape[2:])), dim=1)
        return {"instances": self.last(self.dropout(self.norm(self.first(x)).relu()))}


class EncodeOnceModel(TinyModel):
    """The same, with a learnt convolution of the image that is made once in a step."""

    encodes_once = True

    def __init__(self, norm=False, dropout=0.0):
        super().__init__(norm, dropout)
        self.encoder = nn.Conv2d(3, 3, 3, padding=1)

    def encode(self, image):
        return {"image": self.encoder(self.normalize(image))}


TERMS = {
    "instance_loss": LossTerm(NormalizedFocalLoss(0.5, 2)),
    "instance_bce_loss": LossTerm(SigmoidBinaryCrossEntropyLoss(), 0.4),
}
PUBLISHED = IterativeClicks(TERMS, max_num_next_clicks=3, prev_mask_drop_prob=0.3)
NO_CLICKS = IterativeClicks(TERMS, max_num_next_clicks=0)  # which fall elsewhere where a probability is one bit off
ICL = IterativeClickLoss(TERMS, max_num_next_clicks=3, prev_mask_drop_prob=0.3)
VIT = dict(img_size=(32, 32), embed_dim=32, depth=4, num_heads=2, out_dims=(8, 8, 8, 8), head_channels=8)
EVERY_CLICK = IterativeClicks(TERMS, max_num_next_clicks=2, train_every_click=True)


def tiny(
    images,
    folder,
    *,
    norm=False,
    dropout=0.0,
    task=PUBLISHED,
    batch_size=8,
    epoch_len=36,
    config=None,
    network=TinyModel,
    steps=(),
    **options,
):
    """A trainer of two epochs, with validation; the losses of its steps are kept in ``written``."""
    torch.manual_seed(0)
    augment = Compose((RandomView((32, 32), rotation=5), HorizontalFlip(), RGBShift()))
    sampler = MultiPointSampler(6, prob_gamma=0.3)
    train_set = TrainSet(FolderDataset(images), augment, sampler, epoch_len=epoch_len, min_object_area=20, steps=steps)
    val_set = TrainSet(FolderDataset(images), augment, sampler, min_object_area=20, steps=steps)
    settings = TrainConfig(task, batch_size, 2, WarmupDecay(2, 0.1, 1.4), lr=2e-3, clip_norm=1.0)
    where = RunConfig(folder / "checkpoints", folder / "vis", folder / "logs", workers=0, **options)
    run = Trainer(network(norm, dropout), train_set, val_set, replace(settings, **(config or {})), where)
    log_step, run.written = run._log_step, []

    def note(step, batch, learning_rate):
        log_step(step, batch, learning_rate)
        run.numbers.read()
        run.written.append(run.numbers.loss)

    run._log_step = note
    return run


def finished(run):
    """Train; the curves, validation's among them, and the weights as lists of numbers."""
    validate = run._validate

    def note():
        log = run.log.values

        def keep(values, epoch):
            run.written.extend(value for name, value in values.items() if name != UNEVEN)
            log(values, epoch)

        run.log.values = keep
        validate()
        run.log.values = log

    run._validate = note
    run.run()
    return {"curves": run.written, "weights": weights_of(run.model)}


def weights_of(network):
    """The weights and buffers of a network as lists of numbers."""
    return {name: value.float().flatten().tolist() for name, value in network.state_dict().items()}


def tiny_vit(images, folder):
    """A trainer of a small SimpleClick."""

    def vit(*_):
        return build_model("simpleclick_vit_xtiny", **VIT, dropout_ratio=0)

    return tiny(images, folder, network=vit, task=NO_CLICKS)


class Stop(Exception):
    """Ends a run in all of its processes."""


def stopped_and_resumed(images, folder, step, task=EVERY_CLICK):
    """A run with dropout and turns, ended at a step and gone on with."""
    options = {"dropout": 0.3, "norm": True, "task": task, "save_every": 2, "config": {"interleaved_batches": 2}}
    broken = tiny(images, folder, **options)
    log_step = broken._log_step

    def stop(*arguments):
        log_step(*arguments)
        if broken.global_step == step:
            raise Stop

    broken._log_step = stop
    with suppress(Stop):
        broken.run()
    resumed = tiny(images, folder, resume=folder / "checkpoints" / "last_checkpoint.pth", **options)
    return {"went_on_at": resumed.global_step, **finished(resumed)}, finished(tiny(images, folder / "whole", **options))


def results_on_the_cpu(images, folder):
    """The runs that are compared with those of one process, by name."""
    from tests.engine import focal  # which stands on this module

    results = {"plain": finished(tiny(images, folder / "plain"))}
    buckets = tiny(images, folder / "buckets")
    buckets.parallel_step = parallelize(buckets.training_step, bucket_cap_mb=300 / 2**20)
    results["buckets"] = finished(buckets)
    unclicked = {"norm": True, "task": NO_CLICKS}
    results["vit"] = finished(tiny_vit(images, folder / "vit"))
    unsearched = tiny_vit(images, folder / "unsearched")
    unsearched.training_step.never_used.requires_grad_(False)
    unsearched.parallel_step = DistributedDataParallel(unsearched.training_step)
    results["unsearched"] = finished(unsearched)
    results["apart"] = finished(tiny(images, folder / "apart", **unclicked))
    results["measured"] = finished(tiny(images, folder / "measured", config={"precise_bn_batches": 1}, **unclicked))
    averaged = tiny(images, folder / "averaged", config={"ema": 0.9, "epochs": 1}, **unclicked)
    results["averaged"] = {**finished(averaged), "average": weights_of(averaged.trained)}
    results["focal"] = finished(tiny(images, folder / "focal", **focal.RUN))
    results["icl"] = finished(tiny(images, folder / "icl", task=ICL))
    results["encode_once"] = finished(tiny(images, folder / "encode_once", network=EncodeOnceModel))
    results["accumulated"] = finished(tiny(images, folder / "accumulated", batch_size=4, accumulate=2))
    results["resumed"], results["whole"] = stopped_and_resumed(images, folder / "resumed", 7)
    return results


def results_with_synchronised_batchnorm(images, folder):
    """A run on one GPU for each process."""
    device = distributed.device_of_process(ngpus=distributed.world_size())
    return finished(tiny(images, folder, norm=True, task=NO_CLICKS, sync_batchnorm=True, device=device))


def outlive_the_second():
    """Kill the second process while the first one computes with it."""
    parallel = DistributedDataParallel(nn.Linear(2, 2))
    parallel(torch.ones(1, 2)).sum().backward()
    if distributed.rank() == 1 and hasattr(signal, "SIGKILL"):
        os.kill(os.getpid(), signal.SIGKILL)
    parallel(torch.ones(1, 2)).sum().backward()


def main(images, folder, what="on the CPU"):
    """Write the results that the tests of several processes look at to ``<rank>.json``, in each process."""
    torch.set_num_threads(1)
    with distributed.process_group():
        train = results_with_synchronised_batchnorm if what == "synchronised" else results_on_the_cpu
        results = train(images, folder)
        (folder / f"{distributed.rank()}.json").write_text(json.dumps(results))
        if what != "synchronised":
            outlive_the_second()


if __name__ == "__main__":
    run(lambda: main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]))
