"""Data sets, training samples and augmentations."""

from isegm.data.catalogue import EVALUATION_SETS, TRAINING_SETS, get_dataset, get_training_set
from isegm.data.folder import FolderDataset
from isegm.data.sample import DSample
from isegm.data.samples import SamplesDataset

__all__ = [
    "EVALUATION_SETS",
    "TRAINING_SETS",
    "DSample",
    "FolderDataset",
    "SamplesDataset",
    "get_dataset",
    "get_training_set",
]
