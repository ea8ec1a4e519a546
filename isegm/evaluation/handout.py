"""Hand the samples of a data set out to the processes of an evaluation, each to the first that has time for it.

No process idles while there is work: at the end all wait for the last image of one of them, and no longer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile

from isegm.data import EvaluationDataset
from isegm.utils import distributed

Key = tuple[int, int]


@dataclass(frozen=True)
class Work:
    """What is to be evaluated of a data set.

    Attributes:
        samples: the first so many samples.
        without: (index, object id) of objects of the last one that do not belong to it.
    """

    samples: int
    without: frozenset[Key] = field(default_factory=frozenset)


def work_of(dataset: EvaluationDataset, max_objects: int | None) -> Work:
    """Find the samples that hold the first ``max_objects`` objects; None for all objects.

    Raises:
        InputError: a file of the data set cannot be read.
    """
    if max_objects is None:
        return Work(len(dataset))
    left = max_objects
    for index in range(len(dataset)):
        ids = dataset.get_sample(index).objects_ids
        if len(ids) >= left:
            return Work(index + 1, frozenset((index, object_id) for object_id in ids[left:]))
        left -= len(ids)
    return Work(len(dataset))


def handed_out(work: Work) -> Iterator[int]:
    """Return the indices of the samples that this process evaluates, in rising order.

    All processes must call this as often as the others, see ``distributed.handed_out``.
    """
    return takewhile(lambda index: index < work.samples, distributed.handed_out())
