"""Check that the records of a stopped evaluation are of the data set that goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from tqdm import tqdm

from isegm.data import DSample, EvaluationDataset
from isegm.evaluation.records import ObjectRecord
from isegm.utils.errors import InputError
from isegm.utils.log import printable
from isegm.utils.schema import shown


def recorded_objects(
    records: Sequence[ObjectRecord], dataset: EvaluationDataset, max_objects: int | None, path: Path
) -> dict[int, tuple[int, ...]]:
    """List the objects of every sample that has records, and check the records against the samples.

    Each of these samples is read once; a bar on stderr shows how far it is.

    Args:
        records: of a stopped evaluation.
        dataset: the data set that is evaluated.
        max_objects: the evaluation takes only so many first objects; None for all.
        path: the file of the records, for messages.

    Returns:
        the object ids of each sample, by its index.

    Raises:
        InputError: a record names a sample or an object that the data set does not have, or clicks outside the image;
            or there are more records than objects; or a file of the data set cannot be read.
    """
    if max_objects is not None and len(records) > max_objects:
        raise _foreign(path, f"{len(records)} records, and --max-objects is {max_objects}")
    found: dict[int, tuple[int, ...]] = {}
    by_index = sorted(records, key=attrgetter("index"))
    title = f"checking records of {printable(dataset.name)}"
    with tqdm(total=len(records), desc=title, leave=False, disable=not records) as bar:
        for index, group in groupby(by_index, key=attrgetter("index")):
            if index >= len(dataset):
                raise _foreign(path, f"a record of index {index}, and {dataset.name} has {len(dataset)} samples")
            sample = dataset.get_sample(index)
            found[index] = tuple(sample.objects_ids)
            for record in group:
                for problem in _problems(record, sample):
                    raise _foreign(path, f"a record of object {record.object_id} of index {index}, but {problem}")
                bar.update()
    return found


def _problems(record: ObjectRecord, sample: DSample) -> Iterator[str]:
    """Say what of a record does not fit its sample."""
    if record.name != sample.sample_id:
        yield f"that sample is {shown(sample.sample_id)}, not {shown(record.name)}"
    if record.object_id not in sample.objects_ids:
        yield f"that sample has the objects {', '.join(map(str, sample.objects_ids))}"
    height, width = sample.image.shape[:2]
    points = [] if record.prompt is None else record.prompt.get("points", [])
    if any(x > width or y > height for x, y in points):
        yield f"its prompt reaches beyond its {width}x{height} pixels"
    if any(x >= width or y >= height for x, y, _ in record.clicks):
        yield f"a click lies outside its {width}x{height} pixels"


def _foreign(path: Path, what: str) -> InputError:
    return InputError(
        f"{path} holds {what}: it is damaged, or of another data set; leave --resume out to put it aside, or choose "
        "another --logs-path."
    )
