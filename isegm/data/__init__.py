"""Data sets by name, samples with their objects, and what training makes of them.

>>> from isegm.data import FolderDataset, get_dataset
>>> sample = FolderDataset("my_images").get_sample(0)
>>> sample.image.shape, sample.objects_ids
"""

from isegm.data.catalogue import EVALUATION_SETS, TRAINING_SETS, get_dataset, get_training_set
from isegm.data.compose import ComposeDataset, Reader
from isegm.data.datasets import FolderDataset, PackedDataset, SamplesDataset
from isegm.data.datasets.base import EvaluationDataset
from isegm.data.sample import DSample

__all__ = [
    "EVALUATION_SETS",
    "TRAINING_SETS",
    "ComposeDataset",
    "DSample",
    "EvaluationDataset",
    "FolderDataset",
    "PackedDataset",
    "Reader",
    "SamplesDataset",
    "get_dataset",
    "get_training_set",
]
