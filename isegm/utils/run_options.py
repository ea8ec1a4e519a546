"""The values that options of a training run may have, on the command line and under the same names in config.yml."""

from __future__ import annotations

from typing import Any

from isegm.utils.schema import LARGEST, Flag, Kind, Number, Text, Whole
from isegm.utils.text_values import NamePart, PathText, numeric

FROM_SCRIPT = Whole(-1, -1)  # the experiment script's own number
THREADS = Whole(1, 1024)
NAME = Text(longest=200)

RUN_OPTIONS: dict[str, Kind] = {
    "model_path": PathText(),
    "exp_name": NamePart(),
    "data": Text(longest=100_000),
    "batch_size": Whole(1, 100_000) | FROM_SCRIPT,
    "micro_batch": Whole(1, 100_000),
    "epochs": Whole(1, 1_000_000) | FROM_SCRIPT,
    "epoch_len": Whole(1, 10_000_000) | FROM_SCRIPT,
    "lr": Number(above=0, most=1000),
    "layerwise_decay": Flag(),
    "upsample": Text(choices=("x1", "x2", "x4")),
    "random_split": Flag(),
    "recipe_fields": Text(longest=1000),
    "accumulate_grad": Whole(1, 100_000),
    "clip_grad_norm": Number(above=0),
    "workers": Whole(0, 1024),
    "threads": THREADS,
    "ngpus": Whole(1, 1024),
    "gpus": NAME,
    "cpu": Flag(),
    "amp": Text(choices=("bf16", "fp16")),
    "sync_bn": Flag(),
    "compile": Flag(),
    "minutes": Number(above=0, most=1_000_000),
    "data_on_device": Flag(),
    "local_rank": Whole(0, 100_000),
    "seed": Whole(0),
    "save_every": Whole(0),
    "save_seconds": Number(0),
    "resume_exp": NAME,
    "resume_prefix": NAME,
    "start_epoch": Whole(0, 1_000_000),
    "weights": PathText(),
    "backbone": NAME,
    "temp_model_path": Text() | PathText(),
}


def configured(value: Any, kind: Kind) -> Any:
    """Convert a value from YAML as the command line would convert its text; what does not fit ``kind`` stays as it is.

    YAML reads 1e-3 as text, and the id of a GPU as a number.
    """
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST else value
    fitting = (one for one in (value, numeric(value), text) if kind.problem(one, ()) is None)
    return next(fitting, value)
