"""Download of a data set's archive into the data set's folder."""

from __future__ import annotations

from pathlib import Path

from isegm.data.download.sources import Archive
from isegm.utils.archives import unpack
from isegm.utils.download import Progress, download
from isegm.utils.locks import hold_lock


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
        InputError: the archive cannot be fetched, differs from its checksum, cannot be unpacked, or is larger than the
            data set needs; or another program fetches the same data set.
    """
    packed = root.parent / archive.url.rpartition("/")[2]
    most_bytes = round(archive.most_gigabytes * 1e9)
    with hold_lock(root.parent / f".{root.name}.lock", str(root), "wait until it has fetched the data set"):
        by_hand = packed.is_file()
        download(archive.url, packed, archive.size, archive.sha256, progress, most_bytes, archive.md5)
        files = unpack(packed, root, archive.holds, most_bytes, archive.most_files)
        if not by_hand:
            packed.unlink()
    return files
