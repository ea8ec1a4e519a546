"""Table of published weights: network, source, licence, size and checksum.

Another method adds its files with a further ``WEIGHTS += ...``. Sizes and checksums are None where they have not been
measured on a file from the source; a download says so.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from isegm.utils.errors import InputError


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
        url: where it is.
        licence: of the weights, as far as the source states it.
        megabytes: the size that the source states, for display.
        size: bytes, None where not known.
        sha256: checksum, None where not known.
    """

    name: str
    method: str
    variant: str
    training: str
    network: str
    file: str
    url: str
    licence: str
    megabytes: float
    size: int | None = None
    sha256: str | None = None


RITM_RELEASE = "https://github.com/saic-vul/ritm_interactive_segmentation/releases/download/v1.0"


def _ritm(name: str, variant: str, training: str, network: str, megabytes: float) -> Weights:
    licence = "MIT (that of the repository; the release says nothing of its own)"
    file = f"{name}.pth"
    return Weights(name, "RITM", variant, training, network, file, f"{RITM_RELEASE}/{file}", licence, megabytes)


WEIGHTS = (
    _ritm("sbd_h18_itermask", "HRNet18 IT-M", "SBD", "ritm_hrnet18", 38.8),
    _ritm("coco_lvis_h18_baseline", "HRNet18 baseline", "COCO+LVIS", "ritm_hrnet18", 38.8),
    _ritm("coco_lvis_h18s_itermask", "HRNet18s IT-M", "COCO+LVIS", "ritm_hrnet18s", 16.5),
    _ritm("coco_lvis_h18_itermask", "HRNet18 IT-M", "COCO+LVIS", "ritm_hrnet18", 38.8),
    _ritm("coco_lvis_h32_itermask", "HRNet32 IT-M", "COCO+LVIS", "ritm_hrnet32", 119),
)


def published_file(file: str) -> Weights | None:
    """Return the row of a file's name; None for a file that is not published."""
    return next((row for row in WEIGHTS if row.file == file), None)


def find_weights(name: str) -> Weights:
    """Return the row of a name, with or without the file's ending.

    Raises:
        InputError: there is none (the nearest is suggested).
    """
    by_name = {row.name: row for row in WEIGHTS}
    wanted = name.removesuffix(".pth")
    if wanted not in by_name:
        near = difflib.get_close_matches(wanted, by_name, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(by_name)}."
        raise InputError(f"there are no published weights named {name}: {hint}")
    return by_name[wanted]
