"""Data sets, training samples and augmentations."""

from isegm.data.catalogue import EVALUATION_SETS, TRAINING_SETS, get_dataset, get_training_set
from isegm.data.datasets.folder import FolderDataset
from isegm.data.datasets.samples import SamplesDataset
from isegm.data.sample import DSample

__all__ = [
    "EVALUATION_SETS",
    "TRAINING_SETS",
    "DSample",
    "FolderDataset",
    "SamplesDataset",
    "get_dataset",
    "get_training_set",
]
