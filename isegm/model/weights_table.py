"""Table of published weights: network, source, licence, size and checksum.

Sizes and checksums are None where they have not been measured on a file from the source; a download says so. Where
networks are published in a way that no program can fetch, the row says where people get the file.
"""

from __future__ import annotations

from dataclasses import dataclass

from isegm.utils.errors import InputError
from isegm.utils.spelling import nearest


@dataclass(frozen=True)
class Weights:
    """One published file.

    Attributes:
        name: the file's name without its ending, by which users ask for it.
        method: of the paper; with ``variant`` and ``training`` the key of its published scores
            (``isegm.evaluation.published_values``).
        variant: the network and its way of training, as the paper's tables name it.
        training: training data.
        network: registered name of the network that reads the file.
        file: the file's name.
        url: where it is; None where no program can fetch it. The name of the file behind a # is not sent: addresses of
            Google Drive do not say it.
        licence: of the weights, as far as the source states it.
        megabytes: the size that the source states, for display.
        size: bytes, None where not known.
        sha256: checksum, None where not known.
        by_hand: where to get a file without ``url``, and what to do with it.
    """

    name: str
    method: str
    variant: str
    training: str
    network: str
    file: str
    url: str | None
    licence: str
    megabytes: float
    size: int | None = None
    sha256: str | None = None
    by_hand: str = ""


@dataclass(frozen=True)
class StartWeights:
    """A published file of a backbone, from which training starts; it is no click model.

    Attributes:
        file: the file's name.
        key: below IMAGENET_PRETRAINED_MODELS in config.yml, where its path belongs.
        licence: of the weights.
        by_hand: where to get it.
    """

    file: str
    key: str
    licence: str
    by_hand: str

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.file.removesuffix(".pth")


RITM_RELEASE = "https://github.com/saic-vul/ritm_interactive_segmentation/releases/download/v1.0"


def _ritm(name: str, variant: str, training: str, network: str, megabytes: float) -> Weights:
    licence = "MIT (that of the repository; the release says nothing of its own)"
    file = f"{name}.pth"
    return Weights(name, "RITM", variant, training, network, file, f"{RITM_RELEASE}/{file}", licence, megabytes)


def _simpleclick(name: str, variant: str, training: str, network: str, megabytes: float) -> Weights:
    licence = "MIT (that of the repository); trained from MAE's weights, which are CC BY-NC 4.0"
    by_hand = "the folder on Google Drive that the README of https://github.com/uncbiag/SimpleClick links"
    file = f"{name}.pth"
    return Weights(name, "SimpleClick", variant, training, network, file, None, licence, megabytes, by_hand=by_hand)


def _segnext(file: str, drive: str, variant: str, training: str, megabytes: float) -> Weights:
    licence = "MIT (that of the repository); trained from MAE's weights, which are CC BY-NC 4.0"
    url = f"https://drive.usercontent.google.com/download?id={drive}&export=download&confirm=t#{file}"
    name = file.removesuffix(".pth")
    return Weights(name, "SegNext", variant, training, f"segnext_vitb_{variant}", file, url, licence, megabytes)


WEIGHTS = (
    _ritm("sbd_h18_itermask", "HRNet18 IT-M", "SBD", "ritm_hrnet18", 38.8),
    _ritm("coco_lvis_h18_baseline", "HRNet18 baseline", "COCO+LVIS", "ritm_hrnet18", 38.8),
    _ritm("coco_lvis_h18s_itermask", "HRNet18s IT-M", "COCO+LVIS", "ritm_hrnet18s", 16.5),
    _ritm("coco_lvis_h18_itermask", "HRNet18 IT-M", "COCO+LVIS", "ritm_hrnet18", 38.8),
    _ritm("coco_lvis_h32_itermask", "HRNet32 IT-M", "COCO+LVIS", "ritm_hrnet32", 119),
    *(
        _simpleclick(f"{prefix}_vit_{size}", f"ViT-{size[0].upper()}", training, network, megabytes)
        for prefix, training in (("sbd", "SBD"), ("cocolvis", "COCO+LVIS"))
        for size, network, megabytes in (
            ("base", "simpleclick_vitb", 392),
            ("large", "simpleclick_vitl", 1297),
            ("huge", "simpleclick_vith", 2649),
        )
    ),
    Weights(
        "cocolvis_icl_vit_huge",
        "CFR-ICL",
        "ViT-H",
        "COCO+LVIS",
        "simpleclick_vith",
        "cocolvis_icl_vit_huge.pth",
        None,
        "CC BY-NC 4.0 (that of the repository): not for commercial use",
        2649,
        by_hand="the three volumes of its 7z archive in release v1.0 of "
        "https://github.com/TitorX/CFR-ICL-Interactive-Segmentation, side by side in one folder; unpack them with 7z x "
        "and the name of the first, which ends in .7z.001",
    ),
    _segnext("vitb_sa1_cocolvis_epoch_90.pth", "1G_m9_sVYVD2MBDf5ulrAUz-iSvi8bQfZ", "sax1", "COCO+LVIS", 427),
    _segnext("vitb_sa2_cocolvis_epoch_90.pth", "1uHEcvwA2spsLQqDJiYKqv1pf3vgLAG7-", "sax2", "COCO+LVIS", 455),
    _segnext(
        "vitb_sa2_cocolvis_hq44k_epoch_0.pth",
        "1qkXIvxnlY3Z4xLYGWJcoAHBUNyDmvwPS",
        "sax2",
        "COCO+LVIS, HQSeg44K",
        455,
    ),
)
START_WEIGHTS = tuple(
    StartWeights(
        f"mae_pretrain_vit_{size}.pth",
        f"MAE_{size.upper()}",
        "CC BY-NC 4.0: not for commercial use",
        "the links to pre-trained checkpoints in the README of https://github.com/facebookresearch/mae",
    )
    for size in ("base", "large", "huge")
)


def published_file(file: str) -> Weights | None:
    """Return the row of a file's name; None for a file that is not published."""
    return next((row for row in WEIGHTS if row.file == file), None)


def find_weights(name: str) -> Weights:
    """Return the row of a name, with or without the file's ending.

    Raises:
        InputError: there is none (the nearest is suggested), or they are a backbone's.
    """
    by_name = {row.name: row for row in WEIGHTS}
    wanted = name.removesuffix(".pth")
    start = next((row for row in START_WEIGHTS if row.name == wanted), None)
    if start is not None:
        raise InputError(
            f"{start.file} cannot be fetched from here: get it from {start.by_hand}, and give its path as "
            f"IMAGENET_PRETRAINED_MODELS.{start.key} in config.yml; licence: {start.licence}."
        )
    if wanted not in by_name:
        near = nearest(wanted, by_name)
        hint = f"did you mean {near}?" if near else f"known are {', '.join(by_name)}."
        raise InputError(f"there are no published weights named {name}: {hint}")
    return by_name[wanted]
