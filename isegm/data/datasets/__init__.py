"""Readers of the published data sets and of folders of images and masks."""

from isegm.data.datasets.ade20k import Ade20kClassesDataset, Ade20kDataset, Ade20kFullDataset
from isegm.data.datasets.benchmarks import (
    BerkeleyDataset,
    CocoMValBrightDataset,
    CocoMValDataset,
    DavisDataset,
    GrabCutDataset,
)
from isegm.data.datasets.coco import CocoDataset
from isegm.data.datasets.coco_lvis import CocoLvisDataset
from isegm.data.datasets.davis585 import Davis585Dataset
from isegm.data.datasets.folder import FolderDataset
from isegm.data.datasets.hqseg44k import HQSeg44KDataset
from isegm.data.datasets.lvis import LvisDataset
from isegm.data.datasets.openimages import OpenImagesDataset
from isegm.data.datasets.packed import PackedDataset
from isegm.data.datasets.saliency import DutsTeDataset, DutsTrDataset, HFlickrDataset, Msra10kDataset, ThinObjectDataset
from isegm.data.datasets.samples import SamplesDataset
from isegm.data.datasets.sbd import SbdDataset, SbdEvaluationDataset
from isegm.data.datasets.voc import PascalVocDataset, PascalVocEvaluationDataset
from isegm.data.datasets.youtube_vos import YouTubeVosDataset

__all__ = [
    "Ade20kClassesDataset",
    "Ade20kDataset",
    "Ade20kFullDataset",
    "BerkeleyDataset",
    "CocoDataset",
    "CocoLvisDataset",
    "CocoMValBrightDataset",
    "CocoMValDataset",
    "Davis585Dataset",
    "DavisDataset",
    "DutsTeDataset",
    "DutsTrDataset",
    "FolderDataset",
    "GrabCutDataset",
    "HFlickrDataset",
    "HQSeg44KDataset",
    "LvisDataset",
    "Msra10kDataset",
    "OpenImagesDataset",
    "PackedDataset",
    "PascalVocDataset",
    "PascalVocEvaluationDataset",
    "SamplesDataset",
    "SbdDataset",
    "SbdEvaluationDataset",
    "ThinObjectDataset",
    "YouTubeVosDataset",
]
