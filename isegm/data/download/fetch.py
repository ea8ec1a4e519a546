"""Download of a data set's archive into the data set's folder."""

from __future__ import annotations

from pathlib import Path

from isegm.data.download.sources import Archive
from isegm.utils.archives import unpack
from isegm.utils.download import Progress, download


def fetch_dataset(archive: Archive, root: Path, progress: Progress) -> list[Path]:
    """Download an archive, check it, and unpack it into the data set's folder.

    The archive is kept beside the folder while it is incomplete, so that another call resumes the download. It is
    removed after unpacking, unless it was there before: then somebody put it there by hand.

    Args:
        archive: see ``find_archive``.
        root: folder of the data set; it is created.
        progress: see ``download``.

    Returns:
        the unpacked files.

    Raises:
        InputError: the archive cannot be fetched, differs from its checksum, or cannot be unpacked.
    """
    packed = root.parent / archive.url.rpartition("/")[2]
    by_hand = packed.is_file()
    download(archive.url, packed, archive.size, archive.sha256, progress, md5=archive.md5)
    files = unpack(packed, root, archive.holds)
    if not by_hand:
        packed.unlink()
    return files
