"""Packed files: images-and-masks folders, scaled down, in one file that is read by memory map."""

from __future__ import annotations

import mmap
import os
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np

from isegm.data.sample import DSample
from isegm.utils.errors import InputError
from isegm.utils.images import decode_image, decoded, recognised
from isegm.utils.json_text import decode_json
from isegm.utils.log import escaped
from isegm.utils.masks import IGNORED
from isegm.utils.opening import open_regular
from isegm.utils.schema import Fields, Flag, Items, Nothing, Number, Text, Whole, check
from isegm.utils.text_values import NamePart, as_path

INDEX = "index.json"
TERMS = "terms.txt"
LARGEST_INDEX = 1 << 26  # bytes
LARGEST_TERMS = 1 << 20
FORMAT, VERSION = "isegm pack", 1
SMALLEST_SIDE, LARGEST_SIDE = 16, 8192  # pixels; WebP has at most 16383
SHARE = Number(above=0, most=1_000_000)
LOCAL_HEADER = struct.Struct("<4s22xHH")  # of a member: its mark, and the lengths of what stands before its bytes
NO_ARCHIVE = (  # whatever zipfile raises on damaged files
    zipfile.BadZipFile,
    ValueError,
    OSError,
    EOFError,
    OverflowError,
    NotImplementedError,
    struct.error,
)


class MemberName(NamePart):
    """A ``NamePart`` that names something below the folder in which it stands."""

    phrase = "the name of a file or folder, without slashes and control characters"

    def fits(self, value: Any) -> bool:
        return super().fits(value) and value not in ("", ".", "..")


INDEX_KIND = Fields(
    {
        "format": Text(choices=(FORMAT,)),
        "version": Whole(VERSION, VERSION),
        "side": Whole(SMALLEST_SIDE, LARGEST_SIDE),
        "folders": Items(Fields({"name": MemberName(), "share": SHARE | Nothing()}), 1),
        "images": Items(Fields({"folder": Whole(0), "name": MemberName(), "validation": Flag(), "ignored": Flag()}), 1),
    }
)


@dataclass(frozen=True)
class PackedFolder:
    """One of the folders in a packed file.

    Attributes:
        name: of the folder.
        share: of the samples that training draws from it, relative to those of the others; None if nobody said.
        images: number of its images.
        terms: under which its data may be used; "" if nobody said.
    """

    name: str
    share: float | None
    images: int
    terms: str


class PackedFile:
    """The content of a packed file, a zip archive of images-and-masks folders whose members are not compressed.

    ``index.json`` in it lists folders and images, and says which images belong to validation and in which masks 255
    marks ignored pixels. Objects have the ids 1, 2, ...

    Args:
        path: the file.

    Attributes:
        path: the file.
        side: of the images, in pixels, at most.
        images: entries of the index, see ``INDEX_KIND``.
        folders: see ``PackedFolder``.

    Raises:
        InputError: it is no packed file, or is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = as_path(path, "the path of a packed file")
        with open_regular(self.path, "packed file") as file:
            self._stamp = _stamp(file)
            self._members = self._listed(file)
        index = self._index()
        self.side: int = index["side"]
        self.images: list[dict[str, Any]] = index["images"]
        self._require_images([folder["name"] for folder in index["folders"]])
        counts = Counter(image["folder"] for image in self.images)
        self.folders = [
            PackedFolder(**folder, images=counts[number], terms=self._terms(folder["name"]))
            for number, folder in enumerate(index["folders"])
        ]
        names = Counter(image["name"] for image in self.images)
        self._repeated = {name for name, count in names.items() if count > 1}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_map"}  # which each process opens

    def read(self, number: int) -> DSample:
        """Decode the image ``number`` of the file with its objects.

        Raises:
            InputError: it is damaged.
        """
        entry = self.images[number]
        image_name, mask_name = members_of(self.folders[entry["folder"]].name, entry["name"])
        opened = recognised(self._bytes(image_name), self._told(image_name))
        if max(opened.size) > self.side:
            raise self._damaged(f"{image_name} is {opened.size[0]}x{opened.size[1]} pixels, more than {self.side}")
        mask = recognised(self._bytes(mask_name), self._told(mask_name), "mask")
        if mask.kind != "PNG" or mask.size != opened.size:
            raise self._damaged(f"{mask_name} is no PNG file of the size of its image")
        image, ids = decode_image(opened), decoded(mask, cv2.IMREAD_UNCHANGED)
        if ids is None or ids.shape != image.shape[:2]:
            raise self._damaged(f"{mask_name} does not decode")
        ignored = [IGNORED] if entry["ignored"] else []
        values = np.flatnonzero(np.bincount(ids.ravel())).tolist()
        return DSample.flat(image, ids, [v for v in values if v not in (0, *ignored)], ignored, self._sample_id(entry))

    def files(self, number: int) -> tuple[bytes, bytes]:
        """Return the files of the image ``number``, WebP, and of its mask, PNG, as they are.

        Raises:
            InputError: they are missing.
        """
        entry = self.images[number]
        image, mask = members_of(self.folders[entry["folder"]].name, entry["name"])
        return self._bytes(image), self._bytes(mask)

    def _sample_id(self, entry: dict[str, Any]) -> str:
        """Return the name of an image, after that of its folder where another folder has an image of that name."""
        name: str = entry["name"]
        return f"{self.folders[entry['folder']].name}_{name}" if name in self._repeated else name

    def _listed(self, file: BinaryIO) -> dict[str, tuple[int, int, int]]:
        """Return position, bytes and checksum of each member of the archive."""
        try:
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
        except NO_ARCHIVE as error:
            raise InputError(f"{self.path} is no packed file, or is cut off: make it with isegm pack.") from error
        plain = (entry.compress_type == zipfile.ZIP_STORED and not entry.flag_bits & 1 for entry in entries)
        if not all(plain) or any(entry.compress_size != entry.file_size for entry in entries):
            raise InputError(f"{self.path} has compressed members, as no packed file has: make it with isegm pack.")
        members = {entry.filename: (entry.header_offset, entry.file_size, entry.CRC) for entry in entries}
        if len(members) < len(entries):
            raise self._damaged("several members have one name")
        return members

    def _index(self) -> Any:
        if INDEX not in self._members:
            raise InputError(f"{self.path} is no packed file, it has no {INDEX}: make it with isegm pack.")
        if self._members[INDEX][1] > LARGEST_INDEX:
            raise self._damaged(f"{INDEX} has {self._members[INDEX][1]} bytes, more than {LARGEST_INDEX}")
        name = self._told(INDEX)
        return check(decode_json(self._bytes(INDEX), name, "pack the folders again"), INDEX_KIND, name)

    def _require_images(self, folders: Sequence[str]) -> None:
        """Check that the folders and images of the index are different ones and have files."""
        if len(set(folders)) < len(folders):
            raise self._damaged("several folders have one name")
        seen = set()
        for image in self.images:
            if image["folder"] >= len(folders):
                raise self._damaged(f"{escaped(image['name'])} is of a folder that is not listed")
            names = members_of(folders[image["folder"]], image["name"])
            missing = [name for name in names if name not in self._members]
            if missing:
                raise self._damaged(f"it has no {missing[0]}")
            if names in seen:
                raise self._damaged(f"{names[0]} is listed twice")
            seen.add(names)
        used = {image["folder"] for image in self.images}
        empty = [folder for number, folder in enumerate(folders) if number not in used]
        if empty:
            raise self._damaged(f"{empty[0]} holds no images")

    def _terms(self, folder: str) -> str:
        member = f"{folder}/{TERMS}"
        if member not in self._members:
            return ""
        if self._members[member][1] > LARGEST_TERMS:
            raise self._damaged(f"{member} has more than {LARGEST_TERMS} bytes")
        return self._bytes(member).decode("utf-8", "replace").strip()

    def _bytes(self, member: str) -> bytes:
        start, size, checksum = self._members[member]
        content = self._mapped()
        here = min(len(content), content.size())  # less than at first where another program has cut the file
        begin = start + LOCAL_HEADER.size
        if start < 0 or begin > here:
            raise self._damaged(f"{member} is cut off")
        mark, name, extra = LOCAL_HEADER.unpack_from(content, start)
        begin += name + extra
        if mark != b"PK\3\4" or begin + size > here:
            raise self._damaged(f"{member} is cut off")
        found = content[begin : begin + size]
        if zlib.crc32(found) != checksum:
            raise self._damaged(f"{member} has another checksum")
        return found

    def _mapped(self) -> mmap.mmap:
        mapped: mmap.mmap | None = self.__dict__.get("_map")
        if mapped is None:
            with open_regular(self.path, "packed file") as file:
                if _stamp(file) != self._stamp:
                    raise InputError(f"{self.path} has changed since it was opened: start again.")
                try:
                    mapped = self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                except (OSError, ValueError) as error:
                    raise InputError(
                        f"{self.path} cannot be mapped into memory ({error}): copy it to another disk."
                    ) from error
        return mapped

    def _told(self, member: str) -> str:
        return f"{member} in {self.path}"

    def _damaged(self, reason: str) -> InputError:
        return InputError(f"{self.path} is damaged ({reason}): pack the folders again.")


def members_of(folder: str, name: str) -> tuple[str, str]:
    """Return the names in the archive of an image and of its mask."""
    return f"{folder}/images/{name}.webp", f"{folder}/masks/{name}.png"


def _stamp(file: BinaryIO) -> tuple[int, int]:
    state = os.fstat(file.fileno())
    return state.st_size, state.st_mtime_ns
