"""All training sets in miniature, where config.yml says that they lie."""

import pickle
from pathlib import Path

import numpy as np

from tests import clickseg_miniatures, miniatures, segnext_miniatures

SBD_SCORES = (0.1, 0.5, 0.9)
FOLDERS = {"sbd": "SBD", "voc": "PascalVOC", "coco": "coco2017", "ade20k": "ADE20K", "openimages": "OpenImages"}
CLICKSEG_FOLDERS = {
    "msra10k": "MSRA10K",
    "thin_object": "ThinObject5K",
    "hflickr": "HFlickr",
    "youtube_vos": "YouTubeVOS",
}


def make_all(root: Path) -> Path:
    """A folder with all training sets, and SBD's scores, to run training commands in."""
    for source, folders in ((miniatures, FOLDERS), (clickseg_miniatures, CLICKSEG_FOLDERS)):
        for make, name in folders.items():
            getattr(source, make)(root / "datasets" / name)
    for part in ("TR", "TE"):
        clickseg_miniatures.duts(root / "datasets" / f"DUTS-{part}", part)
    miniatures.coco_lvis(miniatures.lvis(root / "datasets" / "LVIS"))
    segnext_miniatures.hqseg44k(root / "datasets" / "HQSeg44K")
    (root / "assets").mkdir()
    rows = [(index, str(index), np.float32(score)) for index, score in enumerate(SBD_SCORES)]
    (root / "assets" / "sbd_samples_weights.pkl").write_bytes(pickle.dumps(rows))
    return root
