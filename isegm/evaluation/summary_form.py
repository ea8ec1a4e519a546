"""The form of ``summary.json``, as ``summary.summary_entry`` makes its entries."""

from __future__ import annotations

from isegm.utils.schema import Fields, Items, Kind, Nothing, Number, Plain, Table, Text, Whole

_TEXTS = (
    "model_name", "mode", "protocol", "eval_mode", "checkpoint", "sha256", "network", "device", "command", "started",
    "dataset",
)  # fmt: skip
_SETTINGS: dict[str, Kind] = {
    **dict.fromkeys(("target_iou", "threshold"), Number()),
    **dict.fromkeys(("max_clicks", "min_clicks"), Whole(least=1)),
    "simulated_user": Text(),
}
_SCORES: dict[str, Kind] = {
    **dict.fromkeys(("noc", "noc_std", "nof", "nof_published"), Table(Number())),
    "miou": Items(Number(0, 1)),
    "objects": Whole(least=0),
}
_ENTRY: dict[str, Kind] = {
    **dict.fromkeys(_TEXTS, Text()),
    **_SCORES,
    "clicks": Whole(least=0),
    **dict.fromkeys(("seconds", "spc", "spi"), Number(least=0)),
    "images": Whole(least=0),
    "n_clicks": Whole(least=1),
    **dict.fromkeys(("first_spc", "next_spc", "passes"), Number(least=0) | Nothing()),
    "max_objects": Whole(least=1) | Nothing(),
    **dict.fromkeys(("init_masks", "own_protocol", "first_prompt"), Text() | Nothing()),
    "settings": Fields(
        _SETTINGS, {"clicker": Text(), "seed": Whole(least=0), "prompt": Text(), "box_jitter": Number(least=0)}
    ),
    "inference": Table(Plain()),
    "versions": Fields(dict.fromkeys(("isegm", "python", "torch", "numpy", "opencv", "scipy"), Text())),
}
SUMMARY = Fields({"evaluations": Items(Fields(_ENTRY, {"parts": Table(Fields(_SCORES))}))})
