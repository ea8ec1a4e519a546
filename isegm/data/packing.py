"""Pack images-and-masks folders, scaled down, into one file, see ``isegm.data.datasets.packed_file``."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from isegm.data.checking import require_none
from isegm.data.datasets.folder import FolderDataset
from isegm.data.datasets.packed import (
    PACK_ENDING,
    PackedDataset,
    is_packed,
    joint_ratios,
    open_each_folder,
    scaled_down,
)
from isegm.data.datasets.packed_file import (
    FORMAT,
    INDEX,
    LARGEST_INDEX,
    LARGEST_SIDE,
    LARGEST_TERMS,
    SHARE,
    SMALLEST_SIDE,
    TERMS,
    VERSION,
    PackedFile,
    members_of,
)
from isegm.data.paired_files import name_key
from isegm.data.sample import DSample
from isegm.utils.errors import InputError
from isegm.utils.files import atomic_write, given_twice
from isegm.utils.inputs import require
from isegm.utils.log import logger
from isegm.utils.masks import IGNORED, with_step
from isegm.utils.opening import is_regular, read_regular
from isegm.utils.quantities import counted
from isegm.utils.schema import Instance, Nothing, Whole
from isegm.utils.text_values import LONGEST_NAME, as_path
from isegm.utils.threads import usable_cpus

TERMS_FILES = (TERMS, "LICENSE", "LICENSE.txt", "LICENCE", "LICENCE.txt")  # of a folder, the first that is there
UNUSUAL = set('/\\:*?"<>|')  # letters that names of files cannot have everywhere
FOLDERS = Instance(Mapping, "a mapping from folders to their shares or None")
ROOM = 10  # bytes of a name for a number behind it
EARLY = (1980, 1, 1, 0, 0, 0)  # date of all members, so that the same folders make the same file


class Packed(NamedTuple):
    """An image as it is written.

    Attributes:
        image: content of the WebP file.
        mask: content of the PNG file.
        ignored: whether 255 marks ignored pixels in the mask.
        lost: number of objects that have no pixel left.
    """

    image: bytes
    mask: bytes
    ignored: bool
    lost: int


@dataclass(frozen=True, eq=False)
class Source:
    """A folder to pack.

    Attributes:
        reader: of the folder.
        name, share: see ``PackedFolder``.
        terms: content of the file of terms of use.
        stems: names of its images in the packed file.
        validation: indices of the images that belong to validation.
    """

    reader: FolderDataset | PackedDataset
    name: str
    share: float | None
    terms: bytes
    stems: list[str]
    validation: set[int]


def write_pack(
    path: str | Path,
    folders: Mapping[str, float | None],
    side: int = 384,
    quality: int = 75,
    progress: Callable[[Iterable[Any], int], Iterable[Any]] = lambda items, total: items,
) -> PackedFile:
    """Pack images-and-masks folders into one file, which appears whole or not at all.

    Images become WebP, masks PNG. Both are scaled down so that the longer side has at most ``side`` pixels; a mask
    takes the nearest pixels. What belongs to validation is noted, as scaled images have other bytes. A packed file
    counts as its folders; its images are copied as they are where they are small enough.

    Args:
        path: the file, which ends in .pack.
        folders: folders or packed files, with the ratio in which training draws from them: a number above 0 for each,
            or None for each.
        side: pixels, 16 to 8192.
        quality: of WebP, 1 to 100.
        progress: shows how far the images are, such as tqdm.

    Raises:
        InputError: an argument is of another kind, a folder or a file in it is not as ``FolderDataset`` reads it (up to
            ten are named), or ``path`` cannot be written.
    """
    path = as_path(path, "the path of a packed file")
    require(side, Whole(SMALLEST_SIDE, LARGEST_SIDE), "the side of packed images")
    require(quality, Whole(1, 100), "the quality of packed images")
    require(folders, FOLDERS, "the folders to pack")
    for folder in folders:
        as_path(folder, "a folder to pack")
    if not is_packed(path):
        raise InputError(f"{path} does not end in {PACK_ENDING} or is a folder: write to NAME{PACK_ENDING}.")
    _require_different(path, list(folders))
    files = [open_each_folder(folder, allow_empty=True) for folder in folders]
    sources = _sources(files, _ratios(folders))
    listed = [(source, index) for source in sources for index in range(len(source.reader))]

    def packed(entry: tuple[Source, int]) -> Packed | str:
        try:
            return _packed(entry[0].reader, entry[1], side, quality)
        except InputError as error:
            return str(error)

    pool = ThreadPoolExecutor(usable_cpus())
    try:
        with atomic_write(path) as file, zipfile.ZipFile(file, "w") as archive:
            results = progress(pool.map(packed, listed), len(listed))
            lost = _write(archive, path.name, side, sources, zip(listed, results, strict=True))
    finally:
        pool.shutdown(cancel_futures=True)
    if lost:
        logger.warning("%s left out as smaller than a pixel: a larger --side keeps more", counted(lost, "object"))
    return PackedFile(path)


def _write(
    archive: zipfile.ZipFile,
    name: str,
    side: int,
    sources: Sequence[Source],
    results: Iterable[tuple[tuple[Source, int], Packed | str]],
) -> int:
    """Add all members to an archive, and return the number of objects that have no pixel left."""
    images, broken, lost = [], [], 0
    for (source, index), done in results:
        if isinstance(done, str):
            broken.append(done)
            continue
        for member, content in zip(members_of(source.name, source.stems[index]), done[:2], strict=True):
            _add(archive, member, content)
        entry = {"folder": sources.index(source), "name": source.stems[index], "validation": index in source.validation}
        images.append({**entry, "ignored": done.ignored})
        lost += done.lost
    require_none(broken, len(images) + len(broken), name)
    for source in sources:
        if source.terms:
            _add(archive, f"{source.name}/{TERMS}", source.terms)
    folders = [{"name": source.name, "share": source.share} for source in sources]
    listed = {"format": FORMAT, "version": VERSION, "side": side, "folders": folders, "images": images}
    encoded = json.dumps(listed, ensure_ascii=False, separators=(",", ":")).encode()
    if len(encoded) > LARGEST_INDEX:
        raise InputError(f"{name} would hold too many images ({len(images)}): pack them into several files.")
    _add(archive, INDEX, encoded)
    return lost


def _sources(files: Sequence[Sequence[FolderDataset | PackedDataset]], ratios: list[float] | None) -> list[Source]:
    readers = [reader for file in files for reader in file]
    shares: Sequence[float | None] = joint_ratios(files, ratios) or [None] * len(readers)
    names = _unique([reader.name for reader in readers], (INDEX,))
    return [
        Source(
            reader,
            name,
            share,
            _terms(reader),
            _unique([_name(reader, index) for index in range(len(reader))]),
            _validation(reader),
        )
        for reader, name, share in zip(readers, names, shares, strict=True)
    ]


def _require_different(path: Path, folders: list[str]) -> None:
    """Check that no folder is given twice, and that none of the packed files that are read is written."""
    if not folders:
        raise InputError(f"there is nothing to pack into {path}: give folders with images/ and masks/.")
    twice = given_twice(folders)
    if twice is not None:
        raise InputError(f"{twice} is given twice: give each folder once.")
    if given_twice([*folders, path]) is not None:
        raise InputError(f"{path} is one of the files to pack: write to another one.")


def _ratios(folders: Mapping[str, float | None]) -> list[float] | None:
    for folder, ratio in folders.items():
        require(ratio, SHARE | Nothing(), f"the share of {folder}")
    given = [ratio for ratio in folders.values() if ratio is not None]
    if given and len(given) < len(folders):
        raise InputError("some folders have a share and others have none: give one to each, or to none.")
    return given or None


def _validation(reader: FolderDataset | PackedDataset) -> set[int]:
    """Return the indices of the images that are kept for validation."""
    if isinstance(reader, PackedDataset):
        return {index for index, number in enumerate(reader.numbers) if reader.file.images[number]["validation"]}
    kept = set(FolderDataset(reader.root, "val").pairs)
    return {index for index, pair in enumerate(reader.pairs) if pair in kept}


def _name(reader: FolderDataset | PackedDataset, index: int) -> str:
    if isinstance(reader, PackedDataset):
        return str(reader.file.images[reader.numbers[index]]["name"])
    return reader.pairs[index][0].stem


def _unique(names: Sequence[str], others: Sequence[str] = ()) -> list[str]:
    """Make names that files can have everywhere, and number those that file systems may take for another."""
    found, taken = [], set(others)
    for name in names:
        plain = "".join(letter if letter.isprintable() and letter not in UNUSUAL else "_" for letter in name)
        plain = plain.encode()[: LONGEST_NAME - ROOM].decode("utf-8", "ignore")
        plain, number = "_" if plain in ("", ".", "..") else plain, 1
        chosen = plain
        while name_key(chosen).casefold() in taken:
            number += 1
            chosen = f"{plain}-{number}"
        taken.add(name_key(chosen).casefold())
        found.append(chosen)
    return found


def _terms(reader: FolderDataset | PackedDataset) -> bytes:
    """Return the content of the file in a folder that tells its terms of use; nothing without one."""
    if isinstance(reader, PackedDataset):
        return reader.folder.terms.encode() if reader.folder else b""
    there = next((name for name in TERMS_FILES if is_regular(reader.root / name)), None)
    return read_regular(reader.root / there, "file of terms of use", LARGEST_TERMS) if there else b""


def _packed(reader: FolderDataset | PackedDataset, index: int, side: int, quality: int) -> Packed:
    sample = reader.get_sample(index)
    if isinstance(reader, PackedDataset) and max(sample.image.shape) <= side:
        return Packed(*reader.file.files(reader.numbers[index]), bool(sample.ignored), 0)
    return _encoded(sample, side, quality)


def _encoded(sample: DSample, side: int, quality: int) -> Packed:
    """Scale a sample down, and encode its image as WebP and its mask as PNG.

    Objects get the ids 1, 2, ...; beside them 255 marks ignored pixels.
    """
    image, mask = scaled_down(sample.image, sample.encoded_masks[..., 0], side)
    there = np.bincount(mask.ravel()) > 0
    values = [node.value for node in sample.objects.values() if node.value < len(there) and there[node.value]]
    table = np.zeros(len(there), np.uint16)
    table[values] = np.arange(1, len(values) + 1)
    for _, value in sample.ignored:
        if value < len(table):
            table[value] = IGNORED
    ids = table[mask]
    packed = _file(".webp", image[..., ::-1], cv2.IMWRITE_WEBP_QUALITY, quality)
    labels = _file(".png", ids.astype(np.uint8) if len(values) <= IGNORED else ids, cv2.IMWRITE_PNG_COMPRESSION, 9)
    ignored = bool(sample.ignored)
    return Packed(packed, labels if ignored else with_step(labels, 1), ignored, len(sample.objects) - len(values))


def _file(ending: str, pixels: np.ndarray, option: int, value: int) -> bytes:
    return cv2.imencode(ending, np.ascontiguousarray(pixels), (option, value))[1].tobytes()


def _add(archive: zipfile.ZipFile, member: str, content: bytes) -> None:
    info = zipfile.ZipInfo(member, EARLY)
    info.external_attr = 0o644 << 16
    archive.writestr(info, content)
